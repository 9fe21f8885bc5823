#include "outbox.hpp"
#include "records.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {

kafka::Producer& Publisher::producer() {
    if (!producer_) {
        kafka::ProducerOptions o;
        o.brokers = brokers_;
        o.client_id = client_id_;
        producer_ = std::make_unique<kafka::Producer>(o);
    }
    return *producer_;
}

void Publisher::publish(kafka::Record r, std::function<void()> acked) {
    if (failed_) return;  // what follows a failure is read from the table again
    auto report = [this, acked = std::move(acked)](const kafka::Delivery& d) {
        --in_flight_;
        if (d.ok) {
            if (!failed_) acked();
            return;
        }
        if (!failed_) why_ = d.error;
        failed_ = true;
        fatal_ = fatal_ || d.fatal;
    };
    ++in_flight_;
    while (!producer().produce(r, report)) {
        producer().serve(Millis{50});  // the queue is full: wait for room
        if (in_flight_ == 1 && !failed_) {  // it is not full: this producer takes nothing any more
            failed_ = fatal_ = true;
            why_ = "the producer takes no record";
        }
        if (failed_) {
            --in_flight_;
            return;
        }
    }
}

void Publisher::serve(Millis wait) {
    if (producer_) producer_->serve(wait);
}

bool Publisher::flush(Millis deadline) {
    if (!producer_) return true;
    auto end = std::chrono::steady_clock::now() + deadline;
    while (in_flight_ > 0 && !failed_) {
        auto left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis{0}) return false;
        producer_->serve(std::min(left, Millis{100}));
    }
    return !failed_;
}

bool Publisher::take_failure() {
    if (!failed_) return false;
    static auto failures = tel::Metrics::counter("publish_failures_total", "Times that publishing had to start again at the lowest outbox row.");
    failures.inc();
    tel::warn("Kafka did not take an event: publishing starts again at the lowest outbox row", {{"why", why_}, {"fatal", fatal_}});
    producer_->purge();
    while (in_flight_ > 0) producer_->serve(Millis{50});
    if (fatal_) producer_.reset();
    failed_ = fatal_ = false;
    return true;
}

void relay_round(pg::Connection& db, Publisher& publisher) {
    while (true) {
        auto tx = db.begin(pg::Scope::none());
        auto rows = tx.many<StoredRecord>(sql::outbox_due);
        tx.commit();
        if (rows.empty()) return;
        auto done = std::make_shared<std::vector<std::string>>();
        for (auto& row : rows) publisher.publish(row.record, [done, id = row.id] { done->push_back(std::to_string(id)); });
        bool all = publisher.flush(Millis{10'000});
        if (!all) publisher.take_failure();
        if (!done->empty()) {
            auto close = db.begin(pg::Scope::none());
            close.write(sql::outbox_delete, {pg::Param::array(*done)});
            close.commit();
        }
        if (!all) throw std::runtime_error("Kafka does not take the outbox's events");
    }
}

}  // namespace otto::rt
