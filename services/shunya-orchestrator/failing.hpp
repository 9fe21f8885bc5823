#pragma once
#include <map>
#include <mutex>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace otto::shunya_orchestrator {

/// How many of a company's recordings in a row could not be fetched: the further ones are asked for the later, so that a place
/// that is away and thousands of calls that wait for it do not keep the database busy with asking in vain. An answer ends it,
/// whatever it says, and so does a quarter of an hour without a failure. Of one process; thread-safe; "now" is given.
class FailingRecordings {
public:
    void failed(const CompanyId&, Instant now);
    void answered(const CompanyId&);
    /// How long the company's next one is to wait; nothing while few failed.
    Millis pause(const CompanyId&, Instant now) const;

private:
    struct Row {
        int failures = 0;
        Instant last{};
    };
    mutable std::mutex lock_;
    std::map<CompanyId, Row> rows_;
};

}  // namespace otto::shunya_orchestrator
