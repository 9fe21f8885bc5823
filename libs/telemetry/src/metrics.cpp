#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>

#include "telemetry/declarations.hpp"

namespace otto::tel {
namespace {

prometheus::Registry& registry() {
    // A series is looked up through its family, which Merge finds again.
    static auto& r =
        *new prometheus::Registry(prometheus::Registry::InsertBehavior::Merge);  // threads may report until the very end
    return r;
}

const std::vector<double>& seconds() {
    static const std::vector<double> buckets{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
    return buckets;
}

/// Declarations are made before main() begins and while tests run.
struct Declarations {
    std::mutex lock;
    std::map<std::string, Declaration> by_name;
};
Declarations& declarations() {
    static auto* all = new Declarations;  // declarations go until the last constant has
    return *all;
}

}  // namespace

void Counter::inc(double by) { static_cast<prometheus::Counter*>(impl_)->Increment(by); }
void Gauge::set(double v) { static_cast<prometheus::Gauge*>(impl_)->Set(v); }
void Gauge::add(double v) { static_cast<prometheus::Gauge*>(impl_)->Increment(v); }
void Histogram::observe(double v) { static_cast<prometheus::Histogram*>(impl_)->Observe(v); }

Declared::Declared(const char* type, std::string name, std::string help, std::vector<std::string> labels)
    : name_(std::move(name)), help_(std::move(help)), type_(type), labels_(std::move(labels)) {
    if (!name_.starts_with("otto_")) throw std::logic_error("the name of the metric " + name_ + " does not begin with otto_");
    std::lock_guard guard(declarations().lock);
    if (!declarations().by_name.try_emplace(name_, Declaration{name_, type_, help_, labels_}).second)
        throw std::logic_error("the metric " + name_ + " is declared twice");
}

Declared::~Declared() {
    std::lock_guard guard(declarations().lock);
    declarations().by_name.erase(name_);
}

Labels Declared::labels(const Values& values) const {
    if (values.size() != labels_.size())
        throw std::logic_error("the metric " + name_ + " has " + std::to_string(labels_.size()) + " labels, not " +
                               std::to_string(values.size()));
    Labels out;
    std::transform(labels_.begin(), labels_.end(), values.begin(), std::inserter(out, out.end()),
                   [](const auto& label, const auto& value) {
                       return std::pair{label, value};
                   });
    return out;
}

Counters::Counters(std::string name, std::string help, std::vector<std::string> labels)
    : Declared("counter", std::move(name), std::move(help), std::move(labels)) {
    if (!name_.ends_with("_total")) throw std::logic_error("the name of the counter " + name_ + " does not end with _total");
}

Counter Counters::operator()(Values values) const {
    Counter c;
    c.impl_ = &prometheus::BuildCounter().Name(name_).Help(help_).Register(registry()).Add(labels(values));
    return c;
}

Gauge Gauges::operator()(Values values) const {
    Gauge g;
    g.impl_ = &prometheus::BuildGauge().Name(name_).Help(help_).Register(registry()).Add(labels(values));
    return g;
}

struct Share::Slot {
    prometheus::Family<prometheus::Gauge>* family;
    prometheus::Gauge* gauge;
    std::list<double> values;

    void show() {
        double sum = 0;
        for (double v : values) sum += v;
        gauge->Set(sum);
    }
    static std::mutex& lock() {
        static auto* held = new std::mutex;  // shares go until the last thread has ended
        return *held;
    }
    static auto& all() {
        static auto* slots = new std::map<std::pair<std::string, Labels>, Slot>;
        return *slots;
    }
};

Share::~Share() {
    if (!slot_) return;
    std::lock_guard guard(Slot::lock());
    slot_->values.erase(mine_);
    if (!slot_->values.empty()) {
        slot_->show();
        return;
    }
    slot_->family->Remove(slot_->gauge);
    std::erase_if(Slot::all(), [this](const auto& s) { return &s.second == slot_; });
}

void Share::set(double v) {
    if (!slot_) return;
    std::lock_guard guard(Slot::lock());
    *mine_ = v;
    slot_->show();
}

Share SharedGauges::operator()(Values values) const {
    auto of = labels(values);
    std::lock_guard guard(Share::Slot::lock());
    auto [found, fresh] = Share::Slot::all().try_emplace({name_, of});
    auto& slot = found->second;
    if (fresh) {
        slot.family = &prometheus::BuildGauge().Name(name_).Help(help_).Register(registry());
        slot.gauge = &slot.family->Add(of);
    }
    Share s;
    s.slot_ = &slot;
    s.mine_ = slot.values.insert(slot.values.end(), 0);
    return s;
}

Histograms::Histograms(std::string name, std::string help, std::vector<std::string> labels, std::vector<double> buckets)
    : Declared("histogram", std::move(name), std::move(help), std::move(labels)),
      buckets_(buckets.empty() ? seconds() : std::move(buckets)) {}

Histogram Histograms::operator()(Values values) const {
    Histogram h;
    h.impl_ = &prometheus::BuildHistogram().Name(name_).Help(help_).Register(registry()).Add(labels(values), buckets_);
    return h;
}

std::string expose_metrics() { return prometheus::TextSerializer().Serialize(registry().Collect()); }

std::vector<Declaration> declared_metrics() {
    std::vector<Declaration> out;
    std::lock_guard guard(declarations().lock);
    for (const auto& [name, declared] : declarations().by_name) out.push_back(declared);
    return out;
}

std::string metrics_page() {
    std::string page =
        "# Metrics\n\nGenerated from their declarations. `GET /metrics` of a process's admin port shows what has happened there; "
        "a counter that never moved is not shown.\n\n"
        "| name | type | labels | what it tells |\n|---|---|---|---|\n";
    for (const auto& m : declared_metrics()) {
        std::string labels;
        for (const auto& label : m.labels) labels += (labels.empty() ? "`" : ", `") + label + "`";
        page += "| `" + m.name + "` | " + m.type + " | " + labels + " | " + m.help + " |\n";
    }
    return page;
}

}  // namespace otto::tel
