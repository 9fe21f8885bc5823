#include "telemetry/log.hpp"

#include "telemetry/log_output.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "telemetry/metrics.hpp"

namespace otto::tel {
namespace {

constexpr std::size_t kLongestText = 8u << 10;

struct State {
    std::string service = "otto";
    std::atomic<Level> least{Level::info};
    Secret phone_key{std::string("unconfigured")};
    std::atomic<unsigned> key_number{0};  // changes with the key
    std::mutex sink_lock;
    std::function<void(std::string_view)> sink;
};

State& state() {
    static State s;
    return s;
}

void write_out(std::string_view text) {
    while (!text.empty()) {
        auto n = ::write(STDOUT_FILENO, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // nowhere to complain
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// Standard output. A write costs several times the making of a line, so under load one write takes many.
class Output {
public:
    void buffer() {
        std::lock_guard guard(lock_);
        if (owner_ != 0) return;
        // A signal is for the thread that waits for it.
        sigset_t all, former;
        sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &former);
        std::thread([this] { loop(); }).detach();
        ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
        owner_ = ::getpid();
        std::atexit(flush_log);
    }
    void put(std::string_view line, bool urgent) {
        std::unique_lock guard(lock_);
        if (owner_ == 0) {
            guard.unlock();
            write_out(line);
            return;
        }
        pending_ += line;
        // A child of fork() has no thread that would write later.
        bool quiet = pending_.size() == line.size() && Steady::now() >= written_ + kPause;
        if (urgent || quiet || pending_.size() >= kMost || owner_ != ::getpid()) {
            write_pending();
        } else if (!asked_) {
            asked_ = true;
            due_.notify_one();
        }
    }
    void flush() {
        std::lock_guard guard(lock_);
        write_pending();
    }

private:
    using Steady = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kPause{5};
    static constexpr std::size_t kMost = 64u << 10;

    void write_pending() {
        if (pending_.empty()) return;
        write_out(pending_);
        pending_.clear();
        written_ = Steady::now();
    }
    void loop() {
        std::unique_lock guard(lock_);
        for (;;) {
            due_.wait(guard, [&] { return asked_; });
            while (!pending_.empty() && Steady::now() < written_ + kPause) due_.wait_until(guard, written_ + kPause);
            write_pending();
            asked_ = false;
        }
    }

    std::mutex lock_;
    std::condition_variable due_;
    std::string pending_;
    Steady::time_point written_{};
    bool asked_ = false;  // the thread knows that something waits
    ::pid_t owner_ = 0;   // of the thread; 0 = every line is written at once
};

Output& output() {
    static auto& o = *new Output;  // never destroyed: its thread lives as long as the process
    return o;
}

thread_local std::string thread_service;

constexpr std::string_view name(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
    }
    return "?";
}

const Counters kLines{"otto_log_lines_total", "Lines of log, by level; one that nobody wants to see is none.", {"level"}};

/// Static things may log when their constants are gone: a series stays.
void count(Level level) {
    static std::array<Counter, 4> of{kLines({"debug"}), kLines({"info"}), kLines({"warn"}), kLines({"error"})};
    of[static_cast<std::size_t>(level)].inc();
}

}  // namespace

Field Field::json(std::string_view key, std::string json) { return Field(key, Raw{std::move(json)}); }

void Field::write(JsonWriter& w) const {
    if (auto text = std::get_if<std::string>(&value_))
        text->size() <= kLongestText ? w.value(*text) : w.value(clip_utf8(*text, kLongestText));
    else if (auto flag = std::get_if<bool>(&value_))
        w.value(*flag);
    else if (auto whole = std::get_if<std::int64_t>(&value_))
        w.value(*whole);
    else if (auto real = std::get_if<double>(&value_))
        w.value(*real);
    else
        w.raw(std::get<Raw>(value_).json);
}

namespace {
std::string hash_of_normal(std::string_view number) {
    return hex_encode(std::string_view(hmac_sha256(state().phone_key.reveal(), number)).substr(0, 6));
}
}  // namespace

std::string phone_hash(std::string_view number) { return hash_of_normal(normalize_phone(number).text); }

Field phone(std::string_view key, std::string_view number) {
    // A company's number and a customer come again and again, and the hash costs as much as the rest of a line.
    static thread_local std::unordered_map<std::string, std::string> known;
    static thread_local std::string asked;
    static thread_local unsigned of_key = 0;
    if (of_key != state().key_number) {
        known.clear();
        of_key = state().key_number;
    }
    asked = number;
    if (auto found = known.find(asked); found != known.end()) return Field::json(key, found->second);
    auto normal = normalize_phone(number);
    // Only a callable number has last digits worth showing; a SIP address or a name is a person's own word.
    std::string json = R"({"last4":")";
    if (normal.e164) json.append(normal.text, normal.text.size() - 4);
    json.append(R"(","hash":")").append(hash_of_normal(normal.text)).append(R"("})");
    if (number.size() <= 40) {
        if (known.size() >= 4'096) known.clear();
        known.emplace(asked, json);
    }
    return Field::json(key, std::move(json));
}

void log(Level level, std::string_view message, std::initializer_list<Field> fields) {
    auto& s = state();
    if (level < s.least) return;
    JsonWriter w(512);
    w.begin_object();
    w.member("time", to_rfc3339(system_clock().now()));
    w.member("level", name(level));
    w.member("service", thread_service.empty() ? s.service : thread_service);
    w.member("message", message);
    for (const auto& field : fields) {
        w.key(field.key());
        field.write(w);
    }
    w.end_object();
    std::string line = w.take();
    count(level);
    {
        std::lock_guard lock(s.sink_lock);
        if (s.sink) {
            s.sink(line);
            return;
        }
    }
    line += '\n';
    output().put(line, level >= Level::warn);
}

void set_log_level(Level least) { state().least = least; }
void buffer_log() { output().buffer(); }
void flush_log() { output().flush(); }

void configure_log(std::string service, Level least, Secret phone_hash_key) {
    auto& s = state();
    s.service = std::move(service);
    s.least = least;
    if (!phone_hash_key.empty()) {
        s.phone_key = std::move(phone_hash_key);
        ++s.key_number;
    }
}

const std::string& service_of_thread() { return thread_service; }

ServiceScope::ServiceScope(std::string_view service) : former_(std::exchange(thread_service, std::string(service))) {}
ServiceScope::~ServiceScope() { thread_service = std::move(former_); }

void set_log_sink(std::function<void(std::string_view)> sink) {
    std::lock_guard lock(state().sink_lock);
    state().sink = std::move(sink);
}

}  // namespace otto::tel
