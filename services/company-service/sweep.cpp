#include "sweep.hpp"

#include <algorithm>
#include <thread>

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {

namespace pb = otto::inbound::v1;
using namespace std::chrono_literals;

namespace {

constexpr auto kFirst = 24h;
constexpr auto kOverlap = 1h;

const tel::Counters kSweepsEnded{"otto_sweeps_total", "Sweeps of accounts at providers.", {"provider", "outcome"}};

struct Found {
    int seen = 0, missing = 0, early = 0, differing = 0, unowned = 0;
};

/// What could not enter yet is looked at again.
void put_off(const Compared& c, std::optional<Instant>& unsettled) {
    if (!c.known && c.listed->at && (!unsettled || *c.listed->at < *unsettled)) unsettled = c.listed->at;
}

std::chrono::sys_time<std::chrono::microseconds> hour_of(Instant at) { return std::chrono::floor<std::chrono::hours>(at); }

}  // namespace

bool sweep_due(std::optional<Instant> started_at, std::optional<Instant> asked_at, std::optional<Instant> not_before, Instant now,
               Millis every) {
    if (not_before && *not_before > now) return false;
    // The job's own pauses are not exact: what is due within a moment is due.
    return asked_at || !started_at || *started_at + every <= now + std::min<Millis>(5s, every / 10);
}

Instant retry_at(std::optional<Millis> after, Instant now) { return now + std::clamp<Millis>(after.value_or(60s), 1s, 1h); }

Sweep::Sweep(const app::Settings& s, const SweptList& list, const directory::Companies& companies)
    : every_(s.get(kSweepEvery)), list_(list), companies_(companies) {}

std::vector<SweptAccount> Sweep::accounts(const std::function<pg::Tx(const CompanyId&)>& begin,
                                          const std::optional<std::string>& wanted, const std::optional<CompanyId>& of) const {
    std::map<std::tuple<std::string, std::string, std::string>, SweptAccount> found;
    for (const auto& [id, version] : companies_.versions()) {
        auto profile = companies_.find(CompanyId{id});
        if (!profile || !profile->active || !list_.concerns(*profile, wanted)) continue;
        auto tx = begin(profile->id);
        for (auto& named : list_.credentials(tx, *profile)) {
            if (wanted && named.id != *wanted) continue;
            auto& group = found[{named.id, named.user, named.key.reveal()}];
            group.id = named.id;
            group.user = named.user;
            group.key = named.key;
            SweptAccount::Member m{profile, named.company_there, {}, {}, {}, {}, {}, 0};
            tx.each(list_.names().state, {id, named.id}, [&](const pg::Fields& f) {
                m.watermark = f.time("watermark");
                m.asked_at = f.time("asked_at");
                m.not_before = f.time("not_before");
                m.started_at = f.time("started_at");
                m.hour = f.time("hour");
                m.requests = f.integer("requests");
            });
            group.members.push_back(std::move(m));
        }
        tx.commit();
    }
    std::vector<SweptAccount> all;
    for (auto& [name, account] : found) {
        auto is_of = [&](const SweptAccount::Member& m) { return m.profile->id == *of; };
        if (!of || std::any_of(account.members.begin(), account.members.end(), is_of)) all.push_back(std::move(account));
    }
    return all;
}

bool Sweep::due(const SweptAccount& account, Instant now) const {
    return std::any_of(account.members.begin(), account.members.end(),
                       [&](const auto& m) { return sweep_due(m.started_at, m.asked_at, m.not_before, now, every_); });
}

void Sweep::plan(pg::Connection& db) const {
    // At a start the companies are still being read; without them there would be nobody to sweep for.
    for (int i = 0; i < 60 && !stop_ && !companies_.caught_up(500ms); ++i) {
    }
    if (!companies_.caught_up()) return;
    auto all = accounts([&](const CompanyId& id) { return db.begin(pg::Scope::company(id)); }, {}, {});
    auto now = system_clock().now();
    auto tx = db.begin(pg::Scope::none());
    for (const auto& account : all)
        if (due(account, now)) rt::want(tx, list_.names().queue, account.members.front().profile->id, account.id, now);
    tx.commit();
}

std::optional<Instant> Sweep::next(rt::Lease& lease) const {
    if (!companies_.find(lease.company)) return companies_.caught_up() ? std::nullopt : std::optional(lease.now + Millis{1'000});
    // What a former version wanted names no account.
    auto wanted = lease.key.empty() ? std::nullopt : std::optional(lease.key);
    for (const auto& account : accounts([&](const CompanyId& id) { return lease.begin(id); }, wanted, lease.company))
        if (due(account, system_clock().now())) sweep(lease, account);
    return std::nullopt;
}

void Sweep::sweep(rt::Lease& lease, const SweptAccount& account) const {
    auto now = system_clock().now();
    Budget budget{hour_of(now), 0, {}};
    std::optional<Instant> watermark, started_at;
    bool all_known = true;
    for (const auto& m : account.members) {
        if (m.started_at && (!started_at || *m.started_at < *started_at)) started_at = m.started_at;
        if (m.hour == budget.hour) budget.used = std::max(budget.used, m.requests);
        if (!m.watermark)
            all_known = false;
        else if (!watermark || *m.watermark < *watermark)
            watermark = m.watermark;
    }
    if (!all_known) watermark = std::min(watermark.value_or(now), now - kFirst + kOverlap);
    const auto from = list_.from(watermark, started_at, now);
    const auto& names = list_.names();
    for (const auto& m : account.members) {
        auto tx = lease.begin(m.profile->id);
        tx.write(names.begin, {m.profile->id, account.id, now, m.watermark ? *m.watermark : from});
        tx.commit();
    }
    std::optional<Instant> reached;
    // An account over which the sweep fails is swept again in its turn, and says why.
    auto ending = [&]() -> Ending {
        try {
            return read_list(lease, account, from, now, budget, reached);
        } catch (const pg::SqlFailure& e) {
            if (e.kind() != pg::FailureClass::data && !e.perhaps_its_own()) throw;
            return {e.what(), {}};
        } catch (const std::exception& e) {
            return {e.what(), {}};
        }
    }();
    for (const auto& m : account.members) {
        auto tx = lease.begin(m.profile->id);
        tx.write(names.end, {m.profile->id, ending.error.empty() ? pg::Param(nullptr) : pg::Param(ending.error),
                             ending.not_before, reached, budget.hour, budget.used, account.id});
        tx.commit();
    }
    kSweepsEnded({std::string(names.provider), ending.error.empty() ? "done" : ending.not_before ? "put off" : "failed"}).inc();
    if (!ending.error.empty())
        tel::warn("an account could not be swept to its end", {{"provider", names.provider},
                                                               {"account", account.id},
                                                               {"why", ending.error},
                                                               {"company_id", account.members.front().profile->id.value()}});
}

std::optional<Sweep::Ending> Sweep::take_turn(const rt::Lease& lease, Budget& budget) const {
    const auto most = list_.requests_an_hour();
    // By both clocks: the time that stands in the row may be ahead of one that was set back.
    const auto longest = std::chrono::steady_clock::now() + list_.pace();
    while (!lease.stopping() && system_clock().now() < budget.last + list_.pace() && std::chrono::steady_clock::now() < longest)
        std::this_thread::sleep_for(20ms);
    auto now = system_clock().now();
    if (auto hour = hour_of(now); hour != budget.hour) budget = {hour, 0, budget.last};
    if (lease.stopping()) return Ending{"company-service was stopped meanwhile; the next sweep goes on from here", {}};
    if (budget.used >= most)
        return Ending{
            "the " + std::to_string(most) +
                " requests an hour that a sweep may make are used up (OTTO_SWEEP_REQUESTS); it goes on in the next hour",
            budget.hour + 1h};
    ++budget.used;
    budget.last = now;
    return std::nullopt;
}

Sweep::Ending Sweep::read_list(rt::Lease& lease, const SweptAccount& account, Instant from, Instant now, Budget& budget,
                               std::optional<Instant>& reached) const {
    auto trace = tel::TraceContext::fresh();
    std::optional<Instant> unsettled;  // the earliest such entry
    std::string next;
    do {
        if (auto stopped = take_turn(lease, budget)) return *stopped;
        auto asked = system_clock().now();
        auto reply = list_.page(account, from, now, next, trace);
        if (const auto* refusal = std::get_if<SweptList::Refusal>(&reply)) {
            if (refusal->busy) return {refusal->why, retry_at(refusal->after, system_clock().now())};
            return {refusal->why, {}};
        }
        const auto& page = std::get<SweptList::Page>(reply);
        for (const auto& why : page.unreadable) {
            list_.names().found({"unreadable"}).inc();
            tel::error("an entry of a provider's list cannot be read, and it is left out",
                       {{"provider", list_.names().provider},
                        {"account", account.id},
                        {"why", why},
                        {"company_id", account.members.front().profile->id.value()}});
        }
        for (const auto& entry : page.entries) {
            if (!entry->at || *entry->at > now) continue;
            if (page.in_order && (!reached || *entry->at > *reached)) reached = entry->at;
            // What is not settled yet is looked at again, however long it takes.
            if (!entry->settled && (!unsettled || *entry->at < *unsettled)) unsettled = entry->at;
        }
        if (reached && unsettled) reached = std::min(*reached, *unsettled);
        take_page(lease, account, page, asked, budget, reached, unsettled);
        next = page.next;
    } while (!next.empty());
    reached = std::min(unsettled.value_or(now), now);
    return {};
}

void Sweep::take_page(rt::Lease& lease, const SweptAccount& account, const SweptList::Page& page, Instant asked, Budget& budget,
                      std::optional<Instant> reached, std::optional<Instant>& unsettled) const {
    std::vector<std::vector<const Listed*>> mine(account.members.size());
    std::vector<const Listed*> unowned;
    for (const auto& entry : page.entries) {
        if (entry->under_way) continue;
        if (auto owner = list_.owner_of(account, *entry))
            mine[*owner].push_back(entry.get());
        else
            unowned.push_back(entry.get());
    }
    const auto& found = list_.names().found;
    for (std::size_t m = 0; m < mine.size(); ++m) {
        const auto& company = account.members[m].profile->id;
        std::vector<Compared> compared;
        if (!mine[m].empty()) {
            auto tx = lease.begin(company);
            compared = list_.compare(tx, company, account, mine[m], asked);
            tx.commit();
            list_.complete(
                account, compared, [&] { return !take_turn(lease, budget); }, tel::TraceContext::fresh());
        }
        Found n;
        n.seen = static_cast<int>(mine[m].size());
        n.unowned = static_cast<int>(unowned.size());
        auto tx = lease.begin(company);
        for (const auto& c : compared) {
            if (!c.to_enter) {
                put_off(c, unsettled);
                continue;
            }
            ++(c.known ? n.differing : c.listed->early ? n.early : n.missing);
            enter(tx, c, asked);
        }
        tx.write(list_.names().note_page,
                 {company, n.seen, n.missing, n.early, n.differing, n.unowned, reached, budget.hour, budget.used, account.id});
        tx.commit();
        found({"missing"}).inc(n.missing);
        found({"early"}).inc(n.early);
        found({"differing"}).inc(n.differing);
    }
    if (!unowned.empty()) take_unowned(lease, account, unowned, asked, budget, unsettled);
}

void Sweep::take_unowned(rt::Lease& lease, const SweptAccount& account, const std::vector<const Listed*>& entries, Instant asked,
                         Budget& budget, std::optional<Instant>& unsettled) const {
    const auto& company = account.members.front().profile->id;
    auto looked = lease.begin(company);
    auto compared = list_.unowned(looked, account, entries, asked);
    looked.commit();
    if (compared.empty()) return;
    list_.complete(
        account, compared, [&] { return !take_turn(lease, budget); }, tel::TraceContext::fresh());
    int entered = 0;
    auto tx = lease.begin(company);
    for (const auto& c : compared) {
        if (!c.to_enter) {
            put_off(c, unsettled);
            continue;
        }
        enter(tx, c, asked);
        ++entered;
    }
    tx.commit();
    list_.names().found({"unowned"}).inc(entered);
}

void Sweep::enter(pg::Tx& tx, const Compared& c, Instant asked) const {
    const auto& names = list_.names();
    auto event = c.to_enter();
    rt::Envelope cause;
    cause.id = events::provider_event_id(names.provider, event.kind(), c.listed->id, c.listed->json);
    cause.occurred_at = asked;
    cause.trace = tel::TraceContext::fresh();
    emitter_.emit(tx, cause, event);
    auto event_id = events::derived_event_id(cause.id, "company-service", events::type_of<pb::ProviderEvent>().type, 0);
    std::string differs;
    for (const auto& w : c.differs) differs += (differs.empty() ? "" : ",") + w;
    tel::warn(!c.owned          ? names.unowned
              : c.known         ? names.differs
              : c.listed->early ? names.early
                                : names.missing,
              {{"swept", true},
               {"company_id", event.receipt().proven_company_id()},
               {names.id_field, c.listed->id},
               {"event_id", event_id.value().to_string()},
               {"differs", differs},
               {"started_at", c.listed->at ? to_rfc3339(*c.listed->at) : ""},
               {"trace_id", cause.trace.trace_id_hex()}});
}

rt::Outcome Refusals::note(rt::Intent<changes::v1::SignaturesRefused> call, rt::Out<>&) const {
    call.then([event = call.event](pg::Tx& tx) {
        tx.write(sql::note_refusals,
                 {event.company_id(), event.provider(), event.count(), from_micros(event.last_at_us()), event.why()});
    });
    return rt::Outcome::done();
}

}  // namespace otto::company_service
