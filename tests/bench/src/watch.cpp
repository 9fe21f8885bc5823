#include "watch.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

namespace otto::bench {

void watch(const Watch& w) {
    std::mutex lock;
    std::map<std::string, Steady::time_point, std::less<>> waiting;  // sent, not seen yet
    Histogram latency, read;
    std::atomic<bool> over{false};
    std::vector<std::thread> readers;
    for (const auto& request : w.reads)
        readers.emplace_back([&] {
            Client client(w.load.port);
            for (auto next = Steady::now(); !over; next += w.pause) {
                std::this_thread::sleep_until(next);
                auto asked = Steady::now();
                auto [status, body] = client.ask(request);
                auto now = Steady::now();
                if (status != 200) {
                    std::fprintf(stderr, "a read was answered %d: %s\n", status, body.substr(0, 500).c_str());
                    std::exit(1);
                }
                std::lock_guard guard(lock);
                read.add(std::chrono::duration_cast<std::chrono::microseconds>(now - asked).count());
                w.marks_of(body, [&](std::string_view mark) {
                    auto found = waiting.find(mark);
                    if (found == waiting.end()) return;
                    latency.add(std::chrono::duration_cast<std::chrono::microseconds>(now - found->second).count());
                    waiting.erase(found);
                });
            }
        });
    auto sent = run_load(
        w.load, [&](std::uint64_t n) -> const std::string& { return w.requests[n]; },
        [&](std::uint64_t n, Steady::time_point due) {
            if (w.marks[n].empty()) return;
            std::lock_guard guard(lock);
            waiting.emplace(w.marks[n], due);
        });
    auto give_up = Steady::now() + std::chrono::seconds(10);
    std::size_t unseen = 1;
    while (unseen > 0 && Steady::now() < give_up) {
        std::this_thread::sleep_for(Millis{20});
        std::lock_guard guard(lock);
        unseen = waiting.size();
    }
    over = true;
    for (auto& r : readers) r.join();
    std::printf(
        R"({"sent": %lu, "not_2xx": %lu, "errors": %lu, "seen": %lu, "unseen": %zu, "p50_ms": %.1f, "p90_ms": %.1f, "p99_ms": %.1f, "max_ms": %.1f, "answered_p99_ms": %.2f, "reads": %lu, "read_p50_ms": %.2f, "read_p99_ms": %.2f})"
        "\n",
        sent.done, sent.not_2xx, sent.errors, latency.count(), unseen, latency.at(.5), latency.at(.9), latency.at(.99),
        latency.max_ms(), sent.latency.at(.99), read.count(), read.at(.5), read.at(.99));
}

}  // namespace otto::bench
