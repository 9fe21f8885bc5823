#pragma once
#include <functional>

#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// Calls whose grace ends, by their ids; open tasks, by theirs (runtime/work_queue.hpp).
inline constexpr std::string_view kMissedCalls = "lead-pipeline/missed-calls", kOverdueTasks = "lead-pipeline/overdue-tasks";

/// What comes due by itself: a call that is still missed when its grace ends becomes a call-back task, one a contact and day of
/// the company, and is wanted of the queue of texts in return; an open task whose time has come is overdue.
class DueWork {
public:
    /// `texts_back`: whether what follows from a company's missed calls may be a text as well (handlers/text_backs.hpp).
    explicit DueWork(std::function<bool(const CompanyId&)> texts_back = [](const CompanyId&) { return false; })
        : texts_back_(std::move(texts_back)) {}
    void call_back(std::span<rt::Due>, pg::Tx&) const;
    void make_overdue(std::span<rt::Due>, pg::Tx&) const;

private:
    void tell(pg::Tx&, const std::string& company, const std::string& task, std::int64_t version) const;
    std::function<bool(const CompanyId&)> texts_back_;
    rt::Emitter<changes::v1::RowChanged> emitter_{"lead-pipeline"};
};

}  // namespace otto::lead_pipeline
