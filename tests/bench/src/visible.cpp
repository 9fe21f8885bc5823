// From webhook to dashboard: Post-Call webhooks at a fixed rate, of several companies, while a reader of each company asks again
// and again for the newest page of its calls. A call is visible when the answer that shows it has been read to its end; it was
// sent when it was due. So half the pause between two reads is in the figure. --token once a company, in the order of --company.
#include <cstdio>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "load.hpp"
#include "webhooks.hpp"

int main(int argc, char** argv) {
    using namespace otto;
    using namespace otto::bench;
    Args args(argc, argv, "port company token seed first rate seconds poll-ms limit start-us");
    auto companies = Company::of(args);
    const auto& tokens = args.all("token");
    auto seed = static_cast<std::uint64_t>(args.number("seed")), first = static_cast<std::uint64_t>(args.number("first"));
    LoadOptions o;
    o.port = static_cast<int>(args.number("port"));
    o.connections = 64;
    o.rate = std::stod(args.text("rate"));
    o.seconds = std::stod(args.text("seconds"));
    auto count = static_cast<std::uint64_t>(o.rate * o.seconds);
    auto start = from_micros(args.number("start-us"));

    std::vector<std::string> requests, ids;
    for (std::uint64_t n = 0; n < count; ++n) {
        auto call = call_of(seed, first + n, first + n, companies,
                            start + std::chrono::microseconds(static_cast<std::int64_t>(1e6 * static_cast<double>(n) / o.rate)));
        auto body = body_of(call, Stage::completed);
        ids.push_back(call.resource_id);
        requests.push_back("POST " + path_of(Stage::completed) +
                           " HTTP/1.1\r\nHost: otto.example\r\nContent-Type: application/json\r\nSignature: " +
                           signature_of(body, call.company->key) + "\r\nContent-Length: " + std::to_string(body.size()) +
                           "\r\n\r\n" + body);
    }

    std::mutex lock;
    std::unordered_map<std::string, Steady::time_point> waiting;  // sent, not seen yet
    Histogram latency, read;
    std::atomic<bool> over{false};
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < companies.size(); ++i)
        readers.emplace_back([&, i] {
            Client client(o.port);
            const std::string request = "GET /api/v1/calls?limit=" + args.text("limit") +
                                        " HTTP/1.1\r\nHost: otto.example\r\nAuthorization: Bearer " + tokens[i % tokens.size()] +
                                        "\r\n\r\n";
            const std::string mark = "\"provider_call_id\":\"";
            auto pause = Millis{args.number("poll-ms")};
            for (auto next = Steady::now(); !over; next += pause) {
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
                for (std::size_t at = 0; (at = body.find(mark, at)) != std::string::npos;) {
                    at += mark.size();
                    auto found = waiting.find(body.substr(at, body.find('"', at) - at));
                    if (found == waiting.end()) continue;
                    latency.add(std::chrono::duration_cast<std::chrono::microseconds>(now - found->second).count());
                    waiting.erase(found);
                }
            }
        });
    auto sent = run_load(
        o, [&](std::uint64_t n) -> const std::string& { return requests[n]; },
        [&](std::uint64_t n, Steady::time_point due) {
            std::lock_guard guard(lock);
            waiting.emplace(ids[n], due);
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
