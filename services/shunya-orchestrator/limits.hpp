#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
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

/// Whose request it is.
struct Asker {
    CompanyId company;
    CallId call;
    auto operator<=>(const Asker&) const = default;
};

/// Whether somebody outside is to be left alone, which the failures of one call never decide.
///
/// Closed: everybody asks. It opens when so many different calls failed and nobody was served between, of two companies at least where a second one has calls under way. Who failed and then others were
/// served fails for a reason of its own: its failures count for nothing until it is served. Open: who failed waits, and of those who did not one at a time tries: the first at once, then, each time that one
/// failed, the next after a rest, or at once if it is of a company that did not fail yet. Who is served closes it for all. Where nobody is left to try it closes after another rest, and what failed counts anew.
class Circuit {
public:
    Circuit(std::size_t calls, Millis rest) : calls_(calls), rest_(rest) {}
    /// nullopt: go ahead, and say afterwards what came of it. Else how long to wait.
    std::optional<Millis> ask(const Asker&, Instant now);
    void worked(const Asker&);
    /// `others`: another company has calls under way. False: the call fails for a reason of its own.
    bool failed(const Asker&, bool others, Instant now);
    /// It was let through, and nothing came of it that says anything.
    void spared(const Asker&);
    /// 0 closed, 1 open, 0.5 open and the next may try.
    double standing(Instant now) const;
    bool remembers_nothing() const { return failing_.empty() && own_.empty() && !trying_; }

private:
    bool failing(const CompanyId&) const;
    void close();
    std::size_t calls_;
    Millis rest_;
    std::set<Asker> failing_, own_;   ///< who failed since somebody was served; who failed before that
    std::optional<Asker> trying_;
    std::optional<Instant> try_at_;   ///< open: from when on the next tries
};

/// The circuit of one provider.
class Breaker {
public:
    explicit Breaker(std::size_t calls = 5, Millis rest = Millis{30'000}) : circuit_(calls, rest) {}
    std::optional<Millis> ask(const Asker&, Instant now);
    void worked(const Asker&);
    void failed(const Asker&, bool others, Instant now);
    void spared(const Asker&);
    double standing(Instant now) const;

private:
    mutable std::mutex lock_;
    Circuit circuit_;
};

/// Keys that were refused lately: a circuit for each company's key, opened by the refusals of two calls. A refusal may be one call's own: not every key may see every call.
class RefusedKeys {
public:
    explicit RefusedKeys(Millis pause = Millis{900'000}) : pause_(pause) {}
    /// As Circuit has it. Another key than the refused one goes ahead.
    std::optional<Millis> ask(const std::string& key, const Asker&, Instant now);
    /// False: this call's own, for others the key does.
    bool refused(const std::string& key, const Asker&, Instant now);
    void let_in(const std::string& key, const Asker&);
    void spared(const std::string& key, const Asker&);
    Millis pause() const { return pause_; }

private:
    struct Known { std::string key; Circuit circuit; };
    Known* known(const std::string& key, const CompanyId&);
    Millis pause_;
    std::mutex lock_;
    std::map<CompanyId, Known> known_;
};

}  // namespace otto::shunya_orchestrator
