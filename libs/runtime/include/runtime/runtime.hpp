#pragma once
#include <functional>
#include <memory>
#include <string>

#include "app/process.hpp"
#include "pg/connection.hpp"
#include "runtime/consumer.hpp"
#include "runtime/work_queue.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {

inline const app::Setting<std::int64_t> kLanes =
    app::number("lanes", 0, 0, 256,
                "threads of each consumer, at most its partitions; 0 = the machine's cores, or twice those where lanes wait "
                "longer than they work");
inline const app::Setting<std::int64_t> kInboxDays =
    app::number("inbox-days", 8, 1, 365, "how long it is remembered which events were applied; longer than Kafka keeps them");
inline const app::Setting<std::int64_t> kDeadLetterDays =
    app::number("dead-letter-days", 90, 1, 3'650, "how long dead letters and finished calls to the outside are kept");
inline const app::Setting<std::int64_t> kActivities =
    app::number("activities", 8, 1, 256, "activities and work (calls to the outside) that one consumer or queue runs at once");

/// The settings of a service that has consumers.
app::Rows runtime_rows();

/// Emits events from outside of handlers (HTTP commands, periodic jobs), within the caller's transaction.
template <class... M>
class Emitter;

class UntypedEmitter {
public:
    explicit UntypedEmitter(std::string consumer) : consumer_(std::move(consumer)) {}
    void emit(pg::Tx&, const Envelope& cause, const google::protobuf::Message&, EmitOptions = {}) const;
    /// An event without a cause: its id is new.
    void emit(pg::Tx&, const google::protobuf::Message&, const tel::TraceContext&, EmitOptions = {}) const;

private:
    std::string consumer_;
};

template <class... M>
class Emitter {
public:
    /// `service` is the name under which it is published, and the consumer part of derived ids.
    explicit Emitter(std::string service) : emitter_(std::move(service)) {}
    template <class E>
        requires(std::same_as<E, M> || ...)
    void emit(pg::Tx& tx, const Envelope& cause, const E& message, EmitOptions options = {}) const {
        emitter_.emit(tx, cause, message, std::move(options));
    }
    template <class E>
        requires(std::same_as<E, M> || ...)
    void emit(pg::Tx& tx, const E& message, const tel::TraceContext& trace, EmitOptions options = {}) const {
        emitter_.emit(tx, message, trace, std::move(options));
    }

private:
    UntypedEmitter emitter_;
};

/// The consumers and background jobs of one service. Made once in wire(); starts and stops with the process: it waits at the
/// schema gate, runs lanes and queues, relays the service's outbox, trims what grows by age.
class Runtime {
public:
    explicit Runtime(app::Service&);
    ~Runtime();

    Runtime& add(Consumer);
    /// Has a queue's work done by `self`, which must live as long as the process (work_queue.hpp). `queue` is "<service>" or
    /// "<service>/<part>": rows are kept under it, never rename it.
    template <auto Fn>
    Runtime& work(std::string queue, typename detail::WorkSignature<decltype(Fn)>::Self& self, QueueOptions options = {}) {
        return work(work_of<Fn>(std::move(queue), self, options));
    }
    /// Runs `job` every `period` in one process of the deployment at a time (an advisory lock), and at once when the channel
    /// `wake_on` is notified. The job opens its own transactions; an exception is logged and it runs again later.
    Runtime& periodic(std::string name, Millis period, std::function<void(pg::Connection&)> job, std::string wake_on = {});
    /// A job that reports gauges; they go when another process takes it over.
    Runtime& periodic(std::string name, Millis period, std::function<void(pg::Connection&, tel::Shares&)> job,
                      std::string wake_on = {});
    /// Rows of `table` whose `column` is older than `age` go, every ten minutes and some thousands a transaction. `only` is a
    /// further condition, in SQL; what this service's role may not see without a company stays. The column should have an index.
    Runtime& trim(std::string table, std::string column, Millis age, std::string only = {});

private:
    Runtime& work(detail::Work);
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::rt
