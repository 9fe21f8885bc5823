#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/backoff.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "events/event.hpp"
#include "pg/tx.hpp"
#include "telemetry/trace.hpp"

/// What an author of handlers sees. The contract: a handler may run more than once; only what goes through Tx and Out counts; it
/// uses no clock, randomness or network but what it is given; whatever leaves the system is an activity.
namespace otto::rt {

/// What goes with an event and is not its content.
struct Envelope {
    EventId id;
    CompanyId company;  ///< the message's company_id; empty before routing
    std::string key, type;
    Instant occurred_at{};  ///< ce_time
    int attempt = 0;        ///< 0 at first
    std::optional<EventId> caused_by;
    tel::TraceContext trace;
};

template <class E>
struct In {
    const E& event;
    const Envelope& meta;
};

/// For pass-throughs: the event may be taken apart, so that what goes on is moved and not copied. Not before the outcome is
/// settled: what is deferred must still be whole.
template <class E>
struct Take {
    E& event;
    const Envelope& meta;
};

/// What became of an event. Exceptions are for bugs and lost connections.
class [[nodiscard]] Outcome {
public:
    enum class Kind { done, ignored, retry, later, reject, defer };
    static Outcome done() { return Outcome(Kind::done); }
    static Outcome ignored(std::string_view why) { return Outcome(Kind::ignored, why); }  ///< counted, not an error
    static Outcome retry(std::string_view why, std::optional<Millis> after = {}) { return Outcome(Kind::retry, why, after); }
    static Outcome later(Millis after) { return Outcome(Kind::later, "later", after); }  ///< uses up no attempt, blocks no key
    static Outcome reject(std::string_view why) { return Outcome(Kind::reject, why); }   ///< dead letter now
    /// Pass-throughs only: this event needs rows; it goes to the consumer's deferred().
    static Outcome defer() { return Outcome(Kind::defer); }
    Kind kind() const { return kind_; }
    const std::string& why() const { return why_; }
    const std::optional<Millis>& after() const { return after_; }
    bool settled() const { return kind_ == Kind::done || kind_ == Kind::ignored; }

private:
    explicit Outcome(Kind kind, std::string_view why = {}, std::optional<Millis> after = {})
        : kind_(kind), why_(why), after_(after) {}
    Kind kind_;
    std::string why_;
    std::optional<Millis> after_;
};

/// How large an event may be: bytes of the message as it is published (ByteSizeLong), by what its topic takes. What is larger
/// cannot be emitted. So whoever makes events of what a tenant says refuses first, with 422 and the field that is to become
/// shorter; since the event holds more than that field, by asking with the event as it would be:
///
///     if (profile.ByteSizeLong() > rt::largest_event<CompanyProfile>()) …
std::size_t largest_event(std::string_view topic);
template <class E>
std::size_t largest_event() {
    return largest_event(events::type_of<E>().topic);
}
/// Thrown by emit(). In a handler it is as any exception: the event is the one at fault.
struct EventTooLarge : std::length_error {
    EventTooLarge(const std::string& type, std::size_t bytes, std::size_t most);
};

struct EmitOptions {
    std::optional<Instant> not_before;    ///< a timer is a delayed event
    std::optional<std::string> replaces;  ///< its name: a later emission of that name takes its place
};

/// What handlers emitted, on its way to the outbox.
class Sink {
public:
    explicit Sink(std::string consumer) : consumer_(std::move(consumer)) {}
    struct Item {
        events::Wire wire;
        EmitOptions options;
        bool cancel = false;  ///< only takes back the timer of that name
        EventId cause{};      ///< what it follows from; nil: nothing
    };
    void emit(const Envelope& cause, const google::protobuf::Message&, EmitOptions);
    void cancel(std::string_view replaces);
    void reject(const EventId&, std::string_view why);
    /// What was rejected since this was asked last, with why.
    std::map<EventId, std::string> take_rejected() { return std::exchange(rejected_, {}); }
    std::vector<Item>& items() { return items_; }
    std::size_t size() const { return items_.size(); }
    void truncate(std::size_t size);

private:
    std::string consumer_;
    std::vector<Item> items_;
    std::map<std::pair<EventId, std::string>, int> ordinals_;
    std::map<EventId, std::string> rejected_;
};

/// Where a handler puts what follows from its event. Only the listed events can be emitted; ids are names (cause, consumer, type,
/// ordinal).
template <class... E>
class Out {
public:
    explicit Out(Sink& sink, const Envelope* cause = nullptr) : sink_(&sink), cause_(cause) {}
    /// In a handler of one event: caused by it.
    template <class M>
        requires(std::same_as<M, E> || ...)
    void emit(const M& message, EmitOptions options = {}) {
        if (!cause_) throw std::logic_error("a batch handler says which event is the cause: emit(in.meta, message)");
        sink_->emit(*cause_, message, std::move(options));
    }
    template <class M>
        requires(std::same_as<M, E> || ...)
    void emit(const Envelope& cause, const M& message, EmitOptions options = {}) {
        sink_->emit(cause, message, std::move(options));
    }
    void cancel(std::string_view replaces) { sink_->cancel(replaces); }
    /// In a handler of a batch: this event of it is a dead letter, in the batch's transaction; the others, also of its key, go
    /// on. Nothing of it may have been written or emitted. A handler of one event returns Outcome::reject().
    void reject(const Envelope& which, std::string_view why) {
        if (cause_) throw std::logic_error("a handler of one event says what it rejects by its outcome");
        sink_->reject(which.id, why);
    }

private:
    Sink* sink_;
    const Envelope* cause_;
};

/// An activity's view of its event: no transaction is open, and the outside knows a repeat by the intent key.
template <class E>
struct Intent {
    const E& event;
    const Envelope& meta;
    const std::string& intent_key;
    std::vector<std::function<void(pg::Tx&)>>& closing;
    /// Runs in the transaction that records the intent as done, with what was emitted.
    void then(std::function<void(pg::Tx&)> write) const { closing.push_back(std::move(write)); }
};

struct Retry {
    int attempts = 8;
    Backoff pause{};
};
struct Policy {
    Retry retry{};
    std::size_t batch = 250;  ///< events of one transaction, at most
    bool once = true;         ///< false: repeats do no harm (rows that are there already stay), and the inbox is not kept
    Millis timeout{60'000};   ///< lease of an activity
};

namespace detail {

struct Event {
    google::protobuf::Message* message = nullptr;
    Envelope meta;
};

enum class Shape { one, batch, pass, activity };

/// One handler with its types erased.
struct Handler {
    Shape shape = Shape::one;
    const events::TypeInfo* type = nullptr;
    const google::protobuf::Message* prototype = nullptr;
    std::vector<const events::TypeInfo*> emits;
    Policy policy;
    std::function<Outcome(const Event&, pg::Tx*, Sink&)> one;                  // one, pass
    std::function<void(std::span<const Event* const>, pg::Tx&, Sink&)> batch;  // batch
    std::function<Outcome(const Event&, const std::string& intent_key, std::vector<std::function<void(pg::Tx&)>>&, Sink&)>
        activity;
};

template <class Fn>
struct Signature;

template <class S, class E, class... M>
struct Signature<Outcome (S::*)(In<E>, pg::Tx&, Out<M...>&) const> {
    static constexpr Shape shape = Shape::one;
    using Self = S;
    using Consumed = E;
    template <auto Fn>
    static Handler make(const S& self) {
        Handler h;
        h.one = [&self](const Event& e, pg::Tx* tx, Sink& sink) {
            Out<M...> out(sink, &e.meta);
            return (self.*Fn)(In<E>{static_cast<const E&>(*e.message), e.meta}, *tx, out);
        };
        h.emits = {&events::type_of<M>()...};
        return h;
    }
};

template <class S, class E, class... M>
struct Signature<void (S::*)(std::span<const In<E>>, pg::Tx&, Out<M...>&) const> {
    static constexpr Shape shape = Shape::batch;
    using Self = S;
    using Consumed = E;
    template <auto Fn>
    static Handler make(const S& self) {
        Handler h;
        h.batch = [&self](std::span<const Event* const> batch, pg::Tx& tx, Sink& sink) {
            std::vector<In<E>> ins;
            ins.reserve(batch.size());
            for (const Event* e : batch) ins.push_back(In<E>{static_cast<const E&>(*e->message), e->meta});
            Out<M...> out(sink);
            (self.*Fn)(std::span<const In<E>>(ins), tx, out);
        };
        h.emits = {&events::type_of<M>()...};
        return h;
    }
};

/// A pass-through looks at its event (In) or takes it apart (Take).
template <template <class> class View, class S, class E, class... M>
struct PassThrough {
    static constexpr Shape shape = Shape::pass;
    using Self = S;
    using Consumed = E;
    template <auto Fn>
    static Handler make(const S& self) {
        Handler h;
        h.one = [&self](const Event& e, pg::Tx*, Sink& sink) {
            Out<M...> out(sink, &e.meta);
            return (self.*Fn)(View<E>{static_cast<E&>(*e.message), e.meta}, out);
        };
        h.emits = {&events::type_of<M>()...};
        return h;
    }
};
template <class S, class E, class... M>
struct Signature<Outcome (S::*)(In<E>, Out<M...>&) const> : PassThrough<In, S, E, M...> {};
template <class S, class E, class... M>
struct Signature<Outcome (S::*)(Take<E>, Out<M...>&) const> : PassThrough<Take, S, E, M...> {};

template <class S, class E, class... M>
struct Signature<Outcome (S::*)(Intent<E>, Out<M...>&) const> {
    static constexpr Shape shape = Shape::activity;
    using Self = S;
    using Consumed = E;
    template <auto Fn>
    static Handler make(const S& self) {
        Handler h;
        h.activity = [&self](const Event& e, const std::string& key, std::vector<std::function<void(pg::Tx&)>>& closing,
                             Sink& sink) {
            Out<M...> out(sink, &e.meta);
            return (self.*Fn)(Intent<E>{static_cast<const E&>(*e.message), e.meta, key, closing}, out);
        };
        h.emits = {&events::type_of<M>()...};
        return h;
    }
};

template <auto Fn>
Handler make_handler(const typename Signature<decltype(Fn)>::Self& self, Policy policy) {
    using Sig = Signature<decltype(Fn)>;
    Handler h = Sig::template make<Fn>(self);
    h.shape = Sig::shape;
    h.type = &events::type_of<typename Sig::Consumed>();
    h.prototype = &Sig::Consumed::default_instance();
    h.policy = policy;
    return h;
}

}  // namespace detail

}  // namespace otto::rt
