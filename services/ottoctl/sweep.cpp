// sweep: calls and texts whose webhooks never came, and signatures that failed.
#include <thread>

#include "commands.hpp"
#include "database.hpp"
#include "ottoctl/sql.hpp"

namespace otto::ottoctl {
namespace {

Report report_of(pg::Tx& tx, const pg::Param& named) {
    Report report;
    report.many("sweeps", records(tx, sql::sweeps, {named}),
                {"provider", "company_id", "account", "finished_at", "pages", "seen", "missing", "early", "differing", "error"},
                "nobody with an account at CallRail or Twilio has been swept");
    auto failures = records(tx, sql::signature_failures, {named});
    if (!failures.empty())
        report.many("signatures", std::move(failures), {"company_id", "provider", "failures", "last_at", "why"});
    return report;
}

}  // namespace

int sweep(const Invocation& call) {
    bool now = call.has("now");
    if (now && call.operands().empty())
        throw UsageError("sweep --now takes the ids of companies or of accounts (CallRail's ACC…, Twilio's AC…)",
                         "ottoctl sweep shows them");
    auto wait = call.duration("wait", Millis{60'000});
    auto db = operators_database(call.settings());
    pg::Param named = call.operands().empty() ? pg::Param(nullptr) : pg::Param::array(call.operands());
    if (!now) {
        auto tx = db.begin(pg::Scope::none());
        auto report = report_of(tx, named);
        bool any = false;
        tx.each(sql::swept_companies, {named}, [&](const pg::Fields& f) { any = f.integer("n") > 0; });
        tx.commit();
        print(call, report);
        return any ? kDone : kRefused;
    }
    std::vector<std::string> asked;
    {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::ask_sweep, {named}, [&](const pg::Fields& f) { asked.push_back(f.text("company_id")); });
        tx.commit();
    }
    if (asked.empty()) {
        Report report;
        report.note(
            "No active company that fits has a CallRail account and an API key, or a Twilio account: set them (POST "
            "/api/v1/company/set-callrail-api-key/{id}, …/set-callrail-account-id/{id}, /api/v1/onboarding/twilio/connect).");
        print(call, report);
        return kRefused;
    }
    std::int64_t open = 0, failed = 0;
    auto end = std::chrono::steady_clock::now() + wait;
    auto knock_again = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (true) {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::sweeps_under_way, {pg::Param::array(asked)}, [&](const pg::Fields& f) {
            open = f.integer("open");
            failed = f.integer("failed");
        });
        if (std::chrono::steady_clock::now() >=
            knock_again) {  // a company that was connected a moment ago may not have been known at the first knock
            tx.each(sql::knock_sweep, {}, [](const pg::Fields&) {});
            knock_again += std::chrono::seconds(3);
        }
        tx.commit();
        if (open == 0 || std::chrono::steady_clock::now() >= end) break;
        std::this_thread::sleep_for(Millis{100});
    }
    auto tx = db.begin(pg::Scope::none());
    auto report = report_of(tx, pg::Param::array(asked));
    tx.commit();
    if (open > 0)
        report.note(std::to_string(open) + " were not swept within " + std::to_string(wait.count() / 1000) +
                    " s: is company-service running (deploy/status), and has the provider asked to wait (not_before)? They are "
                    "marked, and swept as soon as it can be.");
    print(call, report);
    return open > 0 ? kFailed : failed > 0 ? kRefused : kDone;
}

}  // namespace otto::ottoctl
