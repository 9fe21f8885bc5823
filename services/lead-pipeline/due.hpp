#pragma once
#include "otto/changes/v1/changes.pb.h"
#include "pg/connection.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// What comes due by itself: a call that is still missed when its grace ends becomes a call-back task, one a contact and day of the company; an open task whose
/// time has come is overdue. The queue `due_work` is read by time over all companies; the work is then done in the scope of those companies.
class DueWork {
public:
    /// Does all that is due, in batches. One process of the deployment at a time (a periodic job).
    void run(pg::Connection&) const;

private:
    struct Item;
    bool round(pg::Connection&) const;
    void settle(pg::Connection&, const std::vector<Item>&) const;
    void tell(pg::Tx&, const std::string& company, const std::string& task, std::int64_t version) const;
    rt::Emitter<changes::v1::RowChanged> emitter_{"lead-pipeline"};
};

}  // namespace otto::lead_pipeline
