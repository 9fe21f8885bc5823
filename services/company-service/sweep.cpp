#include "sweep.hpp"

#include <algorithm>

#include "app/common.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {

namespace pb = otto::inbound::v1;
using namespace std::chrono_literals;

namespace {

constexpr auto kOverlap = 1h;
constexpr auto kLongest = 6h;  ///< no call is believed to last longer
constexpr auto kFirst = 24h;
constexpr auto kRetention = std::chrono::days(730);  ///< CallRail keeps 25 months; a range beyond them is an error there
constexpr auto kPostCall = 20min;                    ///< after a call's end its Post-Call webhook comes at the latest

const tel::Counters kFound{
    "otto_swept_calls_total", "Calls that CallRail listed and we did not have, or had otherwise.", {"found"}};
const tel::Counters kSweepsEnded{"otto_sweeps_total", "Sweeps of CallRail accounts.", {"outcome"}};

/// Its Post-Call may still come.
bool awaited(const ListedCall& call, Instant asked) { return call.ended_at && *call.ended_at > asked - kPostCall; }
/// It is listed, and not over yet: nothing is to be concluded from it.
bool under_way(const ListedCall& call, Instant asked) {
    return !call.over && call.started_at && *call.started_at > asked - kLongest;
}

struct Found {
    int seen = 0, missing = 0, early = 0, differing = 0, unowned = 0;
};

}  // namespace

bool sweep_due(std::optional<Instant> started_at, std::optional<Instant> asked_at, std::optional<Instant> not_before, Instant now,
               Millis every) {
    if (not_before && *not_before > now) return false;
    // The job's own pauses are not exact: what is due within a moment is due.
    return asked_at || !started_at || *started_at + every <= now + std::min<Millis>(5s, every / 10);
}

Instant sweep_from(std::optional<Instant> watermark, std::optional<Instant> started_at, Instant now) {
    if (!watermark) return now - kFirst;
    bool first_of_hour =
        !started_at || std::chrono::floor<std::chrono::hours>(*started_at) != std::chrono::floor<std::chrono::hours>(now);
    return std::max(*watermark - (first_of_hour ? Millis(kLongest) : Millis(kOverlap)), now - kRetention);
}

Instant retry_at(std::optional<Millis> after, Instant now) { return now + std::clamp<Millis>(after.value_or(60s), 1s, 1h); }

Sweep::Sweep(const app::Settings& s, const providers::callrail::Client& callrail, const directory::Companies& companies)
    : keys_(KeyRing::parse(s.get(app::kSecretKeys)).value()),
      every_(s.get(kSweepEvery)),
      requests_an_hour_(s.get(kSweepRequests)),
      callrail_(callrail),
      companies_(companies) {}

std::vector<Sweep::Account> Sweep::accounts(const std::function<pg::Tx(const CompanyId&)>& begin,
                                            const std::optional<std::string>& wanted) const {
    std::map<std::pair<std::string, std::string>, Account> found;
    for (const auto& [id, version] : companies_.versions()) {
        auto profile = companies_.find(CompanyId{id});
        if (!profile || !profile->active) continue;
        const auto& account_id = profile->account("callrail").id;
        if (account_id.empty() || (wanted && account_id != *wanted)) continue;
        auto tx = begin(profile->id);
        tx.each(sql::sweep_of, {id}, [&](const pg::Fields& f) {
            auto sealed = f.maybe_text("callrail_api_key");
            auto account = f.maybe_text("callrail_account_id");
            if (!sealed || !account || account->empty()) return;
            auto key = keys_.open(*sealed, seal_place(id, "callrail_api_key"));
            if (!key) {
                tel::error("a company's CallRail key cannot be opened: its calls are not swept",
                           {{"company_id", id}, {"why", key.error().message}, {"cure", key.error().hint}});
                return;
            }
            auto& group = found[{*account, key->reveal()}];
            group.id = *account;
            group.key = *key;
            bool same = f.text("swept_account") == *account;
            Member m{profile, f.maybe_text("callrail_company_id"),
                     {},      f.time("asked_at"),
                     {},      f.time("hour"),
                     {},      f.integer("requests")};
            if (same) m.watermark = f.time("watermark"), m.not_before = f.time("not_before"), m.started_at = f.time("started_at");
            group.members.push_back(std::move(m));
        });
        tx.commit();
    }
    std::vector<Account> all;
    for (auto& [name, account] : found) all.push_back(std::move(account));
    return all;
}

bool Sweep::due(const Account& account, Instant now) const {
    return std::any_of(account.members.begin(), account.members.end(),
                       [&](const Member& m) { return sweep_due(m.started_at, m.asked_at, m.not_before, now, every_); });
}

