#include "ingress/publisher.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/backoff.hpp"
#include "ingress/spool_report.hpp"
#include "kafka/producer.hpp"
#include "spool.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::ingress {
namespace {

// Of each service for itself: a process may hold several, and what one of them has no room for is not another's to take.
const tel::Gauges kSpoolRows{"otto_spool_rows", "Webhooks on disk that Kafka does not have yet.", {"service"}};
const tel::Gauges kSpoolBytes{"otto_spool_bytes", "Size of the webhooks in the spool, as its limit counts it.", {"service"}};
const tel::Gauges kSpoolLimit{
    "otto_spool_limit_bytes", "Size of the spool above which webhooks are answered 503 (OTTO_SPOOL_MEGABYTES).", {"service"}};
const tel::Gauges kSpoolOldest{
    "otto_spool_oldest_seconds", "How long ago the first webhook in the spool was received; 0: it is empty.", {"service"}};
const tel::Counters kSpoolRefused{"otto_spool_refused_total",
                                  "Webhooks answered 503 because the spool is full or its disk fails."};
const tel::Counters kSpooled{"otto_spooled_total", "Webhooks that went through the spool."};

const tel::Gauges kSpoolOld{"otto_spool_old_rows",
                            "Webhooks on disk that are older than repeats are remembered, and wait for ottoctl spool drain.",
                            {"service"}};

using Steady = std::chrono::steady_clock;

/// How often is looked whether somebody has drained what was put aside.
constexpr std::chrono::seconds kLookAside{10};

/// How long a record waits for others of its partition, in milliseconds. Each batch is a request of its own, and that is what
/// Kafka's CPU and the client's go to; so few of an answer's second cost a provider nothing.
constexpr double kLinger = 5;

/// What of the spool may be under way at a time: with a Kafka that takes a tenth of a second, 20,000 rows a second.
constexpr std::size_t kDrainRows = 2'000, kDrainBytes = 8u << 20;

/// So many that have come meanwhile go to Kafka at once when the spool is left.
constexpr std::size_t kMostLate = 5'000;

/// How long a stopping process goes on emptying its spool after Kafka has taken something last.
constexpr Millis kStopPatience{5'000};

kafka::Outgoing outgoing(const events::Wire& w) { return {w.topic, w.key, w.value, w.headers}; }

}  // namespace

struct Publisher::Impl : std::enable_shared_from_this<Publisher::Impl> {
    struct Waiting {
        events::Wire wire;
        Done done;
        Steady::time_point since;
        bool confirmed = false;
    };

    explicit Impl(PublisherOptions o)
        : options(std::move(o)),
          spool(options.spool_dir,
                options.repeats_known > Millis{0} ? std::optional(system_clock().now() - options.repeats_known) : std::nullopt),
          metrics(options.client_id, options.spool_bytes) {
        look_aside();
        fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        spooling = spool.rows() > 0;
        show();
        producer = make_producer();
    }
    ~Impl() {
        producer.reset();
        ::close(fd);
    }

    std::shared_ptr<kafka::Producer> make_producer() const {
        kafka::ProducerOptions p;
        p.brokers = options.brokers;
        p.client_id = options.client_id;
        p.linger_ms = kLinger;
        p.report_fd = fd;
        return std::make_shared<kafka::Producer>(p);
    }
    /// Null while everything goes through the spool.
    std::shared_ptr<kafka::Producer> direct() {
        std::lock_guard guard(lock);
        return spooling ? nullptr : producer;
    }
    /// What the spool holds. Of its thread, once that runs.
    void show() {
        rows = spool.rows();
        spool_size = spool.bytes();
        metrics.rows.set(static_cast<double>(spool.rows()));
        metrics.bytes.set(static_cast<double>(spool.bytes()));
        auto age = spool.oldest() ? system_clock().now() - *spool.oldest() : Instant::duration{};
        metrics.oldest.set(std::max(0.0, std::chrono::duration<double>(age).count()));
    }
    std::pair<std::size_t, std::optional<Instant>> old() const;
    void look_aside();
    void confirmed(std::uint64_t number, const kafka::Delivery&);
    void to_spool_locked(const char* why);
    struct Drain;
    void loop();
    void append(std::deque<Waiting> batch);
    void drain(Drain&);
    bool last_of_spool_under_way(const Drain&) const;
    void leave_spool(Drain&);
    void direct_locked(Waiting);

