#pragma once
#include <string>
#include <vector>

#include "base/time.hpp"
#include "pg/query.hpp"

namespace otto::query_service {

/// What happened at a moment.
struct TimelineEntry {
    Instant at;
    std::string kind, title, detail;
    static TimelineEntry from(const pg::Fields& f) {
        return {f.time("at").value_or(Instant{}), f.text("kind"), f.text("title"), f.text("detail")};
    }
};
using Timeline = std::vector<TimelineEntry>;

/// What the row of a call, an appointment, a task, a text or a voicemail tells of its moments.
void add_call(Timeline&, const pg::Fields&);
void add_appointment(Timeline&, const pg::Fields&);
void add_task(Timeline&, const pg::Fields&);
void add_message(Timeline&, const pg::Fields&);
void add_voicemail(Timeline&, const pg::Fields&);
/// As an array, oldest first.
std::string timeline_json(Timeline);

}  // namespace otto::query_service
