// What goes from the outbox to Kafka, and what becomes of what Kafka does not take.
#include "consumer_metrics.hpp"
#include "outbox.hpp"
#include "records.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

const tel::Counters kPublishFailures{"otto_publish_failures_total",
                                     "Times that publishing had to start again at the lowest outbox row."};
const tel::Counters kPublishRefused{"otto_publish_refused_total",
                                    "Events that Kafka refuses for what they are: each is a dead letter of who emitted it.",
                                    {"consumer", "topic"}};
constexpr Backoff kPause{Millis{500}, Millis{2'000}, 2, 0};
constexpr Millis kAlone{2'000};

/// The longest that rows are under way before an operator hears of it, and how often after that.
constexpr std::chrono::seconds kLong{10}, kTellAgain{60};

}  // namespace

kafka::Producer& Publisher::producer() {
    if (!producer_) {
        kafka::ProducerOptions o;
        o.brokers = brokers_;
        o.client_id = client_id_;
        producer_ = std::make_unique<kafka::Producer>(o);
    }
    return *producer_;
}

Publisher::~Publisher() {
    ending_ = true;
    producer_.reset();
}

bool Publisher::publish(kafka::Record r, Acked acked, std::function<void()> refused) {
    if (failed_) return true;  // what follows a failure is published again anyway
    auto report = [this, acked = std::move(acked), refused = std::move(refused)](const kafka::Delivery& d) {
        --in_flight_;
        if (ending_) return;
        if (d.ok) {
            failures_ = 0;
            acked();
            return;
        }
        if (d.refused) refused();
        if (!failed_) why_ = d.error;
        failed_ = true;
        fatal_ = fatal_ || d.fatal;
    };
    ++in_flight_;
    if (producer().produce(r, report)) return true;
    --in_flight_;
    if (in_flight_ > 0) return false;
    // It is not full: this producer takes nothing any more.
    failed_ = fatal_ = true;
    why_ = "the producer takes no record";
    return true;
}

Publisher::Fate Publisher::alone(kafka::Record r, std::string& why) {
    auto fate = std::make_shared<Fate>(Fate::unknown);  // its report may come after this
    if (flush(kAlone)) {
        publish(
            std::move(r), [fate] { *fate = Fate::taken; }, [fate] { *fate = Fate::refused; });
        flush(kAlone);
    }
    if (*fate == Fate::refused) {
        why = why_;
        restart();
        pause();
    } else if (*fate == Fate::unknown) {
        if (!failed_) why_ = "Kafka confirms nothing";
        failed_ = true;
    }
    return *fate;
}

void Publisher::serve(Millis wait) {
    if (producer_) producer_->serve(wait);
}

bool Publisher::flush(Millis deadline) {
    if (!producer_) return true;
    auto end = std::chrono::steady_clock::now() + deadline;
    while (in_flight_ > 0 && !failed_) {
        auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis{0}) return false;
        producer_->serve(std::min(left, Millis{100}));
    }
    return !failed_;
}

void Publisher::restart() {
    if (producer_) {
        producer_->purge();
        while (in_flight_ > 0) producer_->serve(Millis{50});
        if (fatal_) producer_.reset();
    }
    failed_ = fatal_ = false;
}

void Publisher::pause() { not_before_ = std::chrono::steady_clock::now() + kPause.pause(std::min(failures_++, 8)); }

bool Publisher::take_failure() {
    if (!failed_) return false;
    kPublishFailures().inc();
    pause();
    tel::warn("Kafka did not take an event: publishing starts again at the lowest outbox row",
              {{"why", why_}, {"fatal", fatal_}});
    restart();
    return true;
}

void Publisher::drop() {
    if (in_flight_ > 0 || failed_) restart();
}

SetAside::SetAside(pg::Tx& tx, const StoredRecord& row, std::string why) : topic_(row.record.topic), why_(std::move(why)) {
    pg::Param id = nullptr;
    if (auto meta = events::read_meta(row.record.headers)) {
        event_ = meta->id;
        type_ = meta->type;
        id = event_;
        company_ = company_of(type_, row.record.value);
    }
    tx.each(sql::outbox_refused, {row.id, id, company_, type_, why_, longer_history("[]", why_, system_clock().now())},
            [&](const pg::Fields& f) { consumer_ = f.text("consumer"); });
}

void SetAside::tell() const {
    count_refused(consumer_, topic_);
    kDeadLetters({consumer_}).inc();
    tel::error("Kafka refuses an event for what it is: it is a dead letter, and others go on",
               {{"consumer", consumer_},
                {"topic", topic_},
                {"event_id", event_.value().to_string()},
                {"type", type_},
                {"company_id", company_},
                {"why", why_},
                {"cure",
                 "ottoctl topics plan shows whether the topic takes less than it should; then ottoctl dead-letters redrive, or "
                 "discard"}});
}

void count_refused(const std::string& consumer, const std::string& topic) { kPublishRefused({consumer, topic}).inc(); }

void Relay::round(pg::Connection& db) {
    try {
        while (publisher_.ready()) {
            if (under_way_.empty() && !send(db)) return;
            publisher_.flush(patience_);
            settle(db);
            if (publisher_.take_failure()) under_way_.clear();
            if (!under_way_.empty()) return;  // Kafka is away: they stay queued, once
        }
    } catch (...) {
        // Without its session another process may be the one that relays.
        publisher_.drop();
        under_way_.clear();
        done_.clear();
        throw;
    }
}

/// False: nothing is due, or nothing can go.
bool Relay::send(pg::Connection& db) {
    settle(db);  // what Kafka had before a failure
    auto tx = db.begin(pg::Scope::none());
    auto rows = tx.many<StoredRecord>(sql::outbox_due);
    tx.commit();
    since_ = told_ = std::chrono::steady_clock::now();
    for (auto& row : rows) {
        if (suspects_.contains(row.id)) {
            if (!under_way_.empty()) return true;  // once those before it are there
            std::string why;
            auto fate = publisher_.alone(row.record, why);
            if (fate == Publisher::Fate::unknown) return true;
            suspects_.erase(row.id);
            auto close = db.begin(pg::Scope::none());
            if (fate == Publisher::Fate::taken) {
                close.write(sql::outbox_delete, {pg::Param::array(std::vector<std::string>{std::to_string(row.id)})});
                close.commit();
                continue;
            }
            SetAside letter(close, row, why);
            close.commit();
            letter.tell();
            return false;  // ready again in a moment
        }
        if (!publisher_.publish(
                row.record, [this, id = row.id] { done_.push_back(id); }, [this, id = row.id] { suspects_.insert(id); }))
            break;
        under_way_.insert(row.id);
    }
    return !rows.empty();
}

/// Deletes what Kafka has.
void Relay::settle(pg::Connection& db) {
    if (!done_.empty()) {
        std::vector<std::string> ids;
        for (auto id : done_) ids.push_back(std::to_string(id));
        auto tx = db.begin(pg::Scope::none());
        tx.write(sql::outbox_delete, {pg::Param::array(ids)});
        tx.commit();
        for (auto id : done_) under_way_.erase(id);
        done_.clear();
    }
    auto now = std::chrono::steady_clock::now();
    if (!under_way_.empty() && now - since_ > kLong && (told_ == since_ || now - told_ > kTellAgain)) {
        told_ = now;
        tel::warn(
            "Kafka does not confirm the outbox's events: they wait in the producer",
            {{"events", under_way_.size()}, {"seconds", std::chrono::duration_cast<std::chrono::seconds>(now - since_).count()}});
    }
}

}  // namespace otto::rt
