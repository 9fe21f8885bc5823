#pragma once
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace otto::shunya_orchestrator {

/// How many of a company's recordings at one provider could not be fetched, in a row: the further ones are asked for the later,
/// so that a place that is away and thousands of calls that wait for it do not keep the database busy with asking in vain, and
/// those of the company's other provider none of that. An answer ends it, whatever it says, and so does a quarter of an hour
/// without a failure. Of one process; thread-safe; "now" is given.
class FailingRecordings {
public:
    void failed(const CompanyId&, std::string_view provider, Instant now);
    void answered(const CompanyId&, std::string_view provider);
    /// How long the company's next one there is to wait; nothing while few failed.
    Millis pause(const CompanyId&, std::string_view provider, Instant now) const;

private:
    struct Row {
        int failures = 0;
        Instant last{};
    };
    using Place = std::pair<CompanyId, std::string>;
    mutable std::mutex lock_;
    std::map<Place, Row> rows_;
};

}  // namespace otto::shunya_orchestrator
