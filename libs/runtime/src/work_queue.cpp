#include "runtime/work_queue.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "records.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

/// Postgres's infinity: given up.
constexpr Instant kNever = Instant::max();

/// The statement's own data, or perhaps it: to try it again at once would end the same.
bool own_fault(const pg::SqlFailure& e) { return e.kind() == pg::FailureClass::data || e.perhaps_its_own(); }

std::set<CompanyId> companies_of(std::span<const Due> due) {
    std::set<CompanyId> out;
    for (const auto& d : due) out.insert(d.company);
    return out;
}

}  // namespace

/// All transactions that count go through here: whose lease is it, `f`, when is it due, and the commit fails if the lease is not
/// ours.
std::optional<Instant> Lease::conclude(const std::function<std::optional<Instant>(pg::Tx&)>& f, As as, const std::string& why) {
    if (!held_) throw std::logic_error("the turn is over: the work was given back");
    auto tx = begin(company);
    bool ours = false;
    std::int64_t wanted = 0;
    auto reads = std::chrono::steady_clock::now();
    tx.each(sql::work_held, {queue_.name(), company, key, lease_}, [&](const pg::Fields& row) {
        ours = true;
        wanted = row.integer("wanted");
        round_ = row.integer("round");
        now = *row.time("now");
    });
    if (!ours) throw LeaseLost();
    read_at_ = reads;
    if (as == As::note)
        seen_ = wanted;  // it looks at everything that stands by now; what is wanted later than that is looked at once more
    auto at = f(tx);
    bool answered = as == As::answer;
    // What was noted is about to be asked, also by a process that stops.
    bool keep = due(at) && (as == As::note || (answered && !stopping()));
    try {
        tx.write(sql::work_settle,
                 {queue_.name(), company, key, lease_, seen_, at == kNever ? pg::Param("infinity") : pg::Param(at),
                  keep ? static_cast<std::int64_t>(queue_.options().lease.count()) : std::int64_t{0}, answered,
                  clip_utf8(storable(why), 2'000)});
        tx.commit();
    } catch (const pg::SqlFailure& e) {
        if (e.sqlstate() == "OT002") throw LeaseLost();
        throw;
    }
    if (answered) {
        ++round_;
        attempt = 1;
    }
    if (keep) seen_ = wanted;
    held_ = keep;
    return at;
}

void Lease::give_back(std::optional<Instant> at) {
    conclude([&](pg::Tx&) { return at; }, As::given_back, "");
}

std::optional<Instant> Lease::again(const Retry& retry, const std::string& why) {
    if (attempt >= retry.attempts) return give_up("attempts used up: " + why);
    auto pause = retry.pause.pause(attempt - 1, std::hash<std::string>{}(company.value() + key));
    tel::warn("work failed and is tried again",
              {{"queue", queue_.name()}, {"company_id", company.value()}, {"key", key}, {"attempt", attempt}, {"why", why}});
    return conclude([&](pg::Tx&) { return now + std::max(pause, Millis{1}); }, As::given_back, why);
}

std::optional<Instant> Lease::give_up(const std::string& why) {
    tel::error("work is given up",
               {{"queue", queue_.name()}, {"company_id", company.value()}, {"key", key}, {"attempt", attempt}, {"why", why}});
    conclude([](pg::Tx&) { return kNever; }, As::given_back, why);
    return std::nullopt;
}

bool Lease::others_wait() {
    bool others = false;
    auto tx = begin(company);
    tx.each(sql::work_of_others, {queue_.name(), company}, [&](const pg::Fields& f) { others = f.boolean("others"); });
    tx.commit();
    return others;
}

/// A lease that the process keeps alive while it is here.
class WorkQueue::Held {
public:
    Held(WorkQueue& queue, const Lease& lease) : queue_(queue), lease_(lease) {
        std::lock_guard guard(queue_.lock_);
        queue_.held_.emplace(lease_.lease_, Holding{lease_.company, lease_.key});
        beyond_share_ = ++queue_.at_work_[lease_.company] > queue_.most_of_one();
    }
    ~Held() {
        std::lock_guard guard(queue_.lock_);
        queue_.held_.erase(lease_.lease_);
        if (auto found = queue_.at_work_.find(lease_.company); --found->second == 0) queue_.at_work_.erase(found);
    }
    bool beyond_share() const { return beyond_share_; }

private:
    WorkQueue& queue_;
    const Lease& lease_;
    bool beyond_share_ = false;
};

WorkQueue::WorkQueue(detail::Work work, int threads)
    : work_(std::move(work)),
      threads_(work_.options.threads > 0 ? work_.options.threads
               : work_.batch             ? 1
                                         : threads) {
    bool named = !work_.queue.empty() && work_.queue.size() <= 50 &&
                 std::all_of(work_.queue.begin(), work_.queue.end(),
                             [](char c) { return (c >= 'a' && c <= 'z') || c == '-' || c == '/'; });
    if (!named)
        throw std::logic_error("the queue '" + work_.queue + "' is not named <service> or <service>/<part>, in small letters");
}

int WorkQueue::most_of_one() const {
    auto share = static_cast<int>(static_cast<double>(threads_) * work_.options.share + 0.999);
    return std::clamp(share, 1, threads_);
}

std::unique_ptr<Lease> WorkQueue::take(pg::Pool& pool, const std::function<bool()>& stopping) {
    auto full = with_their_share();
    if (!full.empty() && !time_to_look_for_others()) return nullptr;
    auto id = Uuid::v7(system_clock().now());
    pg::Params params{work_.queue, id, static_cast<std::int64_t>(work_.options.lease.count())};
    if (!full.empty()) params.push_back(pg::Param::array(full));
    std::unique_ptr<Lease> lease;
    auto tx = pool.begin(pg::Scope::none());
    auto reads = std::chrono::steady_clock::now();
    tx.each(full.empty() ? sql::work_take : sql::work_take_of_others, params, [&](const pg::Fields& f) {
        lease.reset(new Lease(*this, pool, CompanyId{f.text("company_id")}, f.text("key"), stopping));
        lease->lease_ = id;
        lease->id_ = f.uuid("id");
        lease->round_ = f.integer("round");
        lease->seen_ = f.integer("wanted");
        lease->attempt = static_cast<int>(f.integer("attempt"));
        lease->now = *f.time("now");
        lease->read_at_ = reads;
    });
    tx.commit();
    if (lease && !full.empty()) {  // there may be more of them
        std::lock_guard guard(lock_);
        look_for_others_ = {};
    }
    return lease;
}

bool WorkQueue::time_to_look_for_others() {
    std::lock_guard guard(lock_);
    auto now = std::chrono::steady_clock::now();
    if (now < look_for_others_) return false;
    look_for_others_ = now + work_.options.others_every;
    return true;
}

std::vector<std::string> WorkQueue::with_their_share() {
    std::vector<std::string> out;
    std::lock_guard guard(lock_);
    for (const auto& [company, turns] : at_work_)
        if (turns >= most_of_one()) out.push_back(company.value());
    return out;
}

bool WorkQueue::run_one(pg::Pool& pool, const std::function<bool()>& stopping) {
    if (work_.batch) return run_batch(pool);
    auto lease = take(pool, stopping);
    if (!lease) return false;
    Held held(*this, *lease);
    try {
        if (held.beyond_share()) {  // several took at once
            lease->give_back(lease->now);
            return true;
        }
        while (lease->held()) {
            auto at = work_.next(*lease);
            if (!lease->held()) break;
            if (lease->due(at) && !stopping()) continue;
            lease->give_back(at);
        }
    } catch (const LeaseLost&) {
        tel::info("work has another holder by now",
                  {{"queue", work_.queue}, {"company_id", lease->company.value()}, {"key", lease->key}});
    } catch (const pg::SqlFailure& e) {
        if (!own_fault(e)) throw;
        put_off(*lease, e.what());
    } catch (const std::exception& e) {
        put_off(*lease, e.what());
    }
    return true;
}

/// A turn that fails of itself: the outside was asked perhaps, and what it said could not be written. It is not asked again each
/// time a lease runs out.
void WorkQueue::put_off(Lease& lease, const std::string& why) {
    tel::error("work failed and is put off",
               {{"queue", work_.queue}, {"company_id", lease.company.value()}, {"key", lease.key}, {"why", why}});
    if (!lease.held()) return;
    try {
        lease.conclude(
            [&](pg::Tx& tx) {
                if (work_.put_off) work_.put_off(tx, lease, why);
                return lease.now + work_.options.put_off;
            },
            Lease::As::given_back, why);
    } catch (const LeaseLost&) {
    }
}

void WorkQueue::renew(pg::Connection& db) {
    pg::Columns rows(3);
    {
        std::lock_guard guard(lock_);
        for (const auto& [id, holding] : held_) rows.row({holding.company, holding.key, id});
    }
    if (rows.rows() == 0) return;
    auto params = rows.params();
    params.insert(params.begin(), {pg::Param(work_.queue), pg::Param(static_cast<std::int64_t>(work_.options.lease.count()))});
    auto tx = db.begin(pg::Scope::none());
    tx.write(sql::work_renew, std::move(params));
    tx.commit();
}

std::vector<Due> WorkQueue::peek(pg::Pool& pool) const {
    std::vector<Due> due;
    auto tx = pool.begin(pg::Scope::none());
    tx.each(sql::work_due, {work_.queue, static_cast<std::int64_t>(work_.options.batch)}, [&](const pg::Fields& f) {
        due.push_back({CompanyId{f.text("company_id")}, f.text("key"), {}, {}});
    });
    tx.commit();
    return due;
}

/// One transaction: the rows are locked by it, so it needs no lease. Says how many were there.
std::size_t WorkQueue::settle_batch(pg::Pool& pool, std::span<const Due> due) const {
    auto companies = companies_of(due);
    pg::Columns asked(2);
    for (const auto& d : due) asked.row({d.company, d.key});
    auto params = asked.params();
    params.insert(params.begin(), pg::Param(work_.queue));
    auto tx = pool.begin(pg::Scope::companies({companies.begin(), companies.end()}));
    std::vector<Due> taken;
    std::vector<std::int64_t> wanted;
    tx.each(sql::work_lock, params, [&](const pg::Fields& f) {
        taken.push_back({CompanyId{f.text("company_id")}, f.text("key"), *f.time("now"), {}});
        wanted.push_back(f.integer("wanted"));
    });
    if (taken.empty()) {
        tx.commit();
        return 0;
    }
    work_.batch(taken, tx);
    pg::Columns over(3), again(4);
    for (std::size_t i = 0; i < taken.size(); ++i) {
        if (taken[i].again)
            again.row({taken[i].company, taken[i].key, wanted[i], *taken[i].again});
        else
            over.row({taken[i].company, taken[i].key, wanted[i]});
    }
    for (const auto& [query, rows] : {std::pair(&sql::work_done, &over), std::pair(&sql::work_again, &again)}) {
        if (rows->rows() == 0) continue;
        auto values = rows->params();
        values.insert(values.begin(), pg::Param(work_.queue));
        tx.write(*query, std::move(values));
    }
    tx.commit();
    return taken.size();
}

bool WorkQueue::run_batch(pg::Pool& pool) {
    auto due = peek(pool);
    if (due.empty()) return false;
    std::string why;
    try {
        return settle_batch(pool, due) == work_.options.batch;
    } catch (const pg::SqlFailure& e) {
        if (!own_fault(e)) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    // One of them is guilty; it must not hold up the others.
    for (const auto& one : due) {
        try {
            settle_batch(pool, {&one, 1});
        } catch (const pg::SqlFailure& e) {
            if (!own_fault(e)) throw;
            put_off(pool, one, e.what());
        } catch (const std::exception& e) {
            put_off(pool, one, e.what());
        }
    }
    return true;
}

void WorkQueue::put_off(pg::Pool& pool, const Due& one, const std::string& why) const {
    tel::error("work failed and is put off",
               {{"queue", work_.queue}, {"company_id", one.company.value()}, {"key", one.key}, {"why", why}});
    auto tx = pool.begin(pg::Scope::none());
    tx.write(sql::work_put_off, {work_.queue, one.company, one.key, static_cast<std::int64_t>(work_.options.put_off.count()),
                                 clip_utf8(storable(why), 2'000)});
    tx.commit();
}

void want(pg::Tx& tx, std::string_view queue, const CompanyId& company, std::string_view key, Instant due) {
    tx.write(sql::want, {queue, company, key, due});
}

void unwant(pg::Tx& tx, std::string_view queue, const CompanyId& company, std::string_view key) {
    tx.write(sql::unwant, {queue, company, key});
}

}  // namespace otto::rt
