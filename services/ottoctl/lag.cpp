// lag: what is still to be done, and where.
#include "lag.hpp"

#include <algorithm>
#include <set>

#include "app/common.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "ottoctl/sql.hpp"

namespace otto::ottoctl {

std::vector<PartitionLag> lag_of(const std::vector<LaneAt>& lanes, const std::vector<kafka::Extent>& extents,
                                 const std::map<std::pair<std::string, kafka::TopicPartition>, std::int64_t>& group_offsets) {
    std::vector<PartitionLag> out;
    for (const auto& lane : lanes) {
        auto extent = std::find_if(extents.begin(), extents.end(), [&](const auto& e) { return e.at == lane.at; });
        if (extent == extents.end()) continue;  // the topic was made anew with fewer partitions
        PartitionLag p;
        p.lane = lane;
        p.end = extent->end;
        auto group = group_offsets.find({lane.consumer, lane.at});
        if (lane.next)
            p.next = *lane.next, p.by = "lane";
        else if (group != group_offsets.end())
            p.next = group->second, p.by = "group";
        else
            p.next = extent->begin, p.by = "beginning";
        p.lag = std::max<std::int64_t>(0, p.end - std::max(p.next, extent->begin));
        out.push_back(std::move(p));
    }
    return out;
}

Result<std::vector<PartitionLag>> measure_lag(pg::Tx& tx, const std::string& brokers, Millis deadline) {
    std::vector<LaneAt> lanes;
    tx.each(sql::lanes, {}, [&](const pg::Fields& f) {
        lanes.push_back({f.text("consumer"),
                         {f.text("topic"), static_cast<std::int32_t>(f.integer("partition"))},
                         f.maybe_integer("next_offset")});
    });
    std::set<std::string> topics;
    std::map<std::string, std::vector<kafka::TopicPartition>> asked;
    for (const auto& lane : lanes) {
        topics.insert(lane.at.topic);
        if (!lane.next) asked[lane.consumer].push_back(lane.at);
    }
    auto extents = kafka::extents(brokers, {topics.begin(), topics.end()}, deadline);
    if (!extents) return extents.error();
    std::map<std::pair<std::string, kafka::TopicPartition>, std::int64_t> groups;
    for (const auto& [consumer, partitions] : asked) {
        auto offsets = kafka::committed(brokers, consumer, partitions, deadline);
        if (!offsets) return offsets.error();
        for (std::size_t i = 0; i < partitions.size(); ++i)
            if ((*offsets)[i]) groups[{consumer, partitions[i]}] = *(*offsets)[i];
    }
    return lag_of(lanes, *extents, groups);
}

std::vector<Record> by_topic(const std::vector<PartitionLag>& parts) {
    struct Sum {
        std::int64_t partitions = 0, lag = 0, most = 0, end = 0;
    };
    std::map<std::pair<std::string, std::string>, Sum> sums;
    for (const auto& p : parts) {
        auto& s = sums[{p.lane.consumer, p.lane.at.topic}];
        ++s.partitions;
        s.lag += p.lag;
        s.end += p.end;
        s.most = std::max(s.most, p.lag);
    }
    std::vector<Record> out;
    for (const auto& [key, s] : sums)
        out.push_back({{"consumer", key.first},
                       {"topic", key.second},
                       {"partitions", s.partitions},
                       {"end", s.end},
                       {"lag", s.lag},
                       {"largest_partition_lag", s.most}});
    return out;
}

std::vector<Record> by_partition(const std::vector<PartitionLag>& parts) {
    std::vector<Record> out;
    for (const auto& p : parts)
        out.push_back({{"consumer", p.lane.consumer},
                       {"topic", p.lane.at.topic},
                       {"partition", static_cast<std::int64_t>(p.lane.at.partition)},
                       {"end", p.end},
                       {"next", p.next},
                       {"by", p.by},
                       {"lag", p.lag}});
    return out;
}

int lag(const Invocation& call) {
    auto above = call.number("above", -1, 0, 1'000'000'000'000);
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto parts = measure_lag(tx, call.settings().get(app::kKafkaBrokers), Millis{10'000});
    auto waiting = records(tx, sql::waiting);
    auto queues = records(tx, sql::queues);
    auto held = records(tx, sql::held_total);
    tx.commit();
    Report report;
    std::int64_t most = 0;
    if (parts) {
        for (const auto& p : *parts) most = std::max(most, p.lag);
        report.many("lag", by_topic(*parts), {}, "no consumer has ever run on this database");
        if (call.json() || call.has("partitions")) report.many("partitions", by_partition(*parts), {}, "none");
    }
    report.many("waiting", std::move(waiting), {}, "no consumer has ever run on this database");
    report.many("queues", std::move(queues), {}, "no work waits in a queue");
    report.one("held", std::move(held.front()));
    if (!parts)
        report.note("The lag is not known: " + parts.error().message +
                    (parts.error().hint.empty() ? "" : "; " + parts.error().hint));
    print(call, report);
    if (!parts) return kFailed;
    return above >= 0 && most > above ? kRefused : kDone;
}

}  // namespace otto::ottoctl
