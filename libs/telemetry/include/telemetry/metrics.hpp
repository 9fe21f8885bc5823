#pragma once
#include <map>
#include <string>
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
    /// Buckets are upper bounds, rising; the default fits seconds from 1 ms to 30 s.
    static Histogram histogram(const std::string& name, const std::string& help, const Labels& = {}, const std::vector<double>& buckets = {});
    /// All of it in the text exposition format.
    static std::string expose();
};

}  // namespace otto::tel
