#include "runtime/runtime.hpp"

#include <algorithm>
#include <thread>

#include "activities.hpp"
#include "app/common.hpp"
#include "jobs.hpp"
#include "kafka/topics.hpp"
#include "lane.hpp"
#include "outbox.hpp"
#include "pass_lane.hpp"
#include "pg/connection.hpp"
#include "runtime/budgets.hpp"
#include "runtime/schema_gate.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "trim.hpp"
#include "workers.hpp"

namespace otto::rt {
namespace {

const tel::Counters kLanesBegunAnew{"otto_lanes_begun_anew_total", "Lanes that failed over something unforeseen.", {"consumer"}};
const tel::SharedGauges kOutboxOldest{
    "otto_outbox_oldest_seconds", "Age of the oldest event that Kafka does not have yet.", {"service"}};
const tel::SharedGauges kParkedRows{
    "otto_parked_rows", "Events that wait for another try, as the database has them.", {"service"}};
const tel::SharedGauges kDeadLetterRows{"otto_dead_letters", "Dead letters that wait for an operator.", {"service"}};
const tel::SharedGauges kBudgetLeft{
    "otto_budget_left",
    "What is left of what a provider may be asked, as a share of the whole: of the company or account that has least.",
    {"service", "provider"}};
const tel::SharedGauges kIntentsOpen{"otto_intents_open", "Calls to the outside that are still to be made.", {"service"}};

}  // namespace

app::Rows runtime_rows() {
    auto all = app::kafka_rows();
    for (const auto& r : {app::kPgUrl.row, kLanes.row, kInboxDays.row, kDeadLetterDays.row, kActivities.row}) all.push_back(r);
    return all;
}

struct Runtime::Impl {
    explicit Impl(app::Service& s) : service(s), name(s.name()), workers(name, s.pg_login(), stop_signal) {
        options.service = name;
        options.brokers = s.settings().get(app::kKafkaBrokers);
        options.pg_url = s.pg_login();
        wanted_lanes = static_cast<int>(s.settings().get(kLanes));
        for (const auto& topic : kafka::otto_topics()) most_lanes = std::max(most_lanes, topic.partitions);
        if (wanted_lanes > most_lanes)
            service.warn("OTTO_LANES is " + std::to_string(wanted_lanes) + ", but topics have " + std::to_string(most_lanes) +
                         " partitions: each consumer has as many lanes");
        activity_threads = static_cast<int>(s.settings().get(kActivities));
    }

    void start();
    void stop(Millis within);
    int lanes_of(const Consumer&) const;
    void guarded(const std::string& what, const std::function<void()>& body);
    template <class L>
    void run_lane(const Consumer&, const LaneOptions&, int index);

