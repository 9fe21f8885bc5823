#include "callrail_calls.hpp"

#include <algorithm>

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {

using namespace std::chrono_literals;

namespace {

constexpr auto kOverlap = 1h;
constexpr auto kLongest = 6h;  ///< no call is believed to last longer
constexpr auto kFirst = 24h;
constexpr auto kRetention = std::chrono::days(730);  ///< CallRail keeps 25 months; a range beyond them is an error there
constexpr auto kPostCall = 20min;                    ///< after a call's end its Post-Call webhook comes at the latest

const tel::Counters kFound{
    "otto_swept_calls_total", "Calls that CallRail listed and we did not have, or had otherwise.", {"found"}};

struct CallEntry : Listed {
    ListedCall call;
};

}  // namespace

Instant sweep_from(std::optional<Instant> watermark, std::optional<Instant> started_at, Instant now) {
    if (!watermark) return now - kFirst;
    bool first_of_hour =
        !started_at || std::chrono::floor<std::chrono::hours>(*started_at) != std::chrono::floor<std::chrono::hours>(now);
    return std::max(*watermark - (first_of_hour ? Millis(kLongest) : Millis(kOverlap)), now - kRetention);
}

CallRailCalls::CallRailCalls(const app::Settings& s, const providers::callrail::Client& callrail,
                             const directory::Companies& companies)
    : keys_(s), requests_an_hour_(s.get(kSweepRequests)), callrail_(callrail), companies_(companies) {}

const SweptList::Names& CallRailCalls::names() const {
    static const Names names{"callrail",
                             "CallRail",
                             kSweeps,
                             "provider_call_id",
                             "a call's webhooks never came",
                             "a call is listed before its webhooks came",
                             "CallRail knows a call otherwise",
                             "",  // its numbers come and go: whose a call is its list of numbers tells
                             sql::sweep_state,
                             sql::begin_sweep,
                             sql::note_page,
                             sql::end_sweep,
                             kFound};
    return names;
}

bool CallRailCalls::concerns(const directory::Profile& profile, const std::optional<std::string>& account) const {
    const auto& id = profile.account("callrail").id;
    return !id.empty() && (!account || id == *account);
}

std::vector<SweptList::Credentials> CallRailCalls::credentials(pg::Tx& tx, const directory::Profile& profile) const {
    std::vector<Credentials> out;
    const auto& id = profile.id.value();
    tx.each(sql::callrail_account, {id}, [&](const pg::Fields& f) {
        auto sealed = f.maybe_text("callrail_api_key");
        auto account = f.maybe_text("callrail_account_id");
        if (!sealed || !account || account->empty()) return;
        if (auto key = keys_.open(*sealed, seal_place(id, "callrail_api_key")))
            out.push_back({*account, "", *key, f.maybe_text("callrail_company_id")});
        else
            tel::error("a company's CallRail key cannot be opened: its calls are not swept",
                       {{"company_id", id}, {"why", key.error().message}, {"cure", key.error().hint}});
    });
    return out;
}

Instant CallRailCalls::from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now) const {
    return sweep_from(watermark, last_sweep, now);
}

std::variant<SweptList::Page, SweptList::Refusal> CallRailCalls::page(const SweptAccount& account, Instant from, Instant to,
                                                                      const std::string& next,
                                                                      const tel::TraceContext& trace) const {
    const std::size_t number = next.empty() ? 1 : std::stoul(next);
    const auto asked = system_clock().now();
    auto reply = callrail_.calls({account.key, account.id}, from, to, number, trace);
    if (const auto* error = std::get_if<providers::callrail::ApiError>(&reply)) {
        if (error->kind == providers::callrail::ApiError::Kind::busy) return Refusal{error->why, true, error->after};
        return Refusal{error->not_let_in() ? error->why + ": check the API key and the account id, and set them again"
                                           : error->why};
    }
    auto& list = std::get<providers::callrail::CallPage>(reply);
    Page page;
    page.in_order = true;
    page.unreadable = std::move(list.unreadable);
    for (auto& call : list.calls) {
        auto entry = std::make_unique<CallEntry>();
        entry->id = call.id;
        entry->json = call.json;
        entry->at = call.started_at;
        entry->early = call.ended_at && *call.ended_at > asked - kPostCall;
        entry->under_way = !call.over && call.started_at && *call.started_at > asked - kLongest;
        entry->settled = !entry->early && !entry->under_way;
        entry->call = std::move(call);
        page.entries.push_back(std::move(entry));
    }
    bool more = number < list.pages && (!page.entries.empty() || !page.unreadable.empty());
    if (more) page.next = std::to_string(number + 1);
    return page;
}

