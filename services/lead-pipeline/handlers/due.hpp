#pragma once
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// Calls whose grace ends, by their ids; open tasks, by theirs (runtime/work_queue.hpp).
inline constexpr std::string_view kMissedCalls = "lead-pipeline/missed-calls", kOverdueTasks = "lead-pipeline/overdue-tasks";

/// What comes due by itself: a call that is still missed when its grace ends becomes a call-back task, one a contact and day of
/// the company; an open task whose time has come is overdue.
class DueWork {
public:
    void call_back(std::span<rt::Due>, pg::Tx&) const;
    void make_overdue(std::span<rt::Due>, pg::Tx&) const;

private:
    void tell(pg::Tx&, const std::string& company, const std::string& task, std::int64_t version) const;
    rt::Emitter<changes::v1::RowChanged> emitter_{"lead-pipeline"};
};

}  // namespace otto::lead_pipeline
