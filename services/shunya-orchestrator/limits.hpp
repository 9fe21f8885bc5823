#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

/// How much the outside is asked. Of one process: with N of them, N times as much. Thread-safe; "now" is given.
namespace otto::shunya_orchestrator {

/// So many in such a time, and all of them at once after a rest.
struct Limit {
    double count = 1;
    Millis per{1'000};
};

/// Token buckets by name; each name has one bucket for each limit.
class Budgets {
public:
    explicit Budgets(std::vector<Limit> limits) : limits_(std::move(limits)) {}
    /// Takes `n` from all buckets of that name, or from none: then how long to wait.
    std::optional<Millis> take(const std::string& name, Instant now, double n = 1);
    std::size_t size() const;

private:
    struct Bucket { double left; Instant at; };
    std::vector<Limit> limits_;
    mutable std::mutex lock_;
    std::map<std::string, std::vector<Bucket>> buckets_;
};

/// Opens after so many failures in a row, for a while; then lets one through to see.
class Breaker {
public:
    explicit Breaker(int failures = 5, Millis open_for = Millis{30'000}) : most_(failures), open_for_(open_for) {}
    /// nullopt: go ahead, and say afterwards what came of it. Else how long it stays shut.
    std::optional<Millis> ask(Instant now);
    void worked();
    void failed(Instant now);
    /// It was let through and did not ask after all.
    void spared();
    /// 0 closed, 1 open, 0.5 somebody tries.
    double standing(Instant now) const;

private:
    int most_;
    Millis open_for_;
    mutable std::mutex lock_;
    int failures_ = 0;
    bool trying_ = false;
    std::optional<Instant> open_until_;
};

/// Keys that were refused lately. While a company's is, all that needs it waits; now and then one asks whether it is let in after all.
class RefusedKeys {
public:
    explicit RefusedKeys(Millis pause = Millis{900'000}) : pause_(pause) {}
    /// nullopt: go ahead, and say afterwards what came of it. Else how long to wait. Another key than the refused one goes ahead.
    std::optional<Millis> ask(const std::string& company, const std::string& key, Instant now);
    void refused(const std::string& company, const std::string& key, Instant now);
    void let_in(const std::string& company);
    Millis pause() const { return pause_; }

private:
    struct Refused { std::string key; Instant ask_at; };
    Millis pause_;
    std::mutex lock_;
    std::map<std::string, Refused> refused_;
};

}  // namespace otto::shunya_orchestrator
