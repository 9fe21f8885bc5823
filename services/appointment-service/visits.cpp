#include "visits.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace otto::appointment_service {
namespace {

class Planner {
public:
    Planner(std::vector<Heard> heard, const std::vector<Standing>& rows, std::chrono::minutes lasts)
        : heard_(std::move(heard)), rows_(rows), lasts_(lasts) {
        std::sort(heard_.begin(), heard_.end(),
                  [](const auto& a, const auto& b) { return std::tie(a.started, a.call) < std::tie(b.started, b.call); });
    }

    Plan run() {
        for (const auto& h : heard_)
            if (h.booked) take(h);
        for (auto& visit : plan_.visits) choose_row(visit);
        for (const auto& row : rows_)
            if (row.planned && !row.of_people && row.call && !used_.contains(row.id) && said_of(*row.call))
                plan_.unbooked.push_back(row.id);
        return std::move(plan_);
    }

private:
    /// Whether a visit at that time was still to come when the call began.
    bool ahead(std::optional<Instant> end, const Heard& h) const { return !end || *end > h.started; }
    bool ahead(const Standing& row, const Heard& h) const { return ahead(row.end ? row.end : end_of(row.start), h); }
    std::optional<Instant> end_of(std::optional<Instant> start) const {
        return start ? std::optional(*start + lasts_) : std::nullopt;
    }
    const Standing* own(std::int64_t call) const {
        auto found = std::find_if(rows_.begin(), rows_.end(), [&](const auto& row) { return row.call == call; });
        return found == rows_.end() ? nullptr : &*found;
    }
    bool said_of(std::int64_t call) const {
        return std::any_of(heard_.begin(), heard_.end(), [&](const auto& h) { return h.call == call; });
    }

    void take(const Heard& h) {
        const auto* mine = own(h.call);
        if (mine && mine->of_people) {
            current_.reset();
            persons_ = mine->planned ? mine : nullptr;
            return;
        }
        if (!mine && is_what_people_planned(h)) return;
        if (current_ && ahead(end_of(plan_.visits[*current_].at), h)) return speak_of(plan_.visits[*current_], h);
        if (!mine && (would_move_what_people_planned(h) || superseded(h))) return;
        current_ = plan_.visits.size();
        persons_ = nullptr;
        plan_.visits.push_back({{h.call}, {}, h.at, {}, {}, h.remark, h.address, h.service_type, h.appointment_type, h.version});
    }

    static void speak_of(Visit& visit, const Heard& h) {
        visit.calls.push_back(h.call);
        auto keep = [](auto& slot, const auto& said) {
            if (said) slot = said;
        };
        keep(visit.address, h.address);
        keep(visit.service_type, h.service_type);
        keep(visit.appointment_type, h.appointment_type);
        if (h.at == visit.at || !h.at) {
            if (!visit.at) keep(visit.remark, h.remark);
            return;
        }
        if (visit.at) {
            visit.moved_from = visit.at;
            visit.moved_by = h.call;
        }
        visit.at = h.at;
        visit.remark.reset();
        visit.version = h.version;
    }

    /// What people planned, not in the place of a call that is among these, and what was still ahead when this one began.
    template <class F>
    const Standing* of_people(const Heard& h, F fits) const {
        const Standing* first = nullptr;
        for (const auto& row : rows_)
            if (row.planned && row.of_people && !(row.call && said_of(*row.call)) && ahead(row, h) && fits(row) &&
                (!first || row.start < first->start))
                first = &row;
        return first;
    }
    bool is_what_people_planned(const Heard& h) const {
        return h.at && of_people(h, [&](const Standing& row) { return row.start == h.at; });
    }
    bool would_move_what_people_planned(const Heard& h) {
        const auto* theirs = persons_ && ahead(*persons_, h) ? persons_ : of_people(h, [](const Standing&) { return true; });
        if (!theirs) return false;
        if (h.at && theirs->start != h.at) plan_.doubts.push_back({h.call, theirs->id, theirs->start});
        return true;
    }
    /// A later call's visit, which people have taken over, stands in the place of this one.
    bool superseded(const Heard& h) const {
        return std::any_of(heard_.begin(), heard_.end(), [&](const Heard& later) {
            if (!later.booked || std::tie(later.started, later.call) <= std::tie(h.started, h.call)) return false;
            const auto* row = own(later.call);
            return row && row->of_people && row->planned && ahead(end_of(h.at), later);
        });
    }

    /// Of several appointments the one of the earliest call stands for the visit, one that is not called off before others.
    void choose_row(Visit& visit) {
        std::vector<const Standing*> mine;
        for (auto call : visit.calls)
            if (const auto* row = own(call)) mine.push_back(row);
        std::stable_sort(mine.begin(), mine.end(), [](const auto* a, const auto* b) { return a->planned > b->planned; });
        for (const auto* row : mine) {
            used_.insert(row->id);
            if (!visit.row)
                visit.row = row->id;
            else if (row->planned)
                plan_.doubles.push_back(row->id);
        }
    }

    std::vector<Heard> heard_;
    const std::vector<Standing>& rows_;
    std::chrono::minutes lasts_;
    Plan plan_;
    std::optional<std::size_t> current_;  ///< the visit of which a further call may speak
    const Standing* persons_ = nullptr;   ///< or what people planned in its place
    std::set<Uuid> used_;
};

}  // namespace

Plan plan_visits(std::vector<Heard> heard, const std::vector<Standing>& rows, std::chrono::minutes lasts) {
    return Planner(std::move(heard), rows, lasts).run();
}

}  // namespace otto::appointment_service
