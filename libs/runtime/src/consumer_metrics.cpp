#include "consumer_metrics.hpp"

#include <algorithm>

namespace otto::rt {
namespace {

tel::Share owned_share(const std::string& consumer) { return tel::Metrics::share("partitions_owned", "Partitions that this process serves.", {{"consumer", consumer}}); }
tel::Share parked_share(const std::string& consumer) { return tel::Metrics::share("parked_events", "Events of this process's partitions that wait for another try.", {{"consumer", consumer}}); }

}  // namespace

OwnedMetrics::OwnedMetrics(const std::string& consumer, const kafka::TopicPartition& tp) : consumer_(consumer), tp_(tp), owned_(owned_share(consumer)), parked_(parked_share(consumer)) { owned_.set(1); }

void OwnedMetrics::lag(std::int64_t events) {
    if (!lag_known_)
        lag_ = tel::Metrics::share("partition_lag", "Events of a partition that are still to be done, as of the last fetch.", {{"consumer", consumer_}, {"topic", tp_.topic}, {"partition", std::to_string(tp_.partition)}});
    lag_known_ = true;
    lag_.set(static_cast<double>(std::max<std::int64_t>(0, events)));
}

ConsumerMetrics::ConsumerMetrics(const std::string& consumer) : consumer_(consumer), none_owned_(owned_share(consumer)), none_parked_(parked_share(consumer)) {
    const tel::Labels labels{{"consumer", consumer}};
    batch_size = tel::Metrics::histogram("batch_size", "Events of one transaction.", labels, {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000});
    batch_seconds = tel::Metrics::histogram("batch_seconds", "Time of one transaction, poll to commit.", labels);
    age = tel::Metrics::histogram("event_age_seconds", "Age of the oldest event of a batch at commit.", labels, {.01, .05, .1, .25, .5, 1, 2, 5, 15, 60, 300, 3600, 86400});
    dead = tel::Metrics::counter("dead_letters_total", "Events given up, for an operator.", labels);
    rebalances_lost = tel::Metrics::counter("partitions_lost_total", "Partitions found to have another owner.", labels);
    failures = tel::Metrics::counter("lane_failures_total", "Batches that have to run again because the database failed.", labels);
}

void ConsumerMetrics::handled(const std::string& type, const char* outcome, std::size_t n) {
    auto found = handled_.find({type, outcome});
    if (found == handled_.end())
        found = handled_.emplace(std::pair{type, outcome}, tel::Metrics::counter("events_handled_total", "Events by what became of them.",
                                                                                 {{"consumer", consumer_}, {"event", type}, {"outcome", outcome}})).first;
    found->second.inc(static_cast<double>(n));
}

void ConsumerMetrics::count(const Tally& tally) {
    for (const auto& [what, n] : tally.handled_) handled(what.first, what.second.c_str(), n);
    if (tally.dead_ > 0) dead.inc(static_cast<double>(tally.dead_));
    for (const auto& line : tally.lines_) line();
}

}  // namespace otto::rt
