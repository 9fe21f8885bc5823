#include "consumer_metrics.hpp"

#include <algorithm>

namespace otto::rt {
namespace {

const tel::SharedGauges kOwned{"otto_partitions_owned", "Partitions that this process serves.", {"consumer"}};
const tel::SharedGauges kParked{
    "otto_parked_events", "Events of this process's partitions that wait for another try.", {"consumer"}};
const tel::SharedGauges kLag{"otto_partition_lag",
                             "Events of a partition that are still to be done, as of the last fetch.",
                             {"consumer", "topic", "partition"}};
const tel::Histograms kBatchSize{
    "otto_batch_size", "Events of one transaction.", {"consumer"}, {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000}};
const tel::Histograms kBatchSeconds{"otto_batch_seconds", "Time of one transaction, poll to commit.", {"consumer"}};
const tel::Histograms kAge{"otto_event_age_seconds",
                           "Age of the oldest event of a batch at commit.",
                           {"consumer"},
                           {.01, .05, .1, .25, .5, 1, 2, 5, 15, 60, 300, 3600, 86400}};
const tel::Counters kLostPartitions{"otto_partitions_lost_total", "Partitions found to have another owner.", {"consumer"}};
const tel::Counters kFailures{
    "otto_lane_failures_total", "Batches that have to run again because the database failed.", {"consumer"}};
const tel::Counters kParkedEver{"otto_parked_total",
                                "Events that were put aside for another try, those behind them of the same key among them.",
                                {"consumer"}};
const tel::Counters kHandled{"otto_events_handled_total", "Events by what became of them.", {"consumer", "event", "outcome"}};

}  // namespace

const tel::Counters kDeadLetters{"otto_dead_letters_total", "Events given up, for an operator.", {"consumer"}};

OwnedMetrics::OwnedMetrics(const std::string& consumer, const kafka::TopicPartition& tp)
    : consumer_(consumer), tp_(tp), owned_(kOwned({consumer})), parked_(kParked({consumer})) {
    owned_.set(1);
}

void OwnedMetrics::lag(std::int64_t events) {
    if (!lag_known_) lag_ = kLag({consumer_, tp_.topic, std::to_string(tp_.partition)});
    lag_known_ = true;
    lag_.set(static_cast<double>(std::max<std::int64_t>(0, events)));
}

ConsumerMetrics::ConsumerMetrics(const std::string& consumer)
    : consumer_(consumer), none_owned_(kOwned({consumer})), none_parked_(kParked({consumer})) {
    batch_size = kBatchSize({consumer});
    batch_seconds = kBatchSeconds({consumer});
    age = kAge({consumer});
    dead = kDeadLetters({consumer});
    parked = kParkedEver({consumer});
    rebalances_lost = kLostPartitions({consumer});
    failures = kFailures({consumer});
}

void ConsumerMetrics::handled(const std::string& type, const char* outcome, std::size_t n) {
    auto found = handled_.find({type, outcome});
    if (found == handled_.end()) found = handled_.emplace(std::pair{type, outcome}, kHandled({consumer_, type, outcome})).first;
    found->second.inc(static_cast<double>(n));
    if (std::string_view(outcome) == "parked") parked.inc(static_cast<double>(n));
}

void ConsumerMetrics::count(const Tally& tally) {
    for (const auto& [what, n] : tally.handled_) handled(what.first, what.second.c_str(), n);
    if (tally.dead_ > 0) dead.inc(static_cast<double>(tally.dead_));
    for (const auto& line : tally.lines_) line();
}

}  // namespace otto::rt
