#include "telemetry/log.hpp"

#include <unistd.h>

#include <mutex>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace otto::tel {
namespace {

constexpr std::size_t kLongestText = 8u << 10;

struct State {
    std::string service = "otto";
    Level least = Level::info;
    Secret phone_key{std::string("unconfigured")};
    std::mutex sink_lock;
    std::function<void(std::string_view)> sink;
};

State& state() {
    static State s;
    return s;
}

thread_local std::string thread_service;

constexpr std::string_view name(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warn: return "warn";
        case Level::error: return "error";
    }
    return "?";
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
std::string hash_of_normal(std::string_view number) { return hex_encode(std::string_view(hmac_sha256(state().phone_key.reveal(), number)).substr(0, 6)); }
}  // namespace

std::string phone_hash(std::string_view number) { return hash_of_normal(normalize_phone(number).text); }

Field phone(std::string_view key, std::string_view number) {
    auto normal = normalize_phone(number);
    // Only a callable number has last digits worth showing; a SIP address or a name is a person's own word.
    std::string json = R"({"last4":")";
    if (normal.e164) json.append(normal.text, normal.text.size() - 4);
    json.append(R"(","hash":")").append(hash_of_normal(normal.text)).append(R"("})");
    return Field::json(key, std::move(json));
}

void log(Level level, std::string_view message, std::initializer_list<Field> fields) {
    auto& s = state();
    if (level < s.least) return;
    JsonWriter w;
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
    {
        std::lock_guard lock(s.sink_lock);
        if (s.sink) {
            s.sink(line);
            return;
        }
    }
    line += '\n';
    std::string_view rest = line;
    while (!rest.empty()) {
        auto n = ::write(STDOUT_FILENO, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // nowhere to complain
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

void configure_log(std::string service, Level least, Secret phone_hash_key) {
    auto& s = state();
    s.service = std::move(service);
    s.least = least;
    if (!phone_hash_key.empty()) s.phone_key = std::move(phone_hash_key);
}

ServiceScope::ServiceScope(std::string_view service) : former_(std::exchange(thread_service, std::string(service))) {}
ServiceScope::~ServiceScope() { thread_service = std::move(former_); }

void set_log_sink(std::function<void(std::string_view)> sink) {
    std::lock_guard lock(state().sink_lock);
    state().sink = std::move(sink);
}

}  // namespace otto::tel
