#include "callrail/body.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/json_page.hpp"

#include "base/spoken_time.hpp"
#include "keepable.hpp"
#include "providers/webhook.hpp"

namespace otto::providers::callrail {
namespace {

constexpr std::size_t kLongestText = 64u << 10;  ///< normalized parts do not repeat what is larger; the raw body has it
constexpr std::size_t kMostItems = 200, kMostChanges = 100;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kNames[] = {"name", "label", "title", "text",
                                       "value"};  ///< under which an object in a list may have its name

bool digits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos; }

/// What is said of a list, taken piece by piece.
class List {
public:
    explicit List(std::size_t longest) : longest_(longest) {}
    /// A piece that was meant whole: a comma in it parts nothing.
    void take(std::string_view text) {
        if (auto kept = keepable(trim(text), longest_); !trim(kept).empty() && items_.size() < kMostItems)
            items_.emplace_back(trim(kept));
    }
    void take(JsonView v) {
        if (v.is_object()) return take_object(v);
        if (v.is_array() || v.is_bool())
            strange_ = true;
        else if (auto text = v.loose_text())
            take(std::string_view(*text));
    }
    void take_object(JsonView v) {
        for (auto name : kNames)
            if (auto text = v[name].is_bool() ? std::nullopt : v[name].loose_text()) return take(std::string_view(*text));
        if (v.size() > 0) strange_ = true;
    }
    void strange() { strange_ = true; }
    /// A text alone: a list that was written as JSON, or with commas.
    void take_written(std::string_view text) {
        if (trim(text).starts_with('['))
            if (auto parsed = JsonDocument::parse(text)) return take_list(parsed->root());
        for (const auto& part : split_list(text)) take(part);
    }
    void take_list(JsonView v) {
        for (std::size_t i = 0; i < v.size() && items_.size() < kMostItems; ++i) take(v.at(i));
    }
    /// Of a list in which nothing could be understood nobody knows what it would be.
    std::optional<std::vector<std::string>> result() && {
        if (items_.empty() && strange_) return std::nullopt;
        return std::move(items_);
    }

private:
    std::size_t longest_;
    std::vector<std::string> items_;
    bool strange_ = false;
};

/// What stands in a form's brackets: `tags[]`, `tags[3]`, `tags[3][name]`.
struct Brackets {
    std::string_view before, index, member;
    static std::optional<Brackets> of(std::string_view name) {
        auto open = name.find('[');
        auto close = name.find(']', open == std::string_view::npos ? 0 : open);
        if (open == std::string_view::npos || open == 0 || close == std::string_view::npos) return std::nullopt;
        Brackets b{name.substr(0, open), name.substr(open + 1, close - open - 1), name.substr(close + 1)};
        if (!b.index.empty() && !digits(b.index)) return std::nullopt;
        if (b.member.empty()) return b;
        if (b.member.size() < 3 || b.member.front() != '[' || b.member.find(']') != b.member.size() - 1) return std::nullopt;
        b.member = b.member.substr(1, b.member.size() - 2);
        return b;
    }
};

/// A form's list. Whoever names it once writes its pieces with commas; whoever uses brackets or names it again gives one piece at
/// a time.
std::optional<std::vector<std::string>> list_of_form(const FormFields& fields, std::string_view wanted, std::size_t longest) {
    std::vector<std::string_view> plain;
    std::multimap<std::size_t, std::string_view> pieces;  // by index; those without one as they come
    List list(longest);
    std::size_t next = 0;
    for (const auto& [name, value] : fields) {
        if (name == wanted) plain.push_back(value);
        auto brackets = Brackets::of(name);
        if (!brackets || brackets->before != wanted) continue;
        auto index = next;
        if (!brackets->index.empty() &&
            std::from_chars(brackets->index.data(), brackets->index.data() + brackets->index.size(), index).ec != std::errc{})
            index = next;
        next = std::max(next, index == std::string_view::npos ? index : index + 1);
        bool named =
            brackets->member.empty() || std::find(std::begin(kNames), std::end(kNames), brackets->member) != std::end(kNames);
        if (named)
            pieces.emplace(index, value);
        else if (!trim(value).empty())
            list.strange();
    }
    if (plain.size() == 1)
        list.take_written(plain.front());
    else
        for (auto text : plain) list.take(text);
    for (auto [index, text] : pieces) list.take(text);
    return std::move(list).result();
}

}  // namespace

