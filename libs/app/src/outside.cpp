#include "outside.hpp"

#include <algorithm>

#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::app {
namespace {

const tel::Gauges kUp{"otto_dependency_up",
                      "1: it answered when it was asked last, 0: it did not, or not to all services of the process: postgres, "
                      "kafka, identity_provider.",
                      {"name"}};

}  // namespace

Outside::~Outside() {
    end();
    if (thread_.joinable()) thread_.join();
}

void Outside::add(std::string service, std::string name, std::function<Result<void>()> ask) {
    auto same = [&](const Check& c) { return c.known.service == service && c.known.name == name; };
    if (std::any_of(checks_.begin(), checks_.end(), same)) return;
    checks_.push_back({{std::move(service), std::move(name), "it has not been asked yet"}, std::move(ask)});
}

void Outside::start() {
    if (checks_.empty()) return;
    running_ = true;
    thread_ = std::thread([this] { loop(); });
}

void Outside::end() {
    std::lock_guard guard(lock_);
    ended_ = true;
    wake_.notify_all();
}

bool Outside::over(Millis wait) {
    std::unique_lock guard(lock_);
    return wake_.wait_for(guard, wait, [&] { return !running_; });
}

std::vector<Outside::Known> Outside::known(Millis patience) {
    std::unique_lock guard(lock_);
    if (patience > Millis{0} && running_) {
        wanted_ = begun_ + 1;
        wake_.notify_all();
        wake_.wait_for(guard, patience, [&, mine = wanted_] { return done_ >= mine || ended_; });
    }
    std::vector<Known> out;
    for (const auto& check : checks_) out.push_back(check.known);
    return out;
}

void Outside::loop() {
    std::unique_lock guard(lock_);
    while (!ended_) {
        auto mine = ++begun_;
        guard.unlock();
        round();
        guard.lock();
        done_ = mine;
        wake_.notify_all();
        bool well = std::none_of(checks_.begin(), checks_.end(), [](const Check& c) { return c.known.why.has_value(); });
        wake_.wait_for(guard, well ? pauses_.well : pauses_.away, [&] { return ended_ || wanted_ > begun_; });
    }
    running_ = false;
    wake_.notify_all();
}

/// All at once: one that does not answer must not make the others' answers old.
void Outside::round() {
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < checks_.size(); ++i) others.emplace_back([this, i] { ask(checks_[i]); });
    ask(checks_.front());
    for (auto& t : others) t.join();
}

void Outside::ask(Check& check) {
    tel::ServiceScope scope(check.known.service);
    std::optional<std::string> why;
    try {
        if (auto there = check.ask(); !there) why = there.error().describe();
    } catch (const std::exception& e) {
        why = e.what();
    }
    std::lock_guard guard(lock_);
    check.known.why = std::move(why);
    const auto& name = check.known.name;
    bool up = std::none_of(checks_.begin(), checks_.end(), [&](const Check& c) { return c.known.name == name && c.known.why; });
    kUp({name}).set(up ? 1 : 0);
}

}  // namespace otto::app
