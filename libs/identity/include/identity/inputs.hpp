#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"
#include "http/message.hpp"

namespace otto::identity {

/// What a command was given: query, form or JSON body, whichever the caller used; the body beats the query. A form under a JSON content type (the
/// seeds' curl lines) is understood too.
class Inputs {
public:
    /// 422 for a body that is neither.
    static Inputs of(const http::Request&);
    /// Trimmed; nullopt if absent, null or empty. 422 over `most` bytes or with control characters.
    std::optional<std::string> text(std::string_view name, std::size_t most = 500) const;
    std::string required(std::string_view name, std::size_t most = 500) const;
    /// E.164; 422 if it is no callable number.
    std::optional<std::string> phone(std::string_view name) const;
    std::optional<bool> truth(std::string_view name) const;
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most) const;
    std::optional<Uuid> uuid(std::string_view name) const;
    /// RFC 3339.
    std::optional<Instant> time(std::string_view name) const;
    std::optional<std::string> one_of(std::string_view name, std::initializer_list<std::string_view> words) const;
    /// Given as null or empty: the value is to be taken away.
    bool clears(std::string_view name) const;
    /// A piece of JSON: object or array, as it was given.
    std::optional<std::string> json(std::string_view name) const;
    /// A piece of JSON that fits `schema`; 422 that says where it does not.
    std::optional<std::string> json(std::string_view name, const JsonSchema& schema) const;
    /// 422 for what a command does not change, with the cure.
    void refuse(std::string_view name, const std::string& cure) const;
    bool has(std::string_view name) const { return values_.contains(name); }

private:
    struct Value { std::string text; bool structured = false; };
    std::map<std::string, Value, std::less<>> values_;
};

}  // namespace otto::identity
