#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "events/event.hpp"

namespace otto::ingress {

struct PublisherOptions {
    std::string brokers, client_id;
    std::string spool_dir;                 ///< must survive the process
    std::size_t spool_bytes = 1ull << 30;  ///< full above: 503
    Millis patience{600};                  ///< not confirmed by Kafka within this: to the spool
    Millis repeats_known{0};               ///< a spool older than this is put aside at the start; 0: none is
    std::vector<std::string> topics;       ///< their metadata is fetched before the first event
};

/// Takes an event and says when it is safe: Kafka has acknowledged it, or it is on disk in the spool, whichever is due
/// (runtime.md §5). While anything is in the spool everything goes through it, and its drain is the only producer, so that the
/// order of first occurrences holds. Thread-safe.
class Publisher {
public:
    /// Locks the spool directory; throws Failure if another process has it.
    explicit Publisher(PublisherOptions);
    ~Publisher();

    enum class Safe { kafka, spool, refused };  ///< refused: the spool is full or its disk fails
    using Done = std::function<void(Safe)>;
    /// `done` is called once, from any thread.
    void send(events::Wire, Done);

    void start();
    /// Fetches what the first event would wait for; an error if Kafka does not answer in time.
    Result<void> warm_up(Millis within);
    /// Whether Kafka takes what comes: not while it goes through the spool, or if no answer comes in time.
    Result<void> kafka_answers(Millis within) const;
    /// Confirms what can be confirmed in time, and drains the spool as long as Kafka takes it; what is left there is drained by
    /// the next start.
    void stop(Millis within);
    /// Readable when Kafka's reports are due; call serve() then, and every 20 ms.
    int event_fd() const;
    void serve();
    std::size_t spooled() const;
    std::size_t spooled_bytes() const;
    /// What was put aside because it is older than repeats are known, by this start or an earlier one; nothing of it is sent. ""
    /// if there is none.
    std::string put_aside() const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::ingress
