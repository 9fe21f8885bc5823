#pragma once
#include <map>
#include <mutex>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace otto::shunya_orchestrator {

/// How many of a company's recordings in a row could not be fetched: the further ones are asked for the later, so that a place
/// that is away and thousands of calls that wait for it do not keep the database busy with asking in vain. One that is had ends
/// it. Of one process; thread-safe.
class FailingRecordings {
public:
    void failed(const CompanyId&);
    void had(const CompanyId&);
    /// How long the company's next one is to wait; nothing while few failed.
    Millis pause(const CompanyId&) const;

private:
    mutable std::mutex lock_;
    std::map<CompanyId, int> in_a_row_;
};

}  // namespace otto::shunya_orchestrator
