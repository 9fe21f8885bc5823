#pragma once
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "changes.hpp"
#include "http/message.hpp"
#include "identity/members.hpp"

namespace otto::query_service {

using Steady = std::chrono::steady_clock;

/// Everybody who watches, and what happened lately in each company. One thread gives it what Kafka tells (`take`, `read_to`) and
/// its turns; others let people in. What is written to one watcher never waits for another. Thread-safe.
class Hub {
public:
    struct Limits {
        std::size_t of_user = 10, in_all = 5'000;  ///< streams
        std::size_t kept = 2'000;                  ///< changes of a company, for who comes back
        std::size_t kept_in_all = 60'000;          ///< of all of them: the oldest go
        std::chrono::minutes kept_for{15};         ///< since they were taken
        std::size_t room = 64u << 10;              ///< bytes that may wait for one watcher
        Millis gathered{100};                      ///< a company's changes go out at most so often, each row once
        Millis heartbeat{15'000};                  ///< that much silence is broken
        std::chrono::minutes least{8}, most{12};   ///< so long a stream lasts
        std::int64_t ahead = 1'000;                ///< another process may have read so much more
    };
    explicit Hub(std::shared_ptr<const identity::Members>);
    Hub(std::shared_ptr<const identity::Members>, Limits);

    // What the topic tells, in order in each partition.
    void take(std::int32_t partition, Change);
    /// Until where it has been read: the next offset of each partition.
    void read_to(const std::vector<std::pair<std::int32_t, std::int64_t>>& positions);
    /// What is due: changes, heartbeats, the ends of streams. When it wants its next turn.
    Steady::time_point turn(Steady::time_point now);
    /// Changes are told from now on, or not, as nobody knows of any: then all streams end, and none begins.
    void tells(bool);

    // Who watches.
    enum class Let { in, not_yet, too_many_of_user, too_many };
    struct Opened {
        Let let = Let::in;
        std::shared_ptr<http::StreamBody> body = {};
    };
    /// A stream that begins with hello, and what came after `after` if that is still known; else with a reset.
    Opened open(const Watcher&, const std::optional<std::string>& after, Steady::time_point now);
    std::size_t streams() const { return count_; }

private:
    struct Listener {
        Watcher who;
        std::weak_ptr<http::StreamBody> body;
        Steady::time_point until, said;
    };
    struct Kept {
        Change change;
        Steady::time_point taken;
    };
    struct Company {
        std::int32_t partition = -1;
        std::int64_t gone = -1;  ///< offset of the newest change that is no longer kept
        std::deque<Kept> kept;
        std::size_t fresh = 0;    ///< so many of them, the last ones, have not been told yet
        bool lost = false;        ///< and others of them are gone already
        Steady::time_point told;  ///< when some were last
        std::vector<Listener> listeners;
    };
    struct Partition {
        std::int64_t gone = -1;  ///< of companies of which nothing is kept
        std::int64_t read = -1;  ///< the newest offset
    };
    using Companies = std::unordered_map<std::string, Company>;

    Company& company(const std::string& id);
    std::int32_t partition_of(const std::string& company) const;
    Position position(const Company&) const;
    void drop_oldest(Company&);
    void keep_within_limits(Company& of);
    void tell(Company&, Steady::time_point now);
    void put(Company&, Listener&, const http::StreamBody::Piece&, Steady::time_point now);
    bool mind(Company&, Listener&, Steady::time_point now);
    void mind_all(Steady::time_point now);
    std::optional<std::string> missed(const Company&, const Watcher&, const std::string& after) const;
    const char* standing(const Watcher&) const;

    const std::shared_ptr<const identity::Members> members_;
    const Limits limits_;
    std::atomic<std::size_t> count_{0};
    mutable std::mutex lock_;
    bool tells_ = false;
    Companies companies_;
    std::map<std::int32_t, Partition> partitions_;
    std::deque<std::pair<std::string, std::int64_t>> order_;  ///< of all that is kept: company and offset, the oldest first
    std::vector<std::string> due_;                            ///< companies with fresh changes
    Steady::time_point minded_{};
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace otto::query_service
