#include "contact.hpp"

#include <algorithm>

#include "base/phone.hpp"
#include "base/text.hpp"
#include "call.hpp"

namespace otto::lead_pipeline {
namespace {

/// Carriers' words where they have no name.
bool no_name(const std::string& lowered) {
    static const char* const words[] = {"wireless caller", "unknown", "anonymous", "unavailable", "restricted", "private", "blocked", "toll free call", "out of area", "caller", "no name"};
    return std::any_of(std::begin(words), std::end(words), [&](const char* w) { return lowered == w; });
}

std::string title(std::string_view word) {
    bool shouting = std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    std::string out(word);
    if (!shouting) return out;
    for (std::size_t i = 1; i < out.size(); ++i)
        if (out[i] >= 'A' && out[i] <= 'Z' && out[i - 1] != '-' && out[i - 1] != '\'') out[i] = static_cast<char>(out[i] + 32);
    return out;
}

}  // namespace

std::optional<Name> split_name(std::string_view text) {
    text = trim(text);
    if (text.empty() || no_name(lower(text)) || normalize_phone(text).e164) return std::nullopt;
    auto words = split_list(text, ' ');
    if (words.empty()) return std::nullopt;
    Name name;
    name.first = title(words.front());
    for (std::size_t i = 1; i < words.size(); ++i) name.last += (i > 1 ? " " : "") + title(words[i]);
    name.first = clip_utf8(name.first, 200);
    name.last = clip_utf8(name.last, 200);
    return name;
}

Statement statement_of(const Call& call, const std::vector<std::int64_t>& calls) {
    return {Voice::caller_id, call.customer_name, {}, call.customer_city, call.customer_state, call.started_at.value_or(call.received_at), calls, 0};
}

bool merge(Contact& c, const Statement& said) {
    // An origin here: stage = voice, time = start of the call, id = the call's and the analysis' version, of fixed width so that texts compare like numbers.
    auto wide = [](std::int64_t n) {
        auto text = std::to_string(n);
        return std::string(16 - std::min<std::size_t>(16, text.size()), '0') + text;
    };
    auto version_of = [](const Order& o) { return o.id.substr(std::min<std::size_t>(16, o.id.size())); };
    Order mine{static_cast<int>(said.voice), to_micros(said.started_at), wide(said.calls.front()) + (said.version > 0 ? "." + wide(said.version) : "")};
    auto wins = [&](std::string_view field) {
        auto theirs = c.origins.of(field);
        if (!theirs || theirs->stage != mine.stage) return !theirs || theirs->stage < mine.stage;
        bool same_call = std::any_of(said.calls.begin(), said.calls.end(), [&](auto id) { return theirs->id.starts_with(wide(id)); });
        return same_call ? version_of(mine) >= version_of(*theirs) : mine > *theirs;
    };
    bool changed = false;
    auto take = [&](std::string_view field, std::optional<std::string>& slot, const std::optional<std::string>& value) {
        if (!value || trim(*value).empty() || !wins(field)) return;
        c.origins.set(field, mine);
        auto text = clip_utf8(trim(*value), 200);
        changed = changed || slot != text;
        slot = text;
    };
    if (auto name = split_name(said.name.value_or("")); name && wins("name")) {
        // First and last name are one statement: a newer first name does not stand beside an older last one.
        c.origins.set("name", mine);
        std::optional<std::string> last = name->last.empty() ? std::nullopt : std::optional(name->last);
        changed = changed || c.first_name != name->first || c.last_name != last;
        c.first_name = name->first;
        c.last_name = last;
    }
    take("address", c.address, said.address);
    take("city", c.city, said.city);
    take("state", c.state, said.state);
    return changed;
}

}  // namespace otto::lead_pipeline
