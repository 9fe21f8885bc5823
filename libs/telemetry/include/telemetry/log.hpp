#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "base/secret.hpp"

namespace otto {
class JsonWriter;
}

/// Structured logs: one JSON line an event, on standard output, never cut or mixed (log_output.hpp says when they are written).
///
///     tel::warn("No company found for tracking number", {{"provider", "callrail"}, tel::phone("tracking_number", number)});
///
/// Never a secret, never a person's words; a phone number only through phone(). Thread-safe.
namespace otto::tel {

enum class Level { debug, info, warn, error };

/// A key and a value. Texts over 8 KiB are cut.
class Field {
public:
    template <class T>
        requires std::is_convertible_v<T, std::string_view>
    Field(std::string_view key, const T& text) : key_(key), value_(std::string(std::string_view(text))) {}
    Field(std::string_view key, bool v) : key_(key), value_(v) {}
    template <class T>
        requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
    Field(std::string_view key, T v) : key_(key), value_(static_cast<std::int64_t>(v)) {}
    Field(std::string_view key, double v) : key_(key), value_(v) {}
    /// A value that is JSON already.
    static Field json(std::string_view key, std::string json);

    std::string_view key() const { return key_; }
    /// The value, where the writer expects one.
    void write(JsonWriter&) const;

private:
    struct Raw {
        std::string json;
    };
    std::string_view key_;
    std::variant<std::string, bool, std::int64_t, double, Raw> value_;
    Field(std::string_view key, Raw raw) : key_(key), value_(std::move(raw)) {}
};

/// A phone number as logs may show it: `{"last4":"4559","hash":"…"}`, the hash being the first 12 hex digits of HMAC-SHA256 of
/// the normalized number under the configured key, so that `deploy/logs --filter` finds it.
Field phone(std::string_view key, std::string_view number);
std::string phone_hash(std::string_view number);

void log(Level, std::string_view message, std::initializer_list<Field> = {});
inline void debug(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::debug, m, f); }
inline void info(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::info, m, f); }
inline void warn(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::warn, m, f); }
inline void error(std::string_view m, std::initializer_list<Field> f = {}) { log(Level::error, m, f); }

/// Once, before threads start.
void configure_log(std::string service, Level least, Secret phone_hash_key);

/// Lines of this thread carry this service's name while it lives; for several services in one process.
class ServiceScope {
public:
    explicit ServiceScope(std::string_view service);
    ~ServiceScope();
    ServiceScope(const ServiceScope&) = delete;
    ServiceScope& operator=(const ServiceScope&) = delete;

private:
    std::string former_;
};

/// Where lines go instead of standard output, for tests; an empty function restores it.
void set_log_sink(std::function<void(std::string_view line)>);

}  // namespace otto::tel