void Sweep::plan(pg::Connection& db) const {
    // At a start the companies are still being read; without them there would be nobody to sweep for.
    for (int i = 0; i < 60 && !stop_ && !companies_.caught_up(500ms); ++i) {
    }
    if (!companies_.caught_up()) return;
    auto all = accounts([&](const CompanyId& id) { return db.begin(pg::Scope::company(id)); }, {});
    auto now = system_clock().now();
    auto tx = db.begin(pg::Scope::none());
    for (const auto& account : all)
        if (due(account, now)) rt::want(tx, kSweeps, account.members.front().profile->id, "", now);
    tx.commit();
}

std::optional<Instant> Sweep::next(rt::Lease& lease) const {
    auto profile = companies_.find(lease.company);
    if (!profile) return companies_.caught_up() ? std::nullopt : std::optional(lease.now + Millis{1'000});
    for (const auto& account : accounts([&](const CompanyId& id) { return lease.begin(id); }, profile->account("callrail").id)) {
        bool its_own = std::any_of(account.members.begin(), account.members.end(),
                                   [&](const Member& m) { return m.profile->id == lease.company; });
        if (its_own && due(account, system_clock().now())) sweep(lease, account);
    }
    return std::nullopt;
}

void Sweep::sweep(rt::Lease& lease, const Account& account) const {
    auto now = system_clock().now();
    Budget budget{std::chrono::floor<std::chrono::hours>(now), 0};
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
    auto from = sweep_from(watermark, started_at, now);
    for (const auto& m : account.members) {
        auto tx = lease.begin(m.profile->id);
        tx.write(sql::begin_sweep, {m.profile->id, account.id, now, m.watermark ? *m.watermark : from});
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
        tx.write(sql::end_sweep, {m.profile->id, ending.error.empty() ? pg::Param(nullptr) : pg::Param(ending.error),
                                  ending.not_before, reached, budget.hour, budget.used});
        tx.commit();
    }
    kSweepsEnded({ending.error.empty() ? "done" : ending.not_before ? "put off" : "failed"}).inc();
    if (!ending.error.empty())
        tel::warn("a CallRail account could not be swept to its end",
                  {{"account", account.id}, {"why", ending.error}, {"company_id", account.members.front().profile->id.value()}});
}

Sweep::Ending Sweep::read_list(rt::Lease& lease, const Account& account, Instant from, Instant now, Budget& budget,
                               std::optional<Instant>& reached) const {
    auto trace = tel::TraceContext::fresh();
    std::optional<Instant> unsettled;  // the earliest such call
    for (std::size_t page = 1, pages = 1; page <= pages; ++page) {
        auto asked = system_clock().now();
        if (auto hour = std::chrono::floor<std::chrono::hours>(asked); Instant(hour) != budget.hour) budget = {hour, 0};
        if (lease.stopping()) return {"company-service was stopped meanwhile; the next sweep goes on from here", {}};
        if (budget.used >= requests_an_hour_)
            return {"the " + std::to_string(requests_an_hour_) +
                        " requests an hour that a sweep may make are used up (OTTO_SWEEP_REQUESTS); it goes on in the next hour",
                    budget.hour + 1h};
        ++budget.used;
        auto reply = callrail_.calls({account.key, account.id}, from, now, page, trace);
        if (const auto* error = std::get_if<providers::callrail::ApiError>(&reply)) {
            if (error->kind == providers::callrail::ApiError::Kind::busy)
                return {error->why, retry_at(error->after, system_clock().now())};
            return {error->not_let_in() ? error->why + ": check the API key and the account id, and set them again" : error->why,
                    {}};
        }
        const auto& list = std::get<providers::callrail::CallPage>(reply);
        pages = std::max(pages, list.pages);
        for (const auto& why : list.unreadable) {
            kFound({"unreadable"}).inc();
            tel::error("CallRail lists a call that cannot be read, and it is left out",
                       {{"account", account.id},
                        {"page", page},
                        {"why", why},
                        {"company_id", account.members.front().profile->id.value()}});
        }
        for (const auto& call : list.calls) {
            if (!call.started_at || *call.started_at > now) continue;
            if (!reached || *call.started_at > *reached) reached = call.started_at;
            // What is not settled yet is looked at again, however long it takes.
            if ((awaited(call, asked) || under_way(call, asked)) && (!unsettled || *call.started_at < *unsettled))
                unsettled = call.started_at;
        }
        if (unsettled) reached = std::min(reached.value_or(*unsettled), *unsettled);
        take_page(lease, account, list.calls, asked, budget, reached);
        if (list.calls.empty() && list.unreadable.empty()) break;
    }
    reached = unsettled.value_or(now);
    return {};
}

std::optional<std::size_t> Sweep::owner_of(const Account& account, const ListedCall& call) const {
    const auto& report = call.event->call();
    auto member = [&](auto&& fits) -> std::optional<std::size_t> {
        auto it = std::find_if(account.members.begin(), account.members.end(), fits);
        if (it == account.members.end()) return std::nullopt;
        return static_cast<std::size_t>(it - account.members.begin());
    };
    auto owners =
        companies_.owners(report.tracking_number(), directory::Purpose::voice, call.started_at.value_or(system_clock().now()));
    if (!owners.empty())
        return owners.size() > 1 ? std::nullopt : member([&](const Member& m) { return m.profile->id == owners.front()->id; });
    // Nobody's number, such as a pool's: whose company at CallRail it is; the account is that company's alone if it never named
    // one.
    const auto& theirs = call.event->addressee().provider_company_ids();
    if (auto named = member([&](const Member& m) {
            return m.callrail_company && std::find(theirs.begin(), theirs.end(), *m.callrail_company) != theirs.end();
        }))
        return named;
    if (account.members.size() == 1 && !account.members.front().callrail_company) return 0;
    return std::nullopt;
}

void Sweep::take_page(rt::Lease& lease, const Account& account, const std::vector<ListedCall>& calls, Instant asked,
                      const Budget& budget, std::optional<Instant> reached) const {
    std::vector<std::vector<const ListedCall*>> mine(account.members.size());
    int unowned = 0;
    for (const auto& call : calls) {
        if (under_way(call, asked)) continue;
        if (auto owner = owner_of(account, call))
            mine[*owner].push_back(&call);
        else
            ++unowned;
    }
    for (std::size_t m = 0; m < mine.size(); ++m) {
        const auto& company = account.members[m].profile->id;
        Found n;
        n.seen = static_cast<int>(mine[m].size());
        n.unowned = unowned;
        auto tx = lease.begin(company);
        std::map<int, KnownCall> known;
        if (!mine[m].empty()) {
            pg::Columns rows(7);
            int i = 0;
            for (const auto* call : mine[m]) {
                const auto& r = call->event->call();
                rows.row({i++, call->id, call->other_id.empty() ? pg::Param(nullptr) : pg::Param(call->other_id),
                          r.customer_phone(), r.tracking_number(), call->started_at,
                          r.has_agent_email() ? pg::Param(r.agent_email()) : pg::Param(nullptr)});
            }
            auto params = rows.params();
            params.insert(params.begin(), pg::Param(company));
            tx.each(sql::known_calls, std::move(params), [&](const pg::Fields& f) {
                known[static_cast<int>(f.integer("n"))] = {f.text("provider_call_id"),  f.text("status"),
                                                           f.maybe_integer("duration"), f.boolean("has_recording"),
                                                           f.maybe_text("owner_id"),    f.maybe_text("agent_id")};
            });
        }
        for (int i = 0; i < n.seen; ++i) {
            const auto& call = *mine[m][static_cast<std::size_t>(i)];
            const bool early = awaited(call, asked);
            auto ours = known.find(i);
            std::vector<std::string> what;
            pb::ProviderEvent event;
            if (ours == known.end()) {
                ++(early ? n.early : n.missing);
                event = swept_event(call, company.value(), account.id, asked);
            } else {
                if (!early) what = differences(call, ours->second);
                if (what.empty()) continue;
                ++n.differing;
                event = swept_event(call, company.value(), account.id, asked, ours->second, what);
            }
            rt::Envelope cause;
            cause.id = events::provider_event_id("callrail", event.kind(), call.id, call.json);
            cause.occurred_at = asked;
            cause.trace = tel::TraceContext::fresh();
            emitter_.emit(tx, cause, event);
            auto event_id = events::derived_event_id(cause.id, "company-service", events::type_of<pb::ProviderEvent>().type, 0);
            std::string differs;
            for (const auto& w : what) differs += (differs.empty() ? "" : ",") + w;
            tel::warn(!what.empty() ? "CallRail knows a call otherwise"
                      : early       ? "a call is listed before its webhooks came"
                                    : "a call's webhooks never came",
                      {{"swept", true},
                       {"company_id", company.value()},
                       {"provider_call_id", call.id},
                       {"event_id", event_id.value().to_string()},
                       {"differs", differs},
                       {"started_at", call.started_at ? to_rfc3339(*call.started_at) : ""},
                       {"trace_id", cause.trace.trace_id_hex()}});
        }
        tx.write(sql::note_page,
                 {company, n.seen, n.missing, n.early, n.differing, n.unowned, reached, budget.hour, budget.used});
        tx.commit();
        kFound({"missing"}).inc(n.missing);
        kFound({"early"}).inc(n.early);
        kFound({"differing"}).inc(n.differing);
    }
}

rt::Outcome Sweep::note_refusals(rt::Intent<changes::v1::SignaturesRefused> call, rt::Out<>&) const {
    call.then([event = call.event](pg::Tx& tx) {
        tx.write(sql::note_refusals,
                 {event.company_id(), event.provider(), event.count(), from_micros(event.last_at_us()), event.why()});
    });
    return rt::Outcome::done();
}

}  // namespace otto::company_service
