// texts: what is still to leave, and what holds it up.
#include <map>
#include <thread>

#include "commands.hpp"
#include "database.hpp"
#include "mask.hpp"
#include "ottoctl/sql.hpp"

namespace otto::ottoctl {
namespace {

constexpr std::size_t kShown = 100;  ///< of those that were tried again, one by one

/// What is chosen: ids, or what is held up of a company, or of all.
pg::Params chosen(const Invocation& call) {
    bool by_filter = call.has("company") || call.has("all");
    if (call.operands().empty() && !by_filter)
        throw UsageError("texts retry takes ids, or --company, or --all", "ottoctl texts shows what is held up");
    if (!call.operands().empty() && by_filter) throw UsageError("texts retry takes either ids or --company, --all", "not both");
    pg::Param ids = call.operands().empty() ? pg::Param(nullptr) : pg::Param::array(ids_of(call.operands()));
    return {ids, call.option("company")};
}

/// Those that were chosen, and whose they are.
struct Chosen {
    std::vector<std::string> companies, ids;

    static Chosen of(pg::Tx& tx, pg::Params params) {
        Chosen c;
        tx.each(sql::texts_chosen, std::move(params), [&](const pg::Fields& f) {
            c.companies.push_back(f.text("company_id"));
            c.ids.push_back(f.text("message_id"));
        });
        return c;
    }
    pg::Params params(std::initializer_list<pg::Param> more = {}) const {
        pg::Params all{pg::Param::array(companies), pg::Param::array(ids)};
        all.insert(all.end(), more);
        return all;
    }
};

/// What came of those that were looked at.
struct Outcomes {
    std::vector<Record> texts;
    std::map<std::string, std::size_t> counts;

    Outcomes(pg::Tx& tx, const Chosen& chosen) : texts(records(tx, sql::texts_outcomes, chosen.params())) {
        for (const auto& r : texts) ++counts[find(r, "outcome")->text];
    }
    std::string said() const {
        std::string out;
        for (const auto& [outcome, n] : counts) out.append(out.empty() ? "" : ", ").append(std::to_string(n) + " " + outcome);
        return out + ".";
    }
    bool all_known() const { return !counts.contains("waits") && !counts.contains("in doubt"); }
};

}  // namespace

int texts(const Invocation& call) {
    pg::Param companies = call.operands().empty() ? pg::Param(nullptr) : pg::Param::array(call.operands());
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto lines = records(tx, sql::texts_by_company, {companies});
    auto held_up = records(tx, sql::texts_held_up, {companies, call.number("limit", 50, 1, 100'000)});
    tx.commit();
    if (!call.has("show-persons"))
        for (auto& r : held_up) mask_persons(r);
    const bool any = !lines.empty();
    Report report;
    report.many("companies", std::move(lines),
                {"company_id", "texts", "scheduled", "waiting", "under_way", "in_doubt", "put_off", "oldest_s", "paused_until",
                 "paused_why"},
                "no text waits");
    report.many("held_up", std::move(held_up),
                {"id", "company_id", "number", "to_number", "state", "asked_at", "failures", "next_at", "why"},
                "none is in doubt or put off");
    print(call, report);
    return any ? kDone : kRefused;
}

int texts_retry(const Invocation& call) {
    auto asked_for = chosen(call);
    auto wait = call.duration("wait", Millis{15'000});
    auto db = operators_database(call.settings());
    Chosen some;
    std::vector<Record> refused;
    std::optional<Instant> asked;
    {
        auto tx = db.begin(pg::Scope::none());
        Report summary;
        some = Chosen::of(tx, asked_for);
        if (!call.operands().empty()) refused = records(tx, sql::texts_not_in_line, {asked_for.front()});
        summary.many("to_be_tried", records(tx, sql::texts_summary, some.params()), {}, "no text that fits is held up");
        if (!refused.empty()) summary.many("not_in_line", refused);
        if (some.ids.empty()) {
            print(call, summary);
            return kRefused;
        }
        if (some.ids.size() > 1 && !call.has("yes")) {
            summary.note(std::to_string(some.ids.size()) +
                         " texts would be looked at now. None leaves twice, and none to who asked for no texts.");
            return refuse_without_yes(call, std::move(summary));
        }
        tx.write(sql::note_texts, some.params({operator_name(call.settings()), call.option("reason").value_or("")}));
        tx.each(sql::ask_texts, some.params(), [&](const pg::Fields& f) { asked = f.time("at"); });
        tx.write(sql::end_pauses, {pg::Param::array(some.companies)});
        tx.commit();
    }
    std::int64_t open = 0;
    for (auto end = std::chrono::steady_clock::now() + wait; asked; std::this_thread::sleep_for(Millis{100})) {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::texts_under_way, some.params({asked}), [&](const pg::Fields& f) { open = f.integer("n"); });
        tx.commit();
        if (open == 0 || std::chrono::steady_clock::now() >= end) break;
    }
    auto tx = db.begin(pg::Scope::none());
    Outcomes outcomes(tx, some);
    tx.commit();
    Report report;
    report.note(outcomes.said());
    if (outcomes.texts.size() > kShown) {
        report.note("Shown are the " + std::to_string(kShown) + " oldest.");
        outcomes.texts.resize(kShown);
    }
    report.many("retried", std::move(outcomes.texts), {"id", "company_id", "outcome", "status", "why"});
    if (!refused.empty()) report.many("not_in_line", std::move(refused));
    if (open > 0)
        report.note("Not all were looked at within " + std::to_string(wait.count() / 1000) +
                    " s: is lead-pipeline running (deploy/status)? They are looked at as soon as it is.");
    print(call, report);
    return open > 0 ? kFailed : outcomes.all_known() ? kDone : kRefused;
}

}  // namespace otto::ottoctl
