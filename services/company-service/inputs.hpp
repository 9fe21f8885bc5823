#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "http/message.hpp"

namespace otto::company_service {

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

}  // namespace otto::company_service
