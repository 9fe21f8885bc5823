#include "identity/inputs.hpp"

#include <charconv>

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "identity/api.hpp"

namespace otto::identity {
namespace {

bool holds_nul(JsonView v) {
    if (auto text = v.string()) return text->find('\0') != std::string_view::npos;
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i)
        if (holds_nul(v.at(i))) return true;
    for (auto key : v.keys())
        if (key.find('\0') != std::string_view::npos || holds_nul(v[key])) return true;
    return false;
}

}  // namespace

Inputs Inputs::of(const http::Request& request) {
    Inputs in;
    for (auto& [name, value] : request.query_fields()) {
        if (!valid_utf8(name) || !valid_utf8(value)) identity::refuse(422, "Invalid request", "The query is no valid UTF-8.", {{"query", "is no valid UTF-8"}});
        in.values_.insert_or_assign(name, Value{value, false});
    }
    auto body = trim(request.body);
    if (body.empty()) return in;
    if (body.front() == '{') {
        auto parsed = JsonDocument::parse(body);
        if (!parsed) identity::refuse(422, "Invalid request", "The body is no JSON: " + parsed.error().message + ".", {{"body", parsed.error().message}});
        auto root = parsed->root();
        for (auto key : root.keys()) {
            auto v = root[key];
            if (v.is_object() || v.is_array()) in.values_.insert_or_assign(std::string(key), Value{v.dump(), true});
            else in.values_.insert_or_assign(std::string(key), Value{v.loose_text().value_or(""), false});
        }
        return in;
    }
    if (body.find('=') == std::string_view::npos || body.front() == '[') identity::refuse(422, "Invalid request", "Send a JSON object or a form.", {{"body", "is neither a JSON object nor a form"}});
    for (auto& [name, value] : parse_form(body)) {
        if (!valid_utf8(name) || !valid_utf8(value)) identity::refuse(422, "Invalid request", "The form is no valid UTF-8.", {{"body", "is no valid UTF-8"}});
        in.values_.insert_or_assign(name, Value{value, false});
    }
    return in;
}

std::optional<std::string> Inputs::text(std::string_view name, std::size_t most) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    if (found->second.structured) refuse_field(std::string(name), "takes a text");
    auto value = trim(found->second.text);
    if (value.empty()) return std::nullopt;
    if (value.size() > most) refuse_field(std::string(name), "takes at most " + std::to_string(most) + " bytes");
    for (char c : value)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) refuse_field(std::string(name), "holds a control character");
    return std::string(value);
}

std::string Inputs::required(std::string_view name, std::size_t most) const {
    auto value = text(name, most);
    if (!value) refuse_field(std::string(name), "is missing");
    return *value;
}

std::optional<std::string> Inputs::phone(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end() || trim(found->second.text).empty()) return std::nullopt;
    auto phone = normalize_phone(found->second.text);  // untrimmed: a leading space may have been a plus
    if (!phone.e164) refuse_field(std::string(name), "is no callable phone number; write it as +12025550100");
    return phone.text;
}

std::optional<bool> Inputs::truth(std::string_view name) const {
    auto value = text(name, 10);
    if (!value) return std::nullopt;
    auto word = lower(*value);
    if (word == "true" || word == "1" || word == "yes") return true;
    if (word == "false" || word == "0" || word == "no") return false;
    refuse_field(std::string(name), "takes true or false");
}

std::optional<std::int64_t> Inputs::integer(std::string_view name, std::int64_t least, std::int64_t most) const {
    auto value = text(name, 30);
    if (!value) return std::nullopt;
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), n);
    if (error != std::errc{} || end != value->data() + value->size() || n < least || n > most)
        refuse_field(std::string(name), "takes a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return n;
}

std::optional<Uuid> Inputs::uuid(std::string_view name) const {
    auto value = text(name, 100);
    if (!value) return std::nullopt;
    auto id = Uuid::parse(*value);
    if (!id) refuse_field(std::string(name), "is no id; ids look like 0191e0b8-0000-7000-8000-000000000001");
    return *id;
}

std::optional<Instant> Inputs::time(std::string_view name) const {
    auto value = text(name, 100);
    if (!value) return std::nullopt;
    auto at = parse_time(*value);
    if (!at) refuse_field(std::string(name), "is no time; write it as 2026-03-01T10:00:00-07:00");
    return *at;
}

std::optional<std::string> Inputs::one_of(std::string_view name, std::initializer_list<std::string_view> words) const {
    auto value = text(name, 100);
    if (!value) return std::nullopt;
    std::string all;
    for (auto word : words) {
        if (*value == word) return value;
        all.append(all.empty() ? "" : ", ").append(word);
    }
    refuse_field(std::string(name), "takes one of " + all);
}

bool Inputs::clears(std::string_view name) const {
    auto found = values_.find(name);
    return found != values_.end() && !found->second.structured && trim(found->second.text).empty();
}

std::optional<std::string> Inputs::json(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    if (found->second.structured) return found->second.text;
    if (trim(found->second.text).empty()) return std::nullopt;
    if (!JsonDocument::parse(found->second.text)) refuse_field(std::string(name), "is no JSON");
    return found->second.text;
}

std::optional<std::string> Inputs::json(std::string_view name, const JsonSchema& schema) const {
    auto given = json(name);
    if (!given) return std::nullopt;
    auto parsed = JsonDocument::parse(*given).value();
    if (holds_nul(parsed.root())) refuse_field(std::string(name), "holds a NUL character, which no text in the database can");
    if (auto misfit = schema.misfit(parsed.root())) refuse_field(std::string(name), *misfit + " of its schema; see /openapi.json");
    return given;
}

void Inputs::refuse(std::string_view name, const std::string& cure) const {
    if (has(name)) refuse_field(std::string(name), cure);
}

}  // namespace otto::identity
