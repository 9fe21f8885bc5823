#include "start.hpp"

#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::app {
namespace {

const tel::Gauges kWaiting{"otto_start_waiting",
                           "1 while a start waits for it: secret (the file of one), postgres, schema (ottoctl migrate), kafka, "
                           "directory (the companies' "
                           "profiles) and members (who was removed), both from Kafka.",
                           {"for"}};

using Steady = std::chrono::steady_clock;

}  // namespace

void tell_waiting(const std::string& what, bool waits) { kWaiting({what}).set(waits ? 1 : 0); }

Start::Start(std::function<void()> changed, Patience patience) : changed_(std::move(changed)), patience_(patience) {}

Start::~Start() {
    end();
    for (auto& t : threads_) t.join();
}

void Start::add(std::string service, std::vector<StartStep> steps, std::shared_ptr<http::Gate> gate) {
    auto& part = parts_.emplace_back();
    part.service = std::move(service);
    part.gate = std::move(gate);
    for (auto& step : steps) part.steps.push_back({std::move(step)});
}

void Start::end() {
    std::lock_guard guard(lock_);
    ended_ = true;
    wake_.notify_all();
}

bool Start::over(Millis wait) {
    std::unique_lock guard(lock_);
    return wake_.wait_for(guard, wait, [&] { return asking_ == 0; });
}

bool Start::advance() {
    bool all = true;
    for (auto& part : parts_) all = advance(part) && all;
    return all;
}

bool Start::advance(Part& part) {
    tel::ServiceScope scope(part.service);
    bool held = false, all = true;
    for (auto& step : part.steps) {
        std::unique_lock guard(lock_);
        if (!step.failure.empty()) throw StartFailure(step.what + " does not start", step.failure);
        if (step.state == Step::State::done) continue;
        if (!step.probe) {
            if (held) return false;
            guard.unlock();
            try {
                step.run();
            } catch (const std::exception& e) {
                throw StartFailure(step.what + " does not start", e.what());
            }
            guard.lock();
            step.state = Step::State::done;
            continue;
        }
        held = held || step.holds;
        all = false;
        if (step.state != Step::State::waits || ended_) continue;
        step.state = Step::State::begun;
        ++asking_;
        threads_.emplace_back([this, &service = part.service, &step] { ask(service, step); });
    }
    if (!held && part.gate) part.gate->open();
    return all;
}

void Start::note(Step& step, std::optional<Awaited> missing) {
    auto name = [](const std::optional<Awaited>& m) { return m ? m->what : std::string(); };
    auto before = name(step.missing), now = name(missing);
    step.missing = std::move(missing);
    if (before == now) return;
    if (!before.empty() && --awaited_[before] == 0) kWaiting({before}).set(0);
    if (!now.empty() && ++awaited_[now] == 1) kWaiting({now}).set(1);
}

/// Of one wait, until it is over.
void Start::ask(const std::string& service, Step& step) {
    tel::ServiceScope scope(service);
    const auto begun = Steady::now();
    auto told = begun + patience_.silent - patience_.remind;
    bool silent = true;
    auto seconds = [&] { return std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - begun).count(); };
    for (;;) {
        std::optional<Awaited> missing;
        std::string failure;
        std::unique_lock guard(lock_);
        if (!ended_) {
            guard.unlock();
            try {
                missing = step.probe();
            } catch (const std::exception& e) {
                failure = e.what();
            }
            guard.lock();
        }
        if (!missing || ended_) {
            note(step, std::nullopt);
            step.failure = failure;
            const bool came = !missing && failure.empty() && !ended_;
            if (came) step.state = Step::State::done;
            if (came && !silent) tel::info("what the start waited for is there", {{"for", step.what}, {"after_s", seconds()}});
            guard.unlock();
            changed_();
            guard.lock();
            --asking_;
            wake_.notify_all();
            return;
        }
        note(step, missing);
        auto now = Steady::now();
        if (now - told >= patience_.remind) {
            silent = false;
            told = now;
            tel::warn("the start is waiting for " + missing->what,
                      {{"for", missing->what}, {"why", missing->why}, {"since_s", seconds()}});
        }
        auto pause = now - begun < patience_.quick_for ? patience_.quick : patience_.pause;
        wake_.wait_for(guard, pause, [&] { return ended_; });
    }
}

namespace {
void add_to(std::string& text, const std::string& what, const std::string& why) {
    auto part = "for " + what + (why.empty() ? "" : ": " + why);
    if (text.find(part) == std::string::npos) text.append(text.empty() ? "" : "; ").append(part);
}
}  // namespace

std::string Start::waiting() const {
    std::lock_guard guard(lock_);
    std::string out;
    for (const auto& part : parts_)
        for (const auto& step : part.steps)
            if (step.missing) add_to(out, step.missing->what, step.missing->why);
    return out;
}

std::string Start::held_by(const std::string& service) const {
    std::lock_guard guard(lock_);
    std::string out;
    for (const auto& part : parts_)
        for (const auto& step : part.steps)
            if (part.service == service && step.probe && step.holds && step.state != Step::State::done)
                add_to(out, step.missing ? step.missing->what : step.what, "");
    return out;
}

}  // namespace otto::app
