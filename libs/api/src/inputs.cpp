#include "api/inputs.hpp"

#include <algorithm>
#include <stdexcept>

#include "api/refusal.hpp"
#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "values.hpp"

namespace otto::api {
namespace {

constexpr std::size_t kMostMembers = 10'000, kMostFields = 1'000;

/// Members of all objects in `v`, itself included.
std::size_t members_in(JsonView v) {
    std::size_t n = 0;
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i) n += members_in(v.at(i));
    for (auto [name, value] : v.members()) n += 1 + members_in(value);
    return n;
}

bool holds_nul(JsonView v) {
    if (auto text = v.string()) return text->find('\0') != std::string_view::npos;
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i)
        if (holds_nul(v.at(i))) return true;
    for (auto [name, value] : v.members())
        if (name.find('\0') != std::string_view::npos || holds_nul(value)) return true;
    return false;
}

std::string listed(const std::vector<std::string_view>& names) {
    if (names.empty()) return "nothing";
    std::string out;
    for (std::size_t i = 0; i < names.size(); ++i)
        out.append(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ").append(names[i]);
    return out;
}

[[noreturn]] void refuse_body(const std::string& why) {
    refuse(422, "Invalid request", "Correct the body: it " + why + ".", {{"body", why}});
}

}  // namespace

Inputs Inputs::of(const http::Request& request, std::initializer_list<std::string_view> takes) {
    Inputs in;
    in.takes_ = takes;
    in.read(request);
    return in;
}

Inputs Inputs::change(const http::Request& request, const Changeable& may) {
    Inputs in;
    in.changeable_ = may.lasting;
    in.changeable_.insert(in.changeable_.end(), may.clearable.begin(), may.clearable.end());
    in.takes_ = in.changeable_;
    in.takes_.insert(in.takes_.end(), may.besides.begin(), may.besides.end());
    in.fixed_ = may.fixed;
    in.read(request);
    for (auto name : may.lasting)
        if (in.clears(name)) refuse_field(std::string(name), "cannot be taken away; give another value, or leave it out");
    if (in.changed().empty()) refuse_body("names nothing to change; this takes " + listed(in.changeable_));
    return in;
}

void Inputs::read(const http::Request& request) {
    received_at_ = request.received_at;
    auto body = trim(request.body);
    if (body.starts_with('{'))
        read_json(body);
    else if (!body.empty() && (body.front() == '[' || body.find('=') == std::string_view::npos))
        refuse(422, "Invalid request", "Send a JSON object or a form.", {{"body", "is neither a JSON object nor a form"}});
    else
        read_form(parse_form(body), "body");
    read_form(request.query_fields(), "query");
}

void Inputs::read_json(std::string_view body) {
    auto parsed = JsonDocument::parse(body);
    if (!parsed)
        refuse(422, "Invalid request", "The body is no JSON: " + parsed.error().message + ".",
               {{"body", parsed.error().message}});
    if (members_in(parsed->root()) > kMostMembers) refuse_body("holds more than " + std::to_string(kMostMembers) + " members");
    for (auto [name, v] : parsed->root().members()) {
        bool structured = v.is_object() || v.is_array();
        if (structured && holds_nul(v))
            refuse_field(clip_utf8(name, 100), "holds a NUL character, which no text in the database can");
        put(name, {structured ? v.dump() : v.loose_text().value_or(""), structured});
    }
}

void Inputs::read_form(const FormFields& fields, const char* where) {
    if (fields.size() > kMostFields)
        refuse(422, "Invalid request", "Send fewer fields.",
               {{where, "holds more than " + std::to_string(kMostFields) + " fields"}});
    for (const auto& [name, value] : fields) {
        if (!valid_utf8(name) || !valid_utf8(value))
            refuse(422, "Invalid request", std::string("Correct the ") + where + ": it is no valid UTF-8.",
                   {{where, "is no valid UTF-8"}});
        put(name, {value, false});
    }
}

/// Of doubled names the first counts.
void Inputs::put(std::string_view name, Value value) {
    if (std::find(takes_.begin(), takes_.end(), name) == takes_.end()) {
        for (const auto& fixed : fixed_)
            if (std::find(fixed.names.begin(), fixed.names.end(), name) != fixed.names.end())
                refuse_field(std::string(name), std::string(fixed.cure));
        refuse_field(clip_utf8(name, 100), "is nothing that this takes; it takes " + listed(takes_));
    }
    values_.try_emplace(std::string(name), std::move(value));
}

const Inputs::Value* Inputs::find(std::string_view name) const {
    if (std::find(takes_.begin(), takes_.end(), name) == takes_.end())
        throw std::logic_error("a command reads '" + std::string(name) + "', which it has not declared");
    auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
}