std::optional<std::size_t> CallRailCalls::owner_of(const SweptAccount& account, const Listed& listed) const {
    const auto& call = static_cast<const CallEntry&>(listed).call;
    const auto& report = call.event->call();
    auto member = [&](auto&& fits) -> std::optional<std::size_t> {
        auto it = std::find_if(account.members.begin(), account.members.end(), fits);
        if (it == account.members.end()) return std::nullopt;
        return static_cast<std::size_t>(it - account.members.begin());
    };
    using Member = SweptAccount::Member;
    auto owners =
        companies_.owners(report.tracking_number(), directory::Purpose::voice, call.started_at.value_or(system_clock().now()));
    if (!owners.empty())
        return owners.size() > 1 ? std::nullopt : member([&](const Member& m) { return m.profile->id == owners.front()->id; });
    // Nobody's number, such as a pool's: whose company at CallRail it is; the account is that company's alone if it never named
    // one.
    const auto& theirs = call.event->addressee().provider_company_ids();
    if (auto named = member([&](const Member& m) {
            return m.company_there && std::find(theirs.begin(), theirs.end(), *m.company_there) != theirs.end();
        }))
        return named;
    if (account.members.size() == 1 && !account.members.front().company_there) return 0;
    return std::nullopt;
}

std::vector<Compared> CallRailCalls::compare(pg::Tx& tx, const CompanyId& company, const SweptAccount& account,
                                             const std::vector<const Listed*>& entries, Instant asked) const {
    pg::Columns rows(7);
    int i = 0;
    for (const auto* entry : entries) {
        const auto& call = static_cast<const CallEntry*>(entry)->call;
        const auto& r = call.event->call();
        rows.row({i++, call.id, call.other_id.empty() ? pg::Param(nullptr) : pg::Param(call.other_id), r.customer_phone(),
                  r.tracking_number(), call.started_at, r.has_agent_email() ? pg::Param(r.agent_email()) : pg::Param(nullptr)});
    }
    auto params = rows.params();
    params.insert(params.begin(), pg::Param(company));
    std::map<int, KnownCall> known;
    tx.each(sql::known_calls, std::move(params), [&](const pg::Fields& f) {
        known[static_cast<int>(f.integer("n"))] = {f.text("provider_call_id"),  f.text("status"),
                                                   f.maybe_integer("duration"), f.boolean("has_recording"),
                                                   f.maybe_text("owner_id"),    f.maybe_text("agent_id")};
    });
    std::vector<Compared> out;
    for (std::size_t n = 0; n < entries.size(); ++n) {
        const auto& call = static_cast<const CallEntry*>(entries[n])->call;
        auto ours = known.find(static_cast<int>(n));
        Compared c{entries[n], ours != known.end(), true, {}, {}};
        if (!c.known) {
            c.to_enter = [&call, company, id = account.id, asked] { return swept_event(call, company.value(), id, asked); };
        } else {
            if (!entries[n]->early) c.differs = differences(call, ours->second);
            if (!c.differs.empty())
                c.to_enter = [&call, company, id = account.id, asked, ours = ours->second, what = c.differs] {
                    return swept_event(call, company.value(), id, asked, ours, what);
                };
        }
        out.push_back(std::move(c));
    }
    return out;
}

}  // namespace otto::company_service
