#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace otto::app {

/// What a process depends on and does not have in its own hand: asked every few seconds on threads of its own, so that whoever
/// wants to know never waits for what is away.
class Outside {
public:
    struct Pauses {
        Millis well{5'000}, away{1'000};  ///< between rounds: while all answer, and while one does not
    };
    struct Known {
        std::string service, name;
        std::optional<std::string> why;  ///< why it is not there; nothing: it is
    };

    Outside() : Outside(Pauses{}) {}
    explicit Outside(Pauses pauses) : pauses_(pauses) {}
    ~Outside();  ///< waits for questions that are under way
    Outside(const Outside&) = delete;

    /// Before start(). The first of a service's name counts.
    void add(std::string service, std::string name, std::function<Result<void>()>);
    void start();
    /// No round begins any more.
    void end();
    /// Whether no question is under way, waiting for that so long; after end().
    bool over(Millis wait);
    /// As of the last round; with `patience`, of one that begins after this, if it ends in time.
    std::vector<Known> known(Millis patience = Millis{0});

private:
    struct Check {
        Known known;
        std::function<Result<void>()> ask;
    };
    void loop();
    void ask(Check&);
    void round();

    const Pauses pauses_;
    std::mutex lock_;  ///< of what is known, and all below
    std::condition_variable wake_;
    std::vector<Check> checks_;
    std::uint64_t wanted_ = 0, begun_ = 0, done_ = 0;  ///< rounds
    bool ended_ = false, running_ = false;
    std::thread thread_;
};

}  // namespace otto::app