void Inputs::alias(std::string_view other, std::string_view name) {
    if (!has(other)) return;
    if (has(name)) refuse_field(std::string(other), "is another word for " + std::string(name) + "; give one of them");
    auto given = values_.extract(values_.find(other));
    given.key() = std::string(name);
    values_.insert(std::move(given));
}

std::vector<std::string> Inputs::changed() const {
    std::vector<std::string> out;
    for (auto name : changeable_)
        if (has(name)) out.emplace_back(name);
    return out;
}

std::optional<std::string> Inputs::text(std::string_view name, std::size_t most) const {
    const auto* given = find(name);
    if (!given) return std::nullopt;
    if (given->structured) refuse_field(std::string(name), "takes a text");
    auto value = trim(given->text);
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

std::optional<std::string> Inputs::lines(std::string_view name, std::size_t most) const {
    const auto* given = find(name);
    if (!given) return std::nullopt;
    if (given->structured) refuse_field(std::string(name), "takes a text");
    if (trim(given->text).empty()) return std::nullopt;
    std::string value;
    std::size_t characters = 0;
    for (std::size_t i = 0; i < given->text.size(); ++i) {
        const auto at = [&](std::size_t n) { return n < given->text.size() ? static_cast<unsigned char>(given->text[n]) : 0u; };
        if (at(i) == '\r' && at(i + 1) == '\n') continue;
        bool control = (at(i) < 0x20 && at(i) != '\n') || at(i) == 0x7f || (at(i) == 0xc2 && at(i + 1) < 0xa0);
        if (control) refuse_field(std::string(name), "holds a control character; of those it takes ends of lines only");
        if ((at(i) & 0xc0) != 0x80) ++characters;
        value += given->text[i];
    }
    if (characters > most) refuse_field(std::string(name), "takes at most " + std::to_string(most) + " characters");
    return value;
}

std::optional<std::string> Inputs::phone(std::string_view name) const {
    const auto* given = find(name);
    if (!given || trim(given->text).empty()) return std::nullopt;
    auto phone = normalize_phone(given->text);  // untrimmed: a leading space may have been a plus
    if (!phone.e164) refuse_field(std::string(name), "is no callable phone number; write it as +12025550100");
    return phone.text;
}

std::optional<bool> Inputs::truth(std::string_view name) const {
    auto value = text(name, 10);
    if (!value) return std::nullopt;
    auto word = lower(*value);
    if (word == "yes" || word == "no") return word == "yes";  // of forms
    if (auto said = yes_or_no(word)) return said;
    refuse_field(std::string(name), "takes true or false");
}

std::optional<std::int64_t> Inputs::integer(std::string_view name, std::int64_t least, std::int64_t most) const {
    auto value = text(name, 30);
    if (!value) return std::nullopt;
    auto n = whole_number(*value);
    if (!n || *n < least || *n > most)
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
    auto said = parse_spoken_time(*value);
    if (!said) refuse_field(std::string(name), "is no time; write it as 2026-03-01T10:00:00-07:00");
    if (!said->moment || said->by_name)
        refuse_field(std::string(name),
                     "names no offset; write it as 2026-03-01T10:00:00-07:00, or 2026-03-01T17:00:00Z for UTC");
    if (!credible(said->moment, received_at_)) refuse_field(std::string(name), "lies before 2000 or more than ten years ahead");
    return said->moment;
}

std::optional<std::string> Inputs::one_of(std::string_view name, Words words) const {
    auto value = text(name, 100);
    if (value && !words.has(*value)) refuse_field(std::string(name), "takes one of " + words.listed());
    return value;
}

bool Inputs::clears(std::string_view name) const {
    const auto* given = find(name);
    return given && !given->structured && trim(given->text).empty();
}

std::optional<std::string> Inputs::json(std::string_view name) const {
    const auto* given = find(name);
    if (!given || clears(name)) return std::nullopt;
    if (given->structured) return given->text;
    auto parsed = JsonDocument::parse(given->text);
    if (!parsed) refuse_field(std::string(name), "is no JSON");
    if (members_in(parsed->root()) > kMostMembers)
        refuse_field(std::string(name), "holds more than " + std::to_string(kMostMembers) + " members");
    if (holds_nul(parsed->root())) refuse_field(std::string(name), "holds a NUL character, which no text in the database can");
    return parsed->root().dump();  // the database knows no half of a surrogate pair, which may stand in what was written
}

std::optional<std::string> Inputs::json(std::string_view name, const JsonSchema& schema) const {
    auto given = json(name);
    if (!given) return std::nullopt;
    auto parsed = JsonDocument::parse(*given).value();
    if (auto misfit = schema.misfit(parsed.root()))
        refuse_field(std::string(name), *misfit + " of its schema; see /openapi.json");
    return given;
}

}  // namespace otto::api
