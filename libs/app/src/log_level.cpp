#include "log_level.hpp"

#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace otto::app {
namespace {

std::string word(tel::Level level) {
    for (const auto& [text, value] : kLogLevel.words)
        if (value == level) return text;
    return "";
}

std::string listed() {
    std::string out;
    for (const auto& [text, value] : kLogLevel.words) out.append(out.empty() ? "" : ", ").append(text);
    return out;
}

/// The value of `level`, wherever it stands; nothing: it stands nowhere.
std::optional<std::string> given(const http::Request& request) {
    for (const auto& [name, value] : request.query_fields())
        if (name == "level") return value;
    if (request.content_type() == "application/x-www-form-urlencoded") {
        for (const auto& [name, value] : parse_form(request.body))
            if (name == "level") return value;
        return std::nullopt;
    }
    auto json = JsonDocument::parse(request.body);
    auto value = json ? json->root()["level"].string() : std::nullopt;
    return value ? std::optional(std::string(*value)) : std::nullopt;
}

}  // namespace

http::Response LogLevel::change(const http::Request& request) {
    auto wanted = given(request);
    const std::pair<std::string, tel::Level>* level = nullptr;
    for (const auto& one : kLogLevel.words)
        if (wanted && one.first == *wanted) level = &one;
    if (!level)
        return http::problem({422,
                              "Invalid request",
                              "Send level=" + kLogLevel.words.front().first + " (form or query), or as JSON {\"level\": \"" +
                                  kLogLevel.words.front().first + "\"}.",
                              {{"level", (wanted ? "is none of " : "is missing; it is one of ") + listed()}}},
                             request);
    auto until = clock_.now() + kLasts;
    {
        std::lock_guard guard(lock_);
        if (level->second == configured_)
            until_.reset();
        else
            until_ = until;
        set_(level->second);
    }
    tel::warn("the log level was changed", {{"level", level->first}, {"request_id", request.request_id}});
    JsonWriter w;
    w.begin_object().member("level", level->first).member("configured", word(configured_));
    if (level->second != configured_) w.member("until", to_rfc3339(until));
    return http::Response::json(200, w.end_object().take());
}

void LogLevel::look() {
    {
        std::lock_guard guard(lock_);
        if (!until_ || clock_.now() < *until_) return;
        until_.reset();
        set_(configured_);
    }
    tel::warn("the log level is the configured one again", {{"level", word(configured_)}});
}

}  // namespace otto::app
