#include <algorithm>
#include <filesystem>

#include "base/json.hpp"
#include "ingress/spool_report.hpp"
#include "kafka/producer.hpp"
#include "spool.hpp"

namespace otto::ingress {
namespace {

constexpr std::size_t kRows = 2'000, kBytes = 8u << 20;

/// A row without a time is as old as the one before it.
bool received_before(const events::Wire& w, Instant before) {
    for (const auto& [name, value] : w.headers)
        if (name == "ce_time") {
            auto at = parse_time(value);
            return !at || *at < before;
        }
    return true;
}

}  // namespace

Result<Drained> drain_spool(const std::string& dir, const std::string& brokers, std::optional<Instant> before, Millis patience) {
    Drained out;
    try {
        Spool spool(dir);
        kafka::ProducerOptions options;
        options.brokers = brokers;
        options.client_id = "ottoctl-spool";
        options.linger_ms = 5;
        kafka::Producer producer(options);
        for (;;) {
            auto batch = spool.lowest(kRows, kBytes);
            if (before)
                batch.erase(std::find_if(batch.begin(), batch.end(),
                                         [&](const Spool::Row& row) { return !received_before(row.wire, *before); }),
                            batch.end());
            if (batch.empty()) break;
            std::size_t ok = 0;
            std::string why;
            for (const auto& row : batch) {
                bool taken = producer.produce(kafka::Outgoing{row.wire.topic, row.wire.key, row.wire.value, row.wire.headers},
                                              [&](const kafka::Delivery& d) {
                                                  ok += d.ok;
                                                  if (!d.ok && why.empty()) why = d.error;
                                              });
                if (!taken && why.empty()) why = "the producer takes no record";
            }
            bool answered = producer.flush(patience);
            if (!answered) producer.purge();
            producer.serve();
            if (ok < batch.size())
                return Error("Kafka took " + std::to_string(out.sent) + " of " + std::to_string(out.sent + spool.rows()) + ": " +
                                 (answered ? why : "it did not confirm in time"),
                             "what is left is still in " + dir + "; is Kafka there (OTTO_KAFKA_BROKERS)?");
            spool.remove_up_to(batch.back().id);
            out.sent += batch.size();
        }
        out.left = spool.rows();
    } catch (const Failure& e) {
        return e.error();
    }
    std::error_code error;
    if (out.left == 0 && std::filesystem::path(dir).filename().string().starts_with("old-"))
        std::filesystem::remove_all(dir, error);
    return out;
}

}  // namespace otto::ingress
