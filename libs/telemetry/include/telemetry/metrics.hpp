#pragma once
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

/// Counters, gauges and histograms of this process, in Prometheus's sense. Look a handle up once, use it often: looking up takes a lock, using does not.
/// Handles are cheap to copy and stay valid for the life of the process. Labels never hold a company, a person or an id.
namespace otto::tel {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
    void inc(double by = 1);

private:
    friend class Metrics;
    void* impl_ = nullptr;
};

class Gauge {
public:
    void set(double);
    void add(double);

private:
    friend class Metrics;
    void* impl_ = nullptr;
};

/// One holder's part of a gauge: what is shown is the sum over all holders of one name and labels. With the last holder the gauge goes, so that nothing is
/// told of what this process does no longer. For what may move to another process, and for what several threads report.
class Share {
public:
    Share() = default;  ///< of nothing
    Share(Share&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), mine_(other.mine_) {}
    Share& operator=(Share&& other) noexcept {
        std::swap(slot_, other.slot_);
        std::swap(mine_, other.mine_);
        return *this;
    }
    ~Share();
    void set(double);

private:
    friend class Metrics;
    struct Slot;
    Slot* slot_ = nullptr;
    std::list<double>::iterator mine_;
};

class Histogram {
public:
    void observe(double);

private:
    friend class Metrics;
    void* impl_ = nullptr;
};

class Metrics {
public:
    static Counter counter(const std::string& name, const std::string& help, const Labels& = {});
    static Gauge gauge(const std::string& name, const std::string& help, const Labels& = {});
    /// No gauge() of the same name.
    static Share share(const std::string& name, const std::string& help, const Labels& = {});
    /// Buckets are upper bounds, rising; the default fits seconds from 1 ms to 30 s.
    static Histogram histogram(const std::string& name, const std::string& help, const Labels& = {}, const std::vector<double>& buckets = {});
    /// All of it in the text exposition format.
    static std::string expose();
};

/// The gauges of one who reports several, and stops at once: of a job that may move to another process.
class Shares {
public:
    void set(const std::string& name, const std::string& help, const Labels& labels, double value) {
        auto [found, fresh] = held_.try_emplace({name, labels});
        if (fresh) found->second = Metrics::share(name, help, labels);
        found->second.set(value);
    }
    void clear() { held_.clear(); }

private:
    std::map<std::pair<std::string, Labels>, Share> held_;
};

}  // namespace otto::tel