    PublisherOptions options;
    int fd = -1;
    std::mutex lock;  // of everything below but `spool`, which belongs to the spool's thread once it runs
    std::condition_variable wake;
    std::deque<Waiting> waiting;   // produced, in produce order; the first is not confirmed, of the others some may be
    std::uint64_t first = 0;       // number of the first of them
    std::deque<Waiting> to_write;  // on their way to the spool
    bool spooling = false, stopping = false;
    Steady::time_point stop_by{};
    std::atomic<std::size_t> rows{0};
    std::atomic<std::size_t> spool_size{0};
    std::shared_ptr<kafka::Producer> producer;  // the direct one; made anew after each time in the spool
    Spool spool;
    std::thread thread;
    struct Metrics {
        Metrics(const std::string& service, std::size_t limit)
            : rows(kSpoolRows({service})),
              bytes(kSpoolBytes({service})),
              oldest(kSpoolOldest({service})),
              old_rows(kSpoolOld({service})) {
            kSpoolLimit({service}).set(static_cast<double>(limit));
        }
        tel::Gauge rows, bytes, oldest, old_rows;
    } metrics;
    Steady::time_point looked_aside{};
    tel::Counter refused = kSpoolRefused();
    tel::Counter spooled_total = kSpooled();
};

/// Rows that were put aside, and when the first of them was received.
std::pair<std::size_t, std::optional<Instant>> Publisher::Impl::old() const {
    std::pair<std::size_t, std::optional<Instant>> out;
    for (const auto& folder : spools_put_aside(options.spool_dir)) {
        auto read = read_spool(folder);
        if (!read || !read->exists) continue;
        out.first += read->rows;
        if (read->oldest && (!out.second || *read->oldest < *out.second)) out.second = read->oldest;
    }
    return out;
}

void Publisher::Impl::look_aside() {
    auto now = Steady::now();
    if (looked_aside != Steady::time_point{} && now - looked_aside < kLookAside) return;
    looked_aside = now;
    metrics.old_rows.set(static_cast<double>(old().first));
}

void Publisher::Impl::confirmed(std::uint64_t number, const kafka::Delivery& d) {
    Done done;
    {
        std::lock_guard guard(lock);
        if (number < first) return;  // in the spool already; a repeat, with the same id
        if (!d.ok) {
            to_spool_locked(d.error.c_str());
            return;
        }
        auto& w = waiting[number - first];
        done = std::move(w.done);
        w.confirmed = true;
        w.wire = {};
        for (; !waiting.empty() && waiting.front().confirmed; ++first) waiting.pop_front();
    }
    done(Safe::kafka);
}

void Publisher::Impl::direct_locked(Waiting w) {
    auto number = first + waiting.size();
    waiting.push_back(std::move(w));
    bool taken = producer->produce(outgoing(waiting.back().wire), [impl = weak_from_this(), number](const kafka::Delivery& d) {
        if (auto alive = impl.lock()) alive->confirmed(number, d);
    });
    if (!taken) to_spool_locked("the producer takes no record");
}

/// From now on everything goes through the spool, beginning with what waits, in its order.
void Publisher::Impl::to_spool_locked(const char* why) {
    auto unconfirmed = std::count_if(waiting.begin(), waiting.end(), [](const Waiting& w) { return !w.confirmed; });
    if (!spooling) tel::warn("Kafka does not confirm: webhooks go to the spool", {{"why", why}, {"waiting", unconfirmed}});
    spooling = true;
    for (auto& w : waiting)
        if (!w.confirmed) to_write.push_back(std::move(w));
    first += waiting.size();
    waiting.clear();
    wake.notify_all();
}

void Publisher::Impl::append(std::deque<Waiting> batch) {
    std::vector<const events::Wire*> wires;
    std::size_t room = options.spool_bytes > spool.bytes() ? options.spool_bytes - spool.bytes() : 0, fits = 0, size = 0;
    for (const auto& w : batch) {
        size += w.wire.value.size() + w.wire.key.size() + 300;
        if (size > room) break;
        wires.push_back(&w.wire);
        ++fits;
    }
    Result<void> written;
    if (!wires.empty()) written = spool.append(wires);
    show();
    if (!written) tel::error("the spool does not take webhooks: they are answered 503", {{"why", written.error().describe()}});
    if (fits < batch.size())
        tel::error("the spool is full: webhooks are answered 503", {{"bytes", spool.bytes()}, {"limit", options.spool_bytes}});
    if (written) spooled_total.inc(static_cast<double>(fits));
    for (std::size_t i = 0; i < batch.size(); ++i) {
        bool safe = written && i < fits;
        if (!safe) refused.inc();
        batch[i].done(safe ? Safe::spool : Safe::refused);
    }
}

/// What of the spool is on its way to Kafka.
struct Publisher::Impl::Drain {
    std::shared_ptr<kafka::Producer> out;  ///< the only producer while anything is in the spool
    std::int64_t last = 0;                 ///< id of the last row under way
    std::size_t rows = 0, ok = 0, failed = 0;
    Steady::time_point since{}, not_before{}, progress{};
    int failures = 0;
};

/// One step: sends the lowest rows, or deletes those that Kafka has confirmed. Never waits long: webhooks wait behind it for
/// their place on disk.
void Publisher::Impl::drain(Drain& d) {
    if (!d.out) {
        std::shared_ptr<kafka::Producer> direct;
        {
            std::lock_guard guard(lock);
            direct.swap(producer);
        }
        if (direct) direct->purge();
        direct.reset();
        d.out = make_producer();
    }
    auto now = Steady::now();
    if (d.rows == 0) {
        if (now < d.not_before) return;
        auto batch = spool.lowest(kDrainRows, kDrainBytes);
        if (batch.empty()) return;
        d.rows = batch.size();
        d.ok = d.failed = 0;
        d.last = batch.back().id;
        d.since = now;
        for (auto& row : batch)
            if (!d.out->produce(outgoing(row.wire), [&d](const kafka::Delivery& delivery) { ++(delivery.ok ? d.ok : d.failed); }))
                ++d.failed;
    }
    d.out->serve(Millis{10});
    if (d.ok == d.rows) {
        spool.remove_up_to(d.last);
        d.rows = 0;
        d.failures = 0;
        d.progress = now;
    } else if (d.failed > 0 || now - d.since > std::chrono::seconds(10)) {
        d.out->purge();  // some may be in Kafka: repeats, with the same ids
        while (d.ok + d.failed < d.rows && d.out->in_flight() > 0) d.out->serve(Millis{20});
        d.rows = 0;
        d.out = make_producer();
        d.not_before = now + Backoff{Millis{100}, Millis{2'000}, 2, 0.2}.pause(std::min(d.failures++, 6));
    }
}

/// Then what comes waits a little in memory for its way to Kafka. On disk it would be behind those under way, and as long as
/// webhooks come faster than Kafka confirms there would never be none.
bool Publisher::Impl::last_of_spool_under_way(const Drain& d) const {
    return d.rows > 0 && d.rows == spool.rows() && d.failures == 0 && Steady::now() - d.since < options.patience / 4;
}

/// The spool is empty: what has come meanwhile goes to Kafka directly, in its order, and so does everything after it.
void Publisher::Impl::leave_spool(Drain& d) {
    std::lock_guard guard(lock);
    if (stopping) return;
    producer = std::move(d.out);  // it is connected and has its id: the first one that goes directly does not wait for that
    spooling = false;
    show();
    tel::info("the spool is empty: webhooks go to Kafka directly again");
    std::deque<Waiting> late;
    late.swap(to_write);
    for (auto& w : late) {
        if (spooling)
            to_write.push_back(std::move(w));  // it failed at once: the rest stays in order behind
        else
            direct_locked(std::move(w));
    }
}

void Publisher::Impl::loop() {
    Drain d;
    Steady::time_point stop_drain{};
    while (true) {
        std::deque<Waiting> batch;
        bool through_spool = false;
        {
            std::unique_lock guard(lock);
            if (!spooling)
                wake.wait_for(guard, Millis{1'000}, [&] { return stopping || spooling; });
            else if (d.rows == 0 && Steady::now() < d.not_before)
                wake.wait_for(guard, Millis{20}, [&] { return stopping || !to_write.empty(); });
            through_spool = spooling;
            if (through_spool && !stopping && spool.rows() == 0 && d.out && d.rows == 0 && to_write.size() < kMostLate &&
                d.failures == 0) {
                guard.unlock();
                leave_spool(d);
                continue;
            }
            if (stopping || !last_of_spool_under_way(d)) batch.swap(to_write);
            // A pod that is not coming back soon should leave nothing on its disk, if Kafka takes it; what stays is drained by
            // the next start.
            if (stopping && batch.empty()) {
                auto now = Steady::now();
                if (stop_drain == Steady::time_point{}) stop_drain = now;
                if (!spooling || spool.rows() == 0 || d.failures > 0 ||
                    now > std::min(stop_by, std::max(stop_drain, d.progress) + kStopPatience))
                    break;
            }
        }
        look_aside();
        if (!through_spool) continue;
        try {
            if (!batch.empty()) append(std::move(batch));
            drain(d);
            show();
        } catch (const std::exception& e) {
            tel::error("the spool fails", {{"why", e.what()}});
            std::unique_lock guard(lock);
            wake.wait_for(guard, Millis{500}, [&] { return stopping; });
        }
    }
    if (d.out) {
        d.out->purge();
        while (d.out->in_flight() > 0) d.out->serve(Millis{20});
    }
}

Publisher::Publisher(PublisherOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

Publisher::~Publisher() { stop(Millis{0}); }

void Publisher::start() {
    auto& s = *impl_;
    s.thread = std::thread([impl = impl_] { impl->loop(); });
}

Result<void> Publisher::warm_up(Millis within) {
    auto producer = impl_->direct();
    if (!producer) return {};  // the spool's own is at it
    return producer->warm_up(impl_->options.topics, within);
}

Result<void> Publisher::kafka_answers(Millis within) const {
    auto producer = impl_->direct();
    if (!producer) return Error("webhooks go to the spool: Kafka does not confirm, or has not taken yet what lies there");
    return producer->answers(within);
}

void Publisher::send(events::Wire wire, Done done) {
    auto& s = *impl_;
    std::lock_guard guard(s.lock);
    Impl::Waiting w{std::move(wire), std::move(done), Steady::now()};
    if (!s.spooling) {
        s.direct_locked(std::move(w));
        return;
    }
    s.to_write.push_back(std::move(w));
    s.wake.notify_all();
}

int Publisher::event_fd() const { return impl_->fd; }

void Publisher::serve() {
    auto& s = *impl_;
    std::shared_ptr<kafka::Producer> producer;
    {
        std::lock_guard guard(s.lock);
        producer = s.producer;
        if (!s.waiting.empty() && Steady::now() - s.waiting.front().since > s.options.patience)
            s.to_spool_locked("no confirmation in time");
        if (s.spooling) {
            std::uint64_t count = 0;
            while (::read(s.fd, &count, sizeof count) > 0) {
            }
        }
    }
    if (producer) producer->serve(Millis{0});
}

void Publisher::stop(Millis within) {
    auto& s = *impl_;
    {
        std::unique_lock guard(s.lock);
        if (s.stopping && !s.thread.joinable()) return;
    }
    const auto begun = Steady::now();
    auto end = begun + std::min(within, s.options.patience);
    while (Steady::now() < end) {
        std::shared_ptr<kafka::Producer> producer;
        {
            std::lock_guard guard(s.lock);
            if (s.waiting.empty() || !s.producer) break;
            producer = s.producer;
        }
        producer->serve(Millis{20});
    }
    {
        std::lock_guard guard(s.lock);
        if (!s.waiting.empty()) s.to_spool_locked("the process stops");
        s.stopping = true;
        s.stop_by = begun + within;
        s.wake.notify_all();
    }
    if (s.thread.joinable()) s.thread.join();
}

std::size_t Publisher::spooled() const { return impl_->rows; }
std::size_t Publisher::spooled_bytes() const { return impl_->spool_size; }

std::string Publisher::put_aside() const {
    auto [rows, oldest] = impl_->old();
    if (rows == 0) return "";
    return std::to_string(rows) + " webhooks in the spool" + (oldest ? ", the first of " + to_rfc3339(*oldest) + "," : "") +
           " are older than repeats are remembered (OTTO_INBOX_DAYS) and are not sent by themselves; ottoctl spool drain shows "
           "and sends them";
}

}  // namespace otto::ingress
