#include "rules/contact.hpp"

#include <algorithm>

#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"
#include "rules/name.hpp"

namespace otto::lead_pipeline {
namespace {

/// An origin here: stage = voice, time = start of the call, id = the call's and the analysis' version, of fixed width so that
/// texts compare like numbers.
constexpr std::size_t kWide = 16;
std::string wide(std::int64_t n) {
    auto text = std::to_string(n);
    return std::string(kWide - std::min(kWide, text.size()), '0') + text;
}
std::string version_of(const Order& o) { return o.id.substr(std::min(kWide, o.id.size())); }
bool from_one_of(const Order& o, const std::vector<std::int64_t>& calls) {
    return std::any_of(calls.begin(), calls.end(), [&](auto id) { return o.id.starts_with(wide(id)); });
}

using Slots = std::initializer_list<std::optional<std::string> Contact::*>;

/// What a card knows, by the names of its origins. First and last name are one statement.
template <class Each>
void each_field(Each&& each) {
    each("name", Slots{&Contact::first_name, &Contact::last_name});
    each("address", Slots{&Contact::address});
    each("city", Slots{&Contact::city});
    each("state", Slots{&Contact::state});
}

}  // namespace

bool merge(Contact& c, const Statement& said) {
    Order mine{static_cast<int>(said.voice), to_micros(said.started_at),
               wide(said.calls.front()) + (said.version > 0 ? "." + wide(said.version) : "")};
    auto wins = [&](std::string_view field) {
        auto theirs = c.origins.of(field);
        if (!theirs || theirs->stage != mine.stage) return !theirs || theirs->stage < mine.stage;
        return from_one_of(*theirs, said.calls) ? version_of(mine) >= version_of(*theirs) : mine > *theirs;
    };
    bool changed = false;
    auto take = [&](std::string_view field, std::optional<std::string>& slot, const std::optional<std::string>& value) {
        if (!value || says_nothing(*value) || !wins(field)) return;
        c.origins.set(field, mine);
        auto text = clip_utf8(tidy(*value), 200);
        changed = changed || slot != text;
        slot = text;
    };
    if (auto name = split_name(said.name.value_or("")); name && wins("name")) {
        // First and last name are one statement: a newer first name does not stand beside an older last one.
        c.origins.set("name", mine);
        auto set = [&](std::optional<std::string>& slot, const std::string& part) {
            auto stated = part.empty() ? std::nullopt : std::optional(part);
            changed = changed || slot != stated;
            slot = std::move(stated);
        };
        set(c.first_name, name->first);
        set(c.last_name, name->last);
    }
    take("address", c.address, said.address);
    take("city", c.city, said.city);
    take("state", c.state, said.state);
    return changed;
}

bool merge(Contact& c, const Contact& other) {
    bool changed = false;
    each_field([&](const char* name, Slots slots) {
        auto mine = c.origins.of(name), theirs = other.origins.of(name);
        if (!theirs || (mine && *theirs <= *mine)) return;
        c.origins.set(name, *theirs);
        for (auto slot : slots) {
            changed = changed || c.*slot != other.*slot;
            c.*slot = other.*slot;
        }
    });
    return changed;
}

Contact part_of(const Contact& whole, const std::vector<std::int64_t>& calls, Persons persons) {
    Contact part;
    each_field([&](const char* name, Slots slots) {
        auto from = whole.origins.of(name);
        bool of_nobody = !from || from->stage == static_cast<int>(Voice::person);
        if (of_nobody ? persons == Persons::not_theirs : !from_one_of(*from, calls)) return;
        if (from) part.origins.set(name, *from);
        for (auto slot : slots) part.*slot = whole.*slot;
    });
    return part;
}

}  // namespace otto::lead_pipeline
