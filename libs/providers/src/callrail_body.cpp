#include "callrail_body.hpp"

#include <algorithm>

#include "base/spoken_time.hpp"

namespace otto::providers::callrail {
namespace {

constexpr std::size_t kLongestText = 64u << 10;  ///< normalized parts do not repeat what is larger; the raw body has it
constexpr std::size_t kMostFields = 1'000, kMostItems = 200, kMostChanges = 100;

/// A text as rows can keep it: Postgres knows no NUL, which JSON and forms may hold, and one row that cannot be written would stop all that are with it.
std::string keepable(std::string_view text, std::size_t most) {
    auto out = clip_utf8(text, most);
    std::erase(out, '\0');
    return out;
}

}  // namespace

Result<Body> Body::read(std::string_view bytes, std::string_view content_type) {
    Body b;
    if (content_type == "application/x-www-form-urlencoded" && !trim(bytes).starts_with('{')) {
        if (static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '&')) >= kMostFields) return Error("the form has more than " + std::to_string(kMostFields) + " fields");
        b.fields_ = parse_form(bytes);
        if (b.fields_.empty()) return Error("the form has no fields");
        for (const auto& [name, value] : b.fields_) {
            if (!valid_utf8(name) || !valid_utf8(value)) return Error("the form is no valid UTF-8");
            b.form_.emplace(name, value);
        }
        return b;
    }
    if (trim(bytes).empty()) return Error("the body is empty");
    auto parsed = JsonDocument::parse(bytes);
    if (!parsed) return Error("the body is no JSON: " + parsed.error().message);
    if (!parsed->root().is_object()) return Error("the body is no JSON object");
    if (parsed->root().size() > kMostFields) return Error("the body has more than " + std::to_string(kMostFields) + " fields");
    b.json_.emplace(std::move(*parsed));
    b.members_.emplace(b.json_->root());
    return b;
}

std::optional<std::string_view> Body::field(std::string_view name) const {
    auto found = form_.find(name);
    return found == form_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> Body::text(std::initializer_list<std::string_view> names) const {
    for (auto name : names) {
        std::optional<std::string> written;  // what is no text in the object
        std::optional<std::string_view> value;
        if (json_) {
            auto member = (*members_)[name];
            value = member.string();
            if (!value) value = written = member.loose_text();
        } else {
            value = field(name);
        }
        if (!value || value->empty()) continue;
        auto kept = keepable(*value, kLongestText);
        if (!trim(kept).empty()) return kept;
    }
    return std::nullopt;
}

std::optional<std::string> Body::said(std::initializer_list<std::string_view> names, Of of) const {
    for (auto name : names)
        if (auto found = text({name}); found && !says_nothing(*found, of)) return found;
    return std::nullopt;
}

std::optional<bool> Body::truth(std::initializer_list<std::string_view> names) const {
    for (auto name : names) {
        if (json_) {
            if (auto b = (*members_)[name].loose_boolean()) return b;
        } else if (auto value = field(name)) {
            auto word = lower(trim(*value));
            if (word == "true" || word == "1" || word == "yes") return true;
            if (word == "false" || word == "0" || word == "no") return false;
        }
    }
    return std::nullopt;
}

std::optional<std::int64_t> Body::number(std::initializer_list<std::string_view> names) const {
    for (auto name : names) {
        if (json_) {
            if (auto n = (*members_)[name].loose_integer()) return n;
            if (auto d = (*members_)[name].number(); d && *d >= 0 && *d < 1e9) return static_cast<std::int64_t>(*d);
        } else if (auto value = field(name)) {
            auto digits = trim(*value);
            if (!digits.empty() && digits.size() < 12 && std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::stoll(std::string(digits));
        }
    }
    return std::nullopt;
}

std::optional<Instant> Body::time(std::initializer_list<std::string_view> names) const {
    for (auto name : names) {
        auto said = parse_spoken_time(text({name}).value_or(""));
        if (!said) continue;
        if (said->moment) return said->moment;
        if (!said->clock.empty())  // the hour of a bare day would be made up
            if (auto at = parse_time(said->wall("") + "Z")) return at;
    }
    return std::nullopt;
}

std::vector<std::string> Body::list(std::string_view name) const {
    if (json_ && (*members_)[name].is_array()) {
        std::vector<std::string> out;
        auto items = (*members_)[name];
        for (std::size_t i = 0; i < items.size() && out.size() < kMostItems; ++i)
            if (auto tag = keepable(items.at(i).loose_text().value_or(""), 1'000); !tag.empty()) out.push_back(std::move(tag));
        return out;
    }
    auto out = split_list(text({name}).value_or(""));
    if (out.size() > kMostItems) out.resize(kMostItems);
    return out;
}

std::vector<std::string> Body::changes() const {
    std::vector<std::string> out;
    auto add = [&](std::string_view name) {
        static const std::vector<std::pair<std::string_view, std::string_view>> ours{{"recording", "recording_url"}, {"customer_name", "customer_name"}, {"transcription_text", ""}, {"call_summary", ""}};
        auto mine = keepable(name, 200);
        for (const auto& [theirs, word] : ours)
            if (theirs == name) mine = word;
        if (!mine.empty() && out.size() < kMostChanges) out.push_back(mine);
    };
    auto names_of = [&](JsonView object) {
        if (object.size() <= kMostChanges)
            for (const auto& member : object.members()) add(member.name);
    };
    if (!json_) return out;
    auto c = json_->root()["changes"];
    for (std::size_t i = 0; c.is_array() && i < std::min(c.size(), kMostChanges); ++i) {
        if (auto name = c.at(i).string()) add(*name);
        else if (auto named = c.at(i)["field"].string()) add(*named);
        else names_of(c.at(i));
    }
    if (c.is_object()) names_of(c);
    return out;
}

}  // namespace otto::providers::callrail
