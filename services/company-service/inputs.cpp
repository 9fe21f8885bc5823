#include "inputs.hpp"

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "identity/api.hpp"

namespace otto::company_service {
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
    if (found->second.structured) identity::refuse_field(std::string(name), "takes a text");
    auto value = trim(found->second.text);
    if (value.empty()) return std::nullopt;
    if (value.size() > most) identity::refuse_field(std::string(name), "takes at most " + std::to_string(most) + " bytes");
    for (char c : value)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) identity::refuse_field(std::string(name), "holds a control character");
    return std::string(value);
}

std::string Inputs::required(std::string_view name, std::size_t most) const {
    auto value = text(name, most);
    if (!value) identity::refuse_field(std::string(name), "is missing");
    return *value;
}

std::optional<std::string> Inputs::phone(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end() || trim(found->second.text).empty()) return std::nullopt;
    auto phone = normalize_phone(found->second.text);  // untrimmed: a leading space may have been a plus
    if (!phone.e164) identity::refuse_field(std::string(name), "is no callable phone number; write it as +12025550100");
    return phone.text;
}

std::optional<bool> Inputs::truth(std::string_view name) const {
    auto value = text(name, 10);
    if (!value) return std::nullopt;
    auto word = lower(*value);
    if (word == "true" || word == "1" || word == "yes") return true;
    if (word == "false" || word == "0" || word == "no") return false;
    identity::refuse_field(std::string(name), "takes true or false");
}

std::optional<std::string> Inputs::json(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    if (found->second.structured) return found->second.text;
    if (trim(found->second.text).empty()) return std::nullopt;
    if (!JsonDocument::parse(found->second.text)) identity::refuse_field(std::string(name), "is no JSON");
    return found->second.text;
}

std::optional<std::string> Inputs::json(std::string_view name, const JsonSchema& schema) const {
    auto given = json(name);
    if (!given) return std::nullopt;
    auto parsed = JsonDocument::parse(*given).value();
    if (holds_nul(parsed.root())) identity::refuse_field(std::string(name), "holds a NUL character, which no text in the database can");
    if (auto misfit = schema.misfit(parsed.root())) identity::refuse_field(std::string(name), *misfit + " of its schema; see /openapi.json");
    return given;
}

void Inputs::refuse(std::string_view name, const std::string& cure) const {
    if (has(name)) identity::refuse_field(std::string(name), cure);
}

}  // namespace otto::company_service
