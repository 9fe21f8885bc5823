#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace otto::tel {
namespace {

prometheus::Registry& registry() {
    // The same name may be declared wherever it is used: later declarations find the first family.
    static prometheus::Registry r(prometheus::Registry::InsertBehavior::Merge);
    return r;
}

const std::vector<double>& seconds() {
    static const std::vector<double> buckets{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30};
    return buckets;
}

}  // namespace

void Counter::inc(double by) { static_cast<prometheus::Counter*>(impl_)->Increment(by); }
void Gauge::set(double v) { static_cast<prometheus::Gauge*>(impl_)->Set(v); }
void Gauge::add(double v) { static_cast<prometheus::Gauge*>(impl_)->Increment(v); }
void Histogram::observe(double v) { static_cast<prometheus::Histogram*>(impl_)->Observe(v); }

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
    Counter c;
    c.impl_ = &prometheus::BuildCounter().Name(name).Help(help).Register(registry()).Add(labels);
    return c;
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
    Gauge g;
    g.impl_ = &prometheus::BuildGauge().Name(name).Help(help).Register(registry()).Add(labels);
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

Share Metrics::share(const std::string& name, const std::string& help, const Labels& labels) {
    std::lock_guard guard(Share::Slot::lock());
    auto [found, fresh] = Share::Slot::all().try_emplace({name, labels});
    auto& slot = found->second;
    if (fresh) {
        slot.family = &prometheus::BuildGauge().Name(name).Help(help).Register(registry());
        slot.gauge = &slot.family->Add(labels);
    }
    Share s;
    s.slot_ = &slot;
    s.mine_ = slot.values.insert(slot.values.end(), 0);
    return s;
}

Histogram Metrics::histogram(const std::string& name, const std::string& help, const Labels& labels, const std::vector<double>& buckets) {
    Histogram h;
    h.impl_ = &prometheus::BuildHistogram().Name(name).Help(help).Register(registry()).Add(labels, buckets.empty() ? seconds() : buckets);
    return h;
}

std::string Metrics::expose() { return prometheus::TextSerializer().Serialize(registry().Collect()); }

}  // namespace otto::tel
