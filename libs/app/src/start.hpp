#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/process.hpp"

namespace otto::app {

/// A step of one service's start: it runs something, or waits for something.
struct StartStep {
    std::string what;
    std::function<void()> run;
    Probe probe = {};   ///< instead of run
    bool holds = true;  ///< of a wait: what comes after it waits too
};

/// For what waits before there is a Start: otto_start_waiting.
void tell_waiting(const std::string& what, bool waits);

/// A step that failed: nothing but other settings helps.
class StartFailure : public std::runtime_error {
public:
    StartFailure(std::string step, const std::string& why) : std::runtime_error(why), what_failed(std::move(step)) {}
    std::string what_failed;
};

/// The start of a process's services: each goes on as far as what it waits for has come, and none is held up by what another one
/// waits for.
class Start {
public:
    struct Patience {
        Millis quick{50}, quick_for{2'000}, pause{500};  ///< between two tries: first, for so long, and then
        Millis silent{1'000}, remind{30'000};            ///< before the first line of log, and between lines
    };
    /// `changed` is called on any thread when advance() may have more to do.
    explicit Start(std::function<void()> changed) : Start(std::move(changed), Patience{}) {}
    Start(std::function<void()> changed, Patience);
    ~Start();  ///< waits for probes that are under way
    Start(const Start&) = delete;

    /// Before the first advance(). The gate opens once nothing holds the service up; it may be null.
    void add(std::string service, std::vector<StartStep>, std::shared_ptr<http::Gate>);
    /// Runs what may run by now, on this thread; throws StartFailure. True once everything has started and come.
    bool advance();
    /// No probe begins any more.
    void end();
    /// Whether all probes have returned, waiting for that so long; after end().
    bool over(Millis wait);
    /// "for postgres: it refuses connections; for kafka: …"; "" = for nothing. With one service's name: for what holds that one
    /// up.
    std::string waiting() const;
    std::string held_by(const std::string& service) const;

private:
    struct Step : StartStep {
        enum class State { waits, begun, done } state = State::waits;
        std::optional<Awaited> missing = {};  ///< of a wait, as its probe said last
        std::string failure = {};             ///< what its probe threw
    };
    struct Part {
        std::string service;
        std::deque<Step> steps;
        std::shared_ptr<http::Gate> gate;
    };
    bool advance(Part&);
    void ask(const std::string& service, Step&);
    void note(Step&, std::optional<Awaited> missing);

    const std::function<void()> changed_;
    const Patience patience_;
    mutable std::mutex lock_;  ///< of steps' states, and all below
    std::condition_variable wake_;
    std::deque<Part> parts_;
    std::map<std::string, int> awaited_;  ///< how many wait for it
    std::size_t asking_ = 0;
    bool ended_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace otto::app
