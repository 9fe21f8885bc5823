#pragma once
#include <initializer_list>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

/// Counters, gauges and histograms of this process, in Prometheus's sense. A metric is declared once, as a constant beside
/// whoever reports it, with the names of its labels; asked with their values, in the same order, it gives one series:
///
///     const tel::Counters kLost{"otto_kafka_records_lost_total", "Records that retention took away unread.", {"group"}};
///     tel::Counter lost = kLost({group});
///
/// Look a series up once, use it often: looking up takes a lock, using does not. Series are cheap to copy and stay valid for the
/// life of the process. Labels never hold a company, a person or an id. All that a program declares is its page of metrics:
/// deploy/metrics.md.
namespace otto::tel {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
    void inc(double by = 1);

private:
    friend class Counters;
    void* impl_ = nullptr;
};

class Gauge {
public:
    void set(double);
    void add(double);

private:
    friend class Gauges;
    void* impl_ = nullptr;
};

/// One holder's part of a gauge: what is shown is the sum over all holders of one name and labels. With the last holder the gauge
/// goes, so that nothing is told of what this process does no longer. For what may move to another process, and for what several
/// threads report.
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
    friend class SharedGauges;
    struct Slot;
    Slot* slot_ = nullptr;
    std::list<double>::iterator mine_;
};

class Histogram {
public:
    void observe(double);

private:
    friend class Histograms;
    void* impl_ = nullptr;
};

/// What all declarations have in common. A name is declared once in a program and begins with `otto_`; anything else ends the
/// program at its start.
class Declared {
public:
    Declared(const Declared&) = delete;
    Declared& operator=(const Declared&) = delete;
    ~Declared();

protected:
    using Values = std::initializer_list<std::string>;
    Declared(const char* type, std::string name, std::string help, std::vector<std::string> labels);
    Labels labels(const Values&) const;
    const std::string name_, help_;

private:
    friend std::string metrics_page();
    const char* type_;
    const std::vector<std::string> labels_;
};

/// Named `…_total`.
class Counters : public Declared {
public:
    Counters(std::string name, std::string help, std::vector<std::string> labels = {});
    Counter operator()(Values = {}) const;
};

class Gauges : public Declared {
public:
    Gauges(std::string name, std::string help, std::vector<std::string> labels = {})
        : Declared("gauge", std::move(name), std::move(help), std::move(labels)) {}
    Gauge operator()(Values = {}) const;
};

class SharedGauges : public Declared {
public:
    SharedGauges(std::string name, std::string help, std::vector<std::string> labels = {})
        : Declared("gauge", std::move(name), std::move(help), std::move(labels)) {}
    Share operator()(Values = {}) const;
};

class Histograms : public Declared {
public:
    /// Buckets are upper bounds, rising; the default fits seconds from 1 ms to 30 s.
    Histograms(std::string name, std::string help, std::vector<std::string> labels = {}, std::vector<double> buckets = {});
    Histogram operator()(Values = {}) const;

private:
    const std::vector<double> buckets_;
};

/// The gauges of one who reports several, and stops at once: of a job that may move to another process.
class Shares {
public:
    void set(const SharedGauges& gauge, std::initializer_list<std::string> values, double value) {
        auto [found, fresh] = held_.try_emplace({&gauge, values});
        if (fresh) found->second = gauge(values);
        found->second.set(value);
    }
    void clear() { held_.clear(); }

private:
    std::map<std::pair<const SharedGauges*, std::vector<std::string>>, Share> held_;
};

/// All series of this process in the text exposition format.
std::string expose_metrics();
/// All declarations of this program, as a page.
std::string metrics_page();

}  // namespace otto::tel
