// held: events that nobody owns, or nobody's key proves.
#include <cstdio>
#include <thread>

#include "base/phone.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "events/json.hpp"
#include "mask.hpp"
#include "ottoctl/sql.hpp"

namespace otto::ottoctl {
namespace {

pg::Param number_option(const Invocation& call) {
    auto text = call.option("number");
    if (!text) return nullptr;
    return normalize_phone(*text).text;
}

/// What is chosen: ids, or by number and reason, or all.
pg::Params chosen(const Invocation& call) {
    bool by_filter = call.has("number") || call.has("reason") || call.has("all");
    if (call.operands().empty() && !by_filter)
        throw UsageError("held release takes ids, or --number, --reason, or --all", "ottoctl held list shows what is held");
    if (!call.operands().empty() && by_filter)
        throw UsageError("held release takes either ids or --number, --reason, --all", "not both");
    pg::Param ids = call.operands().empty() ? pg::Param(nullptr) : pg::Param::array(ids_of(call.operands()));
    return {ids, number_option(call), call.option("reason")};
}

/// Why each of `ids` that is not chosen cannot be: it went on already, or is not known.
std::vector<Record> not_waiting(pg::Tx& tx, const Invocation& call) {
    std::vector<Record> out;
    if (call.operands().empty()) return out;
    return records(tx, sql::held_not_waiting, {pg::Param::array(ids_of(call.operands()))});
}

}  // namespace

int held_list(const Invocation& call) {
    auto db = operators_database(call.settings());
    auto tx = db.begin(pg::Scope::none());
    auto list = records(tx, sql::held_list,
                        {call.has("released"), number_option(call), call.option("reason"), call.number("limit", 50, 1, 100'000)});
    auto totals = records(tx, sql::held_reasons, {number_option(call), call.option("reason")});
    tx.commit();
    Report report;
    bool any = !list.empty();
    report.many(
        "held", std::move(list),
        call.has("released")
            ? std::vector<std::string>{"event_id", "received_at", "provider", "kind", "number", "released_at", "released_to"}
            : std::vector<std::string>{"event_id", "received_at", "provider", "kind", "number", "verdict", "reason"},
        "nothing is held");
    report.many("by_reason", std::move(totals), {"events", "reason", "cure"}, "nothing is held");
    print(call, report);
    return any ? kDone : kRefused;
}

int held_show(const Invocation& call) {
    auto db = operators_database(call.settings());
    auto id = id_of(call.operands().front());
    auto tx = db.begin(pg::Scope::none());
    auto found = records(tx, sql::held_one, {id});
    if (found.empty())
        throw Failure(Error("no event " + id.to_string() + " is or was held",
                            "ottoctl event " + id.to_string() + " looks for it everywhere"));
    auto& record = found.front();
    std::string bytes, body;
    tx.each(sql::held_bytes, {id}, [&](const pg::Fields& f) {
        bytes = f.bytes("record");
        body = f.bytes("raw_body");
    });
    auto number = find(record, "number");
    auto owners = records(tx, sql::number_owners, {number ? number->text : ""});
    auto actions = records(tx, sql::actions_on, {id});
    tx.commit();
    put(record, "body_bytes", body.size());
    if (call.has("show-persons")) {
        put(record, "raw_body", valid_utf8(body) ? Cell(body) : Cell("(no text)"));
    } else {
        auto reason = *find(record, "reason");  // names the company's own line, not the caller's
        mask_persons(record);
        put(record, "reason", reason);
    }
    Report report;
    if (auto message = events::new_message("otto.inbound.v1.ProviderEvent"); message && events::parse_into(*message, bytes)) {
        auto json = events::to_json(*message).value();
        auto document = JsonDocument::parse(json).value();
        Cell payload;
        payload.json = call.has("show-persons") ? json : mask_event(document.root());
        payload.text = payload.json;
        put(record, "payload", payload);
    }
    auto column = [&](const char* name) { return find(record, name) ? find(record, name)->text : std::string{}; };
    std::string conclusion = !column("released_at").empty()
                                 ? "It went on to " + column("released_to") + " at " + column("released_at") + "."
                                 : "It is held: " + column("reason") + ". Cure: " + column("cure");
    report.one("held", std::move(record));
    report.many("owners_of_the_number", std::move(owners), {}, "no company has this number");
    if (!actions.empty()) report.many("operators", std::move(actions));
    report.note(conclusion);
    print(call, report);
    return kDone;
}

int held_release(const Invocation& call) {
    auto params = chosen(call);
    auto wait = call.duration("wait", Millis{15'000});
    auto db = operators_database(call.settings());
    std::vector<std::string> ids;
    std::vector<Record> refused;
    Report summary;
    {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::held_chosen, params, [&](const pg::Fields& f) { ids.push_back(f.text("event_id")); });
        refused = not_waiting(tx, call);
        summary.many("to_be_tried", records(tx, sql::held_summary, {pg::Param::array(ids)}), {}, "nothing is held that fits");
        tx.commit();
    }
    if (ids.empty()) {
        summary.many("not_held", refused);
        print(call, summary);
        return kRefused;
    }
    if (ids.size() > 1 && !call.has("yes")) {
        summary.note(std::to_string(ids.size()) +
                     " held events would be tried by the router now. Only what has an owner whose key proves it goes on; the "
                     "rest stays held.");
        return refuse_without_yes(call, std::move(summary));
    }
    {
        auto tx = db.begin(pg::Scope::none());
        tx.write(sql::ask_release, {pg::Param::array(ids)});
        tx.write(sql::note_release, {operator_name(call.settings()), pg::Param::array(ids)});
        tx.commit();
    }
    // The router's releaser looks every two seconds and clears the mark with its answer.
    std::int64_t open = 0;
    auto end = std::chrono::steady_clock::now() + wait;
    while (true) {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::held_untried, {pg::Param::array(ids)}, [&](const pg::Fields& f) { open = f.integer("n"); });
        tx.commit();
        if (open == 0 || std::chrono::steady_clock::now() >= end) break;
        std::this_thread::sleep_for(Millis{100});
    }
    auto tx = db.begin(pg::Scope::none());
    auto outcomes = records(tx, sql::held_outcomes, {pg::Param::array(ids)});
    tx.write(sql::note_released, {operator_name(call.settings()), pg::Param::array(ids)});
    tx.commit();
    std::size_t went = 0, stays = 0;
    for (const auto& r : outcomes) {
        const auto& outcome = find(r, "outcome")->text;
        went += outcome == "went on";
        stays += outcome == "stays held";
    }
    Report report;
    report.many("released", std::move(outcomes), {"event_id", "outcome", "released_to", "reason", "cure"});
    if (!refused.empty()) report.many("not_held", std::move(refused));
    report.note(std::to_string(went) + " went on, " + std::to_string(stays) + " stay held.");
    if (open > 0)
        report.note(std::to_string(open) + " were not tried within " + std::to_string(wait.count() / 1000) +
                    " s: is tenant-router running (deploy/status)? They are marked, and tried as soon as it is.");
    print(call, report);
    return open > 0 ? kFailed : stays > 0 ? kRefused : kDone;
}

}  // namespace otto::ottoctl