Result<Body> Body::read(std::string_view bytes, std::string_view content_type) {
    Body b;
    auto begins = trim(bytes.substr(bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0));
    if (content_type == "application/x-www-form-urlencoded" && !begins.starts_with('{')) {
        if (static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '&')) >= kMostFormFields)
            return Error("the form has more than " + std::to_string(kMostFormFields) + " fields");
        b.fields_ = parse_form(bytes);
        if (b.fields_.empty()) return Error("the form has no fields");
        for (const auto& [name, value] : b.fields_) {
            if (!valid_utf8(name) || !valid_utf8(value)) return Error("the form is no valid UTF-8");
            b.form_.emplace(name, value);
        }
        for (const auto& [name, value] : b.fields_)
            if (auto brackets = Brackets::of(name); brackets && brackets->member.empty())
                b.form_.emplace(brackets->before, value);
        return b;
    }
    if (trim(bytes).empty()) return Error("the body is empty");
    auto parsed = JsonDocument::parse(bytes);
    if (!parsed) return Error("the body is no JSON: " + parsed.error().message);
    if (!parsed->root().is_object()) return Error("the body is no JSON object");
    if (parsed->root().size() > kMostFormFields)
        return Error("the body has more than " + std::to_string(kMostFormFields) + " fields");
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
            if (!value && !member.is_bool()) value = written = member.loose_text();
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

std::optional<std::string> Body::id(std::initializer_list<std::string_view> names) const {
    auto said = text(names);
    return said ? std::optional(std::string(whole_number_text(*said))) : std::nullopt;
}

bool Body::says(std::initializer_list<std::string_view> names) const {
    return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
        if (!json_) return !trim(field(name).value_or("")).empty();
        auto member = (*members_)[name];
        return member.is_number() || member.is_bool() || member.size() > 0 || !trim(member.string().value_or("")).empty();
    });
}

bool Body::no_text(std::initializer_list<std::string_view> names) const {
    return json_ && std::any_of(names.begin(), names.end(), [&](std::string_view name) {
               return (*members_)[name].is_bool() || (*members_)[name].size() > 0;
           });
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
        } else if (auto value = field(name)) {
            auto said = trim(*value);
            double real = 0;
            auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), real);
            if (!said.empty() && error == std::errc{} && end == said.data() + said.size() && std::abs(real) < 1e12)
                return static_cast<std::int64_t>(real);
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

std::optional<std::vector<std::string>> Body::list(std::string_view name, std::size_t longest) const {
    if (!json_) return list_of_form(fields_, name, longest);
    auto said = (*members_)[name];
    List list(longest);
    auto members = said.members();
    if (auto text = said.string()) {
        list.take_written(*text);
    } else if (said.is_array()) {
        list.take_list(said);
    } else if (!members.empty() && std::all_of(members.begin(), members.end(), [](const auto& m) { return digits(m.name); })) {
        for (const auto& member : members) list.take(member.value);  // as PHP writes a list
    } else {
        list.take(said);
    }
    return std::move(list).result();
}

std::vector<std::string> Body::changes() const {
    std::vector<std::string> out;
    auto add = [&](std::string_view name) {
        static const std::vector<std::pair<std::string_view, std::string_view>> ours{
            {"recording", "recording_url"}, {"customer_name", "customer_name"}, {"transcription_text", ""}, {"call_summary", ""}};
        auto mine = keepable(name, 200);
        for (const auto& [theirs, word] : ours)
            if (theirs == name) mine = word;
        if (!mine.empty() && out.size() < kMostChanges) out.push_back(mine);
    };
    auto names_of = [&](JsonView object) {
        if (object.size() <= kMostChanges)
            for (const auto& member : object.members()) add(member.name);
    };
    auto c = json_ ? json_->root()["changes"] : JsonView{};
    if (!json_ || c.is_string()) {
        if (auto names = list("changes"))
            for (const auto& name : *names) add(name);
        return out;
    }
    for (std::size_t i = 0; c.is_array() && i < std::min(c.size(), kMostChanges); ++i) {
        auto named = c.at(i)["field"].exists() ? c.at(i)["field"] : c.at(i)["name"];
        if (auto name = c.at(i).string())
            add(*name);
        else if (auto field_name = named.string())
            add(*field_name);
        else
            names_of(c.at(i));
    }
    if (c.is_object()) names_of(c);
    return out;
}

}  // namespace otto::providers::callrail
