#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "base/uuid.hpp"

namespace otto::appointment_service {

/// What the newest analysis of one call says of a visit.
struct Heard {
    std::int64_t call = 0;
    Instant started{};
    bool booked = false;
    std::optional<Instant> at;
    std::optional<std::string> remark;  ///< what was said for a time and is none
    std::optional<std::string> address, service_type, appointment_type;
    std::int64_t version = 0;  ///< of the analysis
};

/// An appointment of the lead that is on record.
struct Standing {
    Uuid id;
    std::optional<std::int64_t> call;
    std::optional<Instant> start, end;
    bool planned = false;    ///< scheduled or confirmed
    bool of_people = false;  ///< a person made it or had a hand in it, or it is over: no analysis changes it
};

/// A visit that analyses plan: of the call that booked it and of later ones that spoke of it.
struct Visit {
    std::vector<std::int64_t> calls;
    std::optional<Uuid> row;  ///< of an appointment that stands for it already
    std::optional<Instant> at, moved_from;
    std::optional<std::int64_t> moved_by;
    std::optional<std::string> remark, address, service_type, appointment_type;
    std::int64_t version = 0;  ///< of the analysis that said the time
};

/// A call booked another time than the appointment has, which no analysis may move.
struct Doubt {
    std::int64_t call;
    Uuid appointment;
    std::optional<Instant> planned;
};

struct Plan {
    std::vector<Visit> visits;
    std::vector<Uuid> unbooked;  ///< appointments whose calls book nothing any more
    std::vector<Uuid> doubles;   ///< appointments of visits that have another one
    std::vector<Doubt> doubts;
};
/// A lead has one visit that analyses plan. In order of their starts, each call that booked begins a visit or, while the former
/// is still ahead, speaks of that one: another time moves it, no time or the same leaves it. What people planned is not moved and
/// not doubled. Pure, and made anew from all that is known, so that the order in which analyses come does not matter.
Plan plan_visits(std::vector<Heard>, const std::vector<Standing>&, std::chrono::minutes lasts);

}  // namespace otto::appointment_service
