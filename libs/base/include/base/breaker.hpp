#pragma once
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace otto {

/// Whose request to the outside it is: a company's, about one thing (a call, a document).
struct Asker {
    CompanyId company;
    std::string about;
    auto operator<=>(const Asker&) const = default;
};

/// Whether somebody outside is to be left alone, which the failures of one thing never decide. Of one process; thread-safe; "now"
/// is given.
///
/// Closed: everybody asks. It opens when so many different askers failed and nobody was served between, of two companies at least
/// where a second one has work under way. An asker that failed while others were served fails for a reason of its own: its
/// failures count for nothing until it is served. Open: who failed waits, and of those who did not one at a time tries: the first
/// at once; then, each time that one failed, the next after a rest, or at once if it is of a company that did not fail yet. Who
/// is served closes it for all. Where nobody is left to try it closes after another rest, and failures count anew.
class Breaker {
public:
    explicit Breaker(std::size_t askers = 5, Millis rest = Millis{30'000}) : askers_(askers), rest_(rest) {}
    /// nullopt: go ahead, and say afterwards what came of it. Else how long to wait.
    std::optional<Millis> ask(const Asker&, Instant now);
    void worked(const Asker&);
    /// `others`: another company has work under way. False: the asker fails for a reason of its own.
    bool failed(const Asker&, bool others, Instant now);
    /// It was let through, and nothing came of it that says anything.
    void spared(const Asker&);
    /// 0 closed, 1 open, 0.5 open and the next may try.
    double standing(Instant now) const;
    bool remembers_nothing() const;

private:
    bool failing(const CompanyId&) const;
    void close();
    mutable std::mutex lock_;
    std::size_t askers_;
    Millis rest_;
    std::set<Asker> failing_, own_;  ///< who failed since somebody was served; who failed before that
    std::optional<Asker> trying_;
    std::optional<Instant> try_at_;  ///< open: from when on the next tries
};

/// API keys that were refused lately: a breaker for each of a company's keys, opened by two refusals. A refusal may be one
/// thing's own: not every key may see everything. Of a company the last four that were refused are known: it has one of each
/// provider, and replaces them. Thread-safe.
class RefusedKeys {
public:
    explicit RefusedKeys(Millis pause = Millis{900'000}) : pause_(pause) {}
    /// As Breaker has it. Another key than the refused one goes ahead.
    std::optional<Millis> ask(const std::string& key, const Asker&, Instant now);
    /// False: this asker's own, for others the key does.
    bool refused(const std::string& key, const Asker&, Instant now);
    void let_in(const std::string& key, const Asker&);
    void spared(const std::string& key, const Asker&);
    Millis pause() const { return pause_; }

private:
    struct Known {
        Known(std::string its_key, Millis pause) : key(std::move(its_key)), breaker(2, pause) {}
        std::string key;
        Breaker breaker;
    };
    Breaker* known(const std::string& key, const CompanyId&);
    Millis pause_;
    std::mutex lock_;
    std::map<CompanyId, std::list<Known>> known_;  ///< the latest last
};

}  // namespace otto
