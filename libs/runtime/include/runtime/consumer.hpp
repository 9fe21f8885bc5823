#pragma once
#include <string>
#include <vector>

#include "runtime/handler.hpp"

namespace otto::rt {

/// A consumer while it is put together: its name and its handlers. Topics follow from what the handlers take.
///
///     Consumer{"lead-pipeline"}.on<&Calls::record>(calls)
///
/// The name is the Kafka group and the inbox's name: never rename it. It is "<service>" or "<service>/<part>". Handlers that pass
/// events on without rows (`Outcome (In<E>, Out<M…>&)`) make a pass-through; those and handlers with rows do not mix in one
/// consumer.
class Consumer {
public:
    explicit Consumer(std::string name) : name_(std::move(name)) {}

    /// `self` must live as long as the process (Service::own).
    template <auto Fn>
    Consumer& on(const typename detail::Signature<decltype(Fn)>::Self& self, Policy policy = {}) {
        handlers_.push_back(detail::make_handler<Fn>(self, policy));
        return *this;
    }
    /// Takes the events for which a pass-through answered Outcome::defer(), as one batch in one transaction.
    template <auto Fn>
    Consumer& deferred(const typename detail::Signature<decltype(Fn)>::Self& self, Policy policy = {}) {
        deferred_.push_back(detail::make_handler<Fn>(self, policy));
        return *this;
    }
    /// Kafka waits for events for so long, or until there are 64 KiB of them, before it hands them out: for what nobody waits
    /// for. With some hundreds a second nearly every one would else be a fetch of its own.
    Consumer& linger(Millis wait) {
        linger_ = wait;
        return *this;
    }

    /// So many lanes for each core, where the operator gives no number (OTTO_LANES): for a consumer whose batches wait for
    /// Postgres longer than they compute. Each lane is a client of Kafka's and a session of Postgres's, so more than one is for
    /// what a measure shows to be slower without.
    Consumer& lanes_per_core(int lanes) {
        lanes_per_core_ = lanes;
        return *this;
    }

    const std::string& name() const { return name_; }
    const std::vector<detail::Handler>& handlers() const { return handlers_; }
    const std::vector<detail::Handler>& deferred_handlers() const { return deferred_; }
    bool passes_through() const { return !handlers_.empty() && handlers_.front().shape == detail::Shape::pass; }
    std::vector<std::string> topics() const;
    Millis linger() const { return linger_; }
    int lanes_per_core() const { return lanes_per_core_; }

private:
    std::string name_;
    std::vector<detail::Handler> handlers_, deferred_;
    Millis linger_{0};
    int lanes_per_core_ = 1;
};

}  // namespace otto::rt
