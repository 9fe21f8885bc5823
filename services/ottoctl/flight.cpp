#include "flight.hpp"

#include <algorithm>
#include <tuple>

#include "events/event.hpp"

namespace otto::ottoctl {

bool Sightings::add(const kafka::Record& r) {
    auto meta = events::read_meta(r.headers);
    if (!meta) return false;
    Sighting s;
    s.id = meta->id.value();
    if (meta->cause) s.cause = meta->cause->value();
    s.at = {r.topic, r.partition};
    s.offset = r.offset;
    s.type = meta->type;
    s.source = meta->source;
    s.time = to_rfc3339(meta->time);
    by_id_.emplace(s.id, all_.size());
    if (s.cause) by_cause_.emplace(*s.cause, all_.size());
    all_.push_back(std::move(s));
    return true;
}

std::vector<Sighting> Sightings::family(std::set<Uuid>& ids) const {
    // Up to what caused them, then down to what followed; never down from a parent's other children's parents: causes are a tree.
    std::vector<Uuid> open(ids.begin(), ids.end());
    auto up = [&](const Uuid& id) {
        for (auto [from, to] = by_id_.equal_range(id); from != to; ++from)
            if (const auto& cause = all_[from->second].cause; cause && ids.insert(*cause).second) open.push_back(*cause);
    };
    for (std::size_t i = 0; i < open.size(); ++i) up(open[i]);
    for (std::size_t i = 0; i < open.size(); ++i)
        for (auto [from, to] = by_cause_.equal_range(open[i]); from != to; ++from)
            if (ids.insert(all_[from->second].id).second) open.push_back(all_[from->second].id);
    std::vector<Sighting> out;
    for (const auto& id : ids)
        for (auto [from, to] = by_id_.equal_range(id); from != to; ++from) out.push_back(all_[from->second]);
    auto place = [](const std::string& topic) {
        static const std::vector<std::string> order{"otto.inbound", "otto.routed", "otto.calls", "otto.analysis", "otto.changes"};
        return std::find(order.begin(), order.end(), topic) - order.begin();
    };
    std::sort(out.begin(), out.end(), [&](const Sighting& a, const Sighting& b) {
        return std::tuple(place(a.at.topic), a.at, a.offset) < std::tuple(place(b.at.topic), b.at, b.offset);
    });
    return out;
}

}  // namespace otto::ottoctl
