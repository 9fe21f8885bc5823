#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "pg/connection.hpp"
#include "runtime/work_queue.hpp"
#include "sender/terms.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {

/// The terms of a company; nullopt: the companies are not known yet, ask again shortly.
using TermsOf = std::function<std::optional<Terms>(const CompanyId&)>;

/// Releases what of each sending number may leave by now: at the number's pace, people's texts before automatic ones, then the
/// oldest; none of a company that is paused. Thread-safe.
class Numbers {
public:
    explicit Numbers(TermsOf terms) : terms_(std::move(terms)) {}
    void release(std::span<rt::Due>, pg::Tx&) const;
    /// How long the oldest have waited.
    void count(pg::Connection&, tel::Shares&) const;

private:
    struct Judged;
    struct Look;
    std::map<CompanyId, Judged> judge(std::span<rt::Due>, pg::Tx&) const;
    std::vector<Look> looks(std::span<rt::Due>, const std::map<CompanyId, Judged>&, pg::Tx&) const;
    TermsOf terms_;
};

}  // namespace otto::lead_pipeline
