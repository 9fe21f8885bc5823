#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/result.hpp"
#include "base/time.hpp"
#include "kafka/source.hpp"

namespace otto::kafka {

/// A compacted topic that its owner holds in memory: read from its beginning and on, on a thread of its own, record by record in
/// order; with a snapshot on disk for a start without Kafka, written at most once a second after changes.
class TopicTable {
public:
    /// Takes one record; an empty value removes the key. Called on one thread at a time.
    using Apply = std::function<void(const std::string& key, std::string_view value)>;
    /// Hands over everything that is held, for the snapshot.
    using Dump = std::function<void(const std::function<void(const std::string& key, std::string_view value)>&)>;
    struct Options {
        std::string brokers, client_id, topic;
        std::string snapshot;  ///< file; "" = none
        std::string what;      ///< "the companies", for the log
    };
    TopicTable(Options, Apply, Dump);
    ~TopicTable();  ///< stops

    /// Reads the snapshot, then goes on by itself.
    void start();
    void stop();
    /// The topic has been read to its end; a snapshot is not enough. Waits for that so long.
    bool caught_up(Millis wait = Millis{0}) const;
    /// When what the snapshot holds was known last; none: nothing was read from one.
    std::optional<Instant> snapshot_of() const;
    /// Whether Kafka answered when it was asked last, some seconds ago at most.
    Result<void> answers() const;

private:
    void loop();
    void load_snapshot();
    void save_snapshot();

    const Options options_;
    const Apply apply_;
    const Dump dump_;
    std::atomic<bool> caught_up_{false}, stop_{false};
    bool dirty_ = false;  ///< of the thread alone
    mutable std::mutex lock_;
    mutable std::condition_variable known_;  ///< caught_up_ or stop_
    std::optional<Error> kafka_;             ///< under lock_: why Kafka does not answer
    std::optional<Instant> snapshot_of_;     ///< under lock_
    std::unique_ptr<Reader> reader_;
    std::thread thread_;
};

}  // namespace otto::kafka
