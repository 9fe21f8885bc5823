#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "pg/connection.hpp"
#include "runtime/handler.hpp"

/// Work that waits for the outside or for its time, and outlives processes: rows of `work`, taken under leases. What is to be
/// done next is no chain of timers but a function of the author's own rows and the clock; the queue only says when to look again.
///
///     service.own<rt::Runtime>(service).work<&Steps::next>("workflow/steps", steps);
///
///     std::optional<Instant> Steps::next(rt::Lease& l) const {           // no transaction is open
///         auto request = l.read([&](pg::Tx& tx) { return Request::load(tx, l.company, l.key); });
///         auto answer = google_.recognize(request.audio, l.idempotency_key());
///         if (!answer) return l.again(kRetry, answer.error().message);
///         return l.settle([&](pg::Tx& tx) { return Request::lock(tx, l).take(tx, *answer); });
///     }
///
///     rt::want(tx, "workflow/steps", company, id, due);  // in any transaction of the service that owns the queue
///
/// A turn may run more than once, up to where it settled: whoever dies leaves a lease that runs out. README says when a queue,
/// when an activity, when a schedule.
namespace otto::rt {

class WorkQueue;

/// Another has the lease by now; nothing of the transaction stays. Let it pass: the queue knows what to do.
struct LeaseLost : std::runtime_error {
    LeaseLost() : std::runtime_error("another holds the work by now") {}
};

/// One turn of one key's work. Of one thread.
class Lease {
public:
    const CompanyId company;
    const std::string key;
    int attempt = 1;  ///< turns that did more than wait, since it was wanted or one of them got somewhere; from 1
    Instant now;      ///< the database's clock, when the last transaction began: all processes agree

    /// What the outside knows a repeat by: the same until an answer is settled.
    std::string idempotency_key() const { return id_.to_string() + "-" + std::to_string(round_); }
    /// False: it was given back, and the turn is over.
    bool held() const { return held_; }
    /// The process stops: a wait ends early.
    bool stopping() const { return stopping_(); }

    /// A transaction in the scope of a company that the work concerns, whoever holds the lease.
    pg::Tx begin(const CompanyId& whose) { return pool_.begin(pg::Scope::company(whose)); }
    /// One in the scope of this work's company, committed.
    template <class F>
    auto read(F&& f) {
        auto tx = begin(company);
        if constexpr (std::is_void_v<std::invoke_result_t<F, pg::Tx&>>) {
            f(tx);
            tx.commit();
        } else {
            auto result = f(tx);
            tx.commit();
            return result;
        }
    }
    /// What is about to be asked, written down before it is. `f` says when the turn is due: what is due now stays ours, and the
    /// turn goes on; what is due later is given back until then, and without a time nothing is left. Commits only while the lease
    /// is ours, else throws LeaseLost.
    std::optional<Instant> note(const std::function<std::optional<Instant>(pg::Tx&)>& f) { return conclude(f, As::note, ""); }
    /// What came of it; `f` says when the next turn is due. As note(), and from now on the outside is asked under another key.
    std::optional<Instant> settle(const std::function<std::optional<Instant>(pg::Tx&)>& f) { return conclude(f, As::answer, ""); }
    /// The turn failed and runs again after a pause that grows; once the attempts are used up it is given up.
    std::optional<Instant> again(const Retry&, const std::string& why);
    /// Nothing helps but somebody's wanting it anew. The row stays for operators, with the reason.
    std::optional<Instant> give_up(const std::string& why);
    /// Whether another company has work in this queue.
    bool others_wait();

    Lease(const Lease&) = delete;

private:
    friend class WorkQueue;
    Lease(WorkQueue& queue, pg::Pool& pool, CompanyId whose, std::string what, std::function<bool()> stopping)
        : company(std::move(whose)), key(std::move(what)), queue_(queue), pool_(pool), stopping_(std::move(stopping)) {}
    enum class As { note, answer, given_back };
    std::optional<Instant> conclude(const std::function<std::optional<Instant>(pg::Tx&)>&, As, const std::string& why);
    void give_back(std::optional<Instant> at);
    /// The database's clock goes on meanwhile.
    bool due(std::optional<Instant> at) const {
        return at && *at <= now + std::chrono::ceil<Instant::duration>(std::chrono::steady_clock::now() - read_at_);
    }