    app::Service service;
    std::string name;
    LaneOptions options;
    int wanted_lanes = 0, activity_threads = 1;
    int most_lanes = 1;  ///< one without a partition has nothing to do
    StopSignal stop_signal;
    Heard postgres;  ///< by the job that looks most often
    Workers workers;
    std::deque<Consumer> consumers;
    std::deque<LaneOptions> lane_options;
    std::deque<Activities> activities;
    std::deque<Job> jobs;
    std::vector<Trim> trims;
    std::vector<std::thread> threads;
    std::mutex lock;
    std::condition_variable ended;
    std::size_t begun = 0, running = 0;
};

/// A lane that fails over something unforeseen begins anew, and its partitions are taken over as from a process that died; one
/// that cannot be made ends the process.
template <class L>
void Runtime::Impl::run_lane(const Consumer& consumer, const LaneOptions& its, int index) {
    auto again = kLanesBegunAnew({consumer.name()});
    const Backoff pause{Millis{500}, Millis{10'000}, 2, 0.2};
    for (int failures = 0; !stop_signal.stopping(); ++failures) {
        L lane(consumer, its, index, stop_signal);
        try {
            lane.run();
        } catch (const std::exception& e) {
            if (stop_signal.stopping()) return;
            again.inc();
            tel::error("a lane failed and begins anew", {{"consumer", consumer.name()}, {"why", e.what()}});
            stop_signal.wait(pause.pause(std::min(failures, 8)));
        }
    }
}

/// A thread of the runtime never ends by itself: what it cannot handle ends the process, and the orchestrator begins anew.
void Runtime::Impl::guarded(const std::string& what, const std::function<void()>& body) {
    {
        std::lock_guard guard(lock);
        ++begun;
        ++running;
    }
    threads.emplace_back([this, what, body] {
        tel::ServiceScope scope(name);
        try {
            body();
        } catch (const std::exception& e) {
            if (!stop_signal.stopping()) service.fail(what, e.what());
        }
        std::lock_guard guard(lock);
        --running;
        ended.notify_all();
    });
}

/// A lane without a partition has nothing to do, so there are never more than partitions.
int Runtime::Impl::lanes_of(const Consumer& consumer) const {
    int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    return std::min(wanted_lanes > 0 ? wanted_lanes : cores * consumer.lanes_per_core(), most_lanes);
}

void Runtime::Impl::start() {
    for (auto& consumer : consumers) {
        lane_options.push_back(options);
        auto& mine = lane_options.back();
        bool acts = std::any_of(consumer.handlers().begin(), consumer.handlers().end(),
                                [](const auto& h) { return h.shape == detail::Shape::activity; });
        if (acts) {
            auto& pool = activities.emplace_back(consumer, mine, stop_signal);
            mine.poke_activities = [&pool] { pool.poke(); };
            for (int i = 0; i < activity_threads; ++i) guarded("activities of " + consumer.name(), [&pool] { pool.work(); });
        }
        for (int i = 0, lanes = lanes_of(consumer); i < lanes; ++i) {
            guarded("a lane of " + consumer.name(), [this, &consumer, &mine, i] {
                if (consumer.passes_through())
                    run_lane<PassLane>(consumer, mine, i);
                else
                    run_lane<Lane>(consumer, mine, i);
            });
        }
    }
    workers.start([this](const std::string& what, const std::function<void()>& body) { guarded(what, body); });
    for (auto& job : jobs)
        guarded("job " + job.name, [this, &job] { run_job(options.pg_url, name, job, stop_signal, postgres); });
}

void Runtime::Impl::stop(Millis within) {
    stop_signal.stop();
    for (auto& a : activities) a.wake_all();
    workers.wake_all();
    {
        std::unique_lock guard(lock);
        // The process ends under them then: open transactions roll back with their sessions, unconfirmed events stay in the
        // outbox.
        if (!ended.wait_for(guard, within, [&] { return running == 0; }))
            throw std::runtime_error(std::to_string(running) + " lanes, activities, workers or jobs did not finish in time");
    }
    for (auto& t : threads) t.join();
    threads.clear();
}

Runtime::Runtime(app::Service& service) : impl_(std::make_shared<Impl>(service)) {
    auto* impl = impl_.get();
    auto relay = std::make_shared<Relay>(impl->options.brokers, impl->name + "-relay");
    periodic(
        "relay", Millis{1'000}, [relay](pg::Connection& db) { relay->round(db); }, "otto_outbox");
    periodic("gauges", Millis{5'000}, [service = impl->name](pg::Connection& db, tel::Shares& gauges) {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::standing_of_service, {}, [&](const pg::Fields& f) {
            gauges.set(kOutboxOldest, {service}, f.number("oldest"));
            gauges.set(kParkedRows, {service}, f.number("parked"));
            gauges.set(kDeadLetterRows, {service}, f.number("dead"));
            gauges.set(kIntentsOpen, {service}, f.number("intents"));
        });
        for (const auto& [provider, share] : Budgets::left(tx, service)) gauges.set(kBudgetLeft, {service, provider}, share);
        tx.commit();
    });
    const std::chrono::days inbox{service.settings().get(kInboxDays)}, over{service.settings().get(kDeadLetterDays)};
    trim("inbox", "applied_at", inbox);
    trim("dead_letters", "dead_at", over);
    trim("intents", "finished_at", over, "state IN ('done', 'failed')");
    trim("idempotency_keys", "created_at", std::chrono::hours(48));
    trim("work", "given_up_at", over);
    trim("budgets", "at", std::chrono::hours(48));  // whatever is had in a day is had again by then
    periodic("trim", Millis{600'000}, [impl](pg::Connection& db) { rt::trim(db, impl->trims, impl->stop_signal); });
    needs_schema(service);
    service.depends_on("postgres", [i = impl_] { return i->postgres.known(); });
    service.on_start("consumers and jobs of " + impl->name, [i = impl_] { i->start(); });
    service.on_stop("consumers and jobs of " + impl->name, [i = impl_](Millis within) { i->stop(within); });
    service.ready_when("consumers", [i = impl_]() -> Result<void> {
        std::lock_guard guard(i->lock);
        if (i->running < i->begun || i->begun == 0) return Error("not all lanes and jobs run", "see the log");
        return {};
    });
}

Runtime::~Runtime() = default;

Runtime& Runtime::add(Consumer consumer) {
    if (consumer.handlers().empty()) throw std::logic_error("the consumer " + consumer.name() + " has no handler");
    for (const auto& h : consumer.handlers())
        if ((h.shape == detail::Shape::pass) != consumer.passes_through())
            throw std::logic_error("the consumer " + consumer.name() + " mixes pass-through handlers with others");
    impl_->consumers.push_back(std::move(consumer));
    return *this;
}

Runtime& Runtime::work(detail::Work work) {
    impl_->workers.add(std::move(work), impl_->activity_threads);
    return *this;
}

Runtime& Runtime::periodic(std::string name, Millis period, std::function<void(pg::Connection&)> job, std::string wake_on) {
    return periodic(
        std::move(name), period, [job = std::move(job)](pg::Connection& db, tel::Shares&) { job(db); }, std::move(wake_on));
}

Runtime& Runtime::trim(std::string table, std::string column, Millis age, std::string only) {
    impl_->trims.push_back({std::move(table), std::move(column), age, std::move(only)});
    return *this;
}

Runtime& Runtime::periodic(std::string name, Millis period, std::function<void(pg::Connection&, tel::Shares&)> job,
                           std::string wake_on) {
    impl_->jobs.push_back({std::move(name), period, std::move(job), std::move(wake_on)});
    return *this;
}

}  // namespace otto::rt