    WorkQueue& queue_;
    pg::Pool& pool_;
    std::function<bool()> stopping_;
    Uuid lease_, id_;
    std::int64_t seen_ = 0, round_ = 0;
    std::chrono::steady_clock::time_point read_at_ = std::chrono::steady_clock::now();  ///< `now`
    bool held_ = true;
};

/// Work that needs nothing from outside, in a batch.
struct Due {
    CompanyId company;
    std::string key;
    Instant now{};                 ///< the database's
    std::optional<Instant> again;  ///< to be set: not over, and due again then
};

struct QueueOptions {
    int threads = 0;           ///< 0: OTTO_ACTIVITIES; of batches one
    Millis lease{20'000};      ///< how long after a process died its work is taken up by another
    double share = 0.75;       ///< of the threads, that one company may have at once
    Millis others_every{200};  ///< while a company has its share, others' work is looked for so often
    Millis put_off{600'000};   ///< until a turn that failed by itself runs again
    std::size_t batch = 500;
};

namespace detail {

/// One queue's author, with types erased.
struct Work {
    std::string queue;
    QueueOptions options;
    std::function<std::optional<Instant>(Lease&)> next;
    std::function<void(std::span<Due>, pg::Tx&)> batch;
    std::function<void(pg::Tx&, const Lease&, std::string_view why)> put_off;
};

template <class Fn>
struct WorkSignature;
template <class S>
struct WorkSignature<std::optional<Instant> (S::*)(Lease&)> {
    using Self = S;
};
template <class S>
struct WorkSignature<std::optional<Instant> (S::*)(Lease&) const> {
    using Self = const S;
};
template <class S>
struct WorkSignature<void (S::*)(std::span<Due>, pg::Tx&) const> {
    using Self = const S;
};

}  // namespace detail

/// Two shapes: a turn of one key, which may ask the outside; and a batch in one transaction, for what is only due at a time. An
/// author may have `void put_off(pg::Tx&, const rt::Lease&, std::string_view why)`: what people are shown of a turn that failed
/// by itself.
template <auto Fn>
detail::Work work_of(std::string queue, typename detail::WorkSignature<decltype(Fn)>::Self& self, QueueOptions options = {}) {
    detail::Work work{std::move(queue), options, {}, {}, {}};
    if constexpr (std::is_invocable_v<decltype(Fn), decltype(self), Lease&>) {
        work.next = [&self](Lease& lease) { return (self.*Fn)(lease); };
    } else {
        work.batch = [&self](std::span<Due> due, pg::Tx& tx) { (self.*Fn)(due, tx); };
    }
    if constexpr (requires(pg::Tx& tx, const Lease& lease) { self.put_off(tx, lease, std::string_view{}); })
        work.put_off = [&self](pg::Tx& tx, const Lease& lease, std::string_view why) { self.put_off(tx, lease, why); };
    return work;
}

/// One process's part of a queue: takes what is due, has it done, gives it back. Thread-safe. Runtime::work() makes it and its
/// threads; tests call run_one() themselves.
class WorkQueue {
public:
    WorkQueue(detail::Work work, int threads);
    WorkQueue(const WorkQueue&) = delete;

    /// Works on what is due: one key until its next turn is not due yet, or a batch. False if nothing is due for this process. A
    /// failure of the database is thrown; a lease then runs out.
    bool run_one(
        pg::Pool&, const std::function<bool()>& stopping = [] { return false; });
    /// Keeps what is being worked on ours.
    void renew(pg::Connection&);

    const std::string& name() const { return work_.queue; }
    int threads() const { return threads_; }
    const QueueOptions& options() const { return work_.options; }

private:
    friend class Lease;
    class Held;
    struct Holding {
        CompanyId company;
        std::string key;
    };
    std::unique_ptr<Lease> take(pg::Pool&, const std::function<bool()>& stopping);
    int most_of_one() const;
    std::vector<std::string> with_their_share();
    bool time_to_look_for_others();
    void put_off(Lease&, const std::string& why);
    bool run_batch(pg::Pool&);
    std::vector<Due> peek(pg::Pool&) const;
    std::size_t settle_batch(pg::Pool&, std::span<const Due>) const;
    void put_off(pg::Pool&, const Due&, const std::string& why) const;

    detail::Work work_;
    int threads_;
    std::mutex lock_;
    std::map<Uuid, Holding> held_;
    std::map<CompanyId, int> at_work_;                         ///< of each company, how many of held_
    std::chrono::steady_clock::time_point look_for_others_{};  ///< not before, while one company has its share
};

/// Puts work into a queue of the caller's service, or says anew when it is due; SQL has otto_want() for triggers and for many at
/// once. What is wanted while somebody is at it is looked at once more.
void want(pg::Tx&, std::string_view queue, const CompanyId&, std::string_view key, Instant due);
/// Takes it out again. Somebody may be at it: then what comes of that is dropped.
void unwant(pg::Tx&, std::string_view queue, const CompanyId&, std::string_view key);

}  // namespace otto::rt
