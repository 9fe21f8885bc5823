#include <algorithm>
#include <future>
#include <random>

#include "lead-pipeline/sql.hpp"
#include "steps.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// A report that shows that two ids are one call's.
inbound::v1::CallReport joining(const std::string& one, const std::string& other, const std::string& phone = "+12025550100") {
    auto r = report(one, "completed", 0, phone);
    r.add_aliases(other);
    return r;
}

std::string count_of(const std::string& table, const std::string& company) {
    return lines("SELECT count(*) AS v FROM " + table + " WHERE company_id = $1", company);
}

/// Everything that people see of the company's one call.
std::string seen(const std::string& company) {
    return lines(
               "SELECT concat_ws(' ', c.provider_call_id, c.status, l.status, v.booking_status, v.version, v.call_id = "
               "c.call_id, v.lead_id = c.lead_id) AS v FROM calls c "
               "JOIN leads l ON l.company_id = c.company_id AND l.id = c.lead_id LEFT JOIN call_verdicts v ON v.company_id = "
               "c.company_id WHERE c.company_id = $1",
               company) +
           lines(
               "SELECT concat_ws(' ', 'task', t.action_type, t.description, t.status, t.call_id = c.call_id, t.lead_id = "
               "c.lead_id) AS v FROM tasks t JOIN calls c ON c.company_id = t.company_id "
               "WHERE t.company_id = $1 ORDER BY t.status DESC, 1",
               company) +
           "calls " + count_of("calls", company) + "leads " + count_of("leads", company) + "cards " +
           count_of("contact_cards", company) + "facts " + count_of("call_facts", company) +
           lines("SELECT list || ' ' || sum(part) AS v FROM list_totals WHERE company_id = $1 GROUP BY list ORDER BY list",
                 company) +
           "miscounted " +
           lines(
               "SELECT coalesce(sum(pending), 0) - (SELECT count(*) FROM leads WHERE company_id = $1 AND lead_is_pending(status, "
               "pool_status)) AS v FROM pending_leads WHERE company_id = $1",
               company);
}

std::string type_of(const rt::Sink::Item& item) {
    for (const auto& [name, v] : item.wire.headers)
        if (name == "ce_type") return v.substr(v.rfind('.') + 1);
    return "";
}

/// The events of one report.
std::vector<rt::Sink::Item> told(const std::string& company, const inbound::v1::CallReport& r) {
    routed::v1::CallReported e;
    e.set_company_id(company);
    e.mutable_receipt()->set_provider("callrail");
    e.mutable_receipt()->set_received_at_us(to_micros(at(1000)));
    *e.mutable_call() = r;
    rt::Envelope meta;
    meta.id = EventId{Uuid::v7(system_clock().now())};
    meta.company = CompanyId{company};
    std::vector<rt::In<routed::v1::CallReported>> ins{{e, meta}};
    auto tx = Db::shared().service.begin(pg::Scope::company(meta.company));
    rt::Sink sink("lead-pipeline");
    CallsOut out(sink);
    Calls().record(ins, tx, out);
    tx.commit();
    return sink.items();
}

}  // namespace

TEST_CASE("two rows that prove to be one call: it is told before the call is, and nothing is counted twice", "[integration]") {
    auto older = call("org_fold", "100", 0), younger = call("org_fold", "CALx", 0);
    REQUIRE(older.id < younger.id);
    auto items = told("org_fold", joining("CALx", "100"));
    auto folded = std::find_if(items.begin(), items.end(), [](const auto& i) { return type_of(i) == "CallFolded"; });
    auto recorded = std::find_if(items.begin(), items.end(), [](const auto& i) { return type_of(i) == "CallRecorded"; });
    REQUIRE((folded != items.end() && recorded != items.end() && folded < recorded));
    calls::v1::CallFolded f;
    calls::v1::CallRecorded c;
    REQUIRE((f.ParseFromString(folded->wire.value) && c.ParseFromString(recorded->wire.value)));
    CHECK(folded->wire.key == recorded->wire.key);
    CHECK((f.from() == younger.id && f.into() == older.id && f.version() == c.version() && c.call_id() == older.id));
    CHECK(seen("org_fold") ==
          "CALx completed new\ncalls 1\nleads 1\ncards 1\nfacts 1\ncalls 1\ncontact_cards 1\nleads 1\nmiscounted 0\n");
    CHECK(lines("SELECT concat_ws(' ', from_id, into_id) AS v FROM folded_calls WHERE company_id = $1", "org_fold") ==
          std::to_string(younger.id) + " " + std::to_string(older.id) + "\n");
    // Told once.
    for (const auto& item : told("org_fold", joining("CALx", "100"))) CHECK(type_of(item) != "CallFolded");
}

TEST_CASE("what is written over a restored database is above what was told of the call before", "[integration]") {
    auto version_of = [](const std::vector<rt::Sink::Item>& items) {
        calls::v1::CallRecorded c;
        for (const auto& item : items)
            if (type_of(item) == "CallRecorded") REQUIRE(c.ParseFromString(item.wire.value));
        return c.version();
    };
    auto first = version_of(told("org_restored", report("100", "in_progress", 0)));
    auto row = [] { return lines("SELECT version AS v FROM calls WHERE company_id = $1", "org_restored"); };
    auto kept = row();
    auto lost = first;
    for (int changes = 0; changes < 3; ++changes) {
        auto next = version_of(told("org_restored", report("100", "completed", 0)));
        CHECK(next > lost);
        lost = next;
    }
    // What a restore brings back.
    testkit::until_past(lost);
    Db::shared().owner.execute("UPDATE calls SET version = " + kept.substr(0, kept.size() - 1) +
                               " WHERE company_id = 'org_restored'");
    CHECK(version_of(told("org_restored", report("100", "completed", 0))) > lost);
}

TEST_CASE("of three rows that are one call, whatever the order of folds, old ids lead to the last", "[integration]") {
    auto a = call("org_fold3", "A", 0), b = call("org_fold3", "B", 0, "anonymous"), c = call("org_fold3", "C", 0, "withheld");
    SECTION("one after another") {
        record("org_fold3", joining("B", "C", "anonymous"));
        record("org_fold3", joining("A", "B"));
    }
    SECTION("all at once") {
        auto all = joining("A", "B");
        all.add_aliases("C");
        record("org_fold3", all);
    }
    auto into = std::to_string(a.id) + "\n";
    CHECK(lines("SELECT into_id AS v FROM folded_calls WHERE company_id = $1 ORDER BY from_id", "org_fold3") == into + into);
    CHECK(seen("org_fold3").find("calls 1\nleads 1\ncards 1\nfacts 1\ncalls 1\ncontact_cards 1\nleads 1\nmiscounted 0\n") !=
          std::string::npos);  // no lead or card of a caller without a number is left over
    CHECK((b.id > a.id && c.id > b.id));
    Db::shared().owner.execute(
        "DELETE FROM folded_calls WHERE company_id = 'org_fold3'; DELETE FROM calls WHERE company_id = 'org_fold3'; DELETE FROM "
        "call_aliases WHERE company_id = 'org_fold3'");
}

TEST_CASE("a fold before, between and after analyses of both rows: one verdict, and each thing is to be done once",
          "[integration]") {
    std::mt19937 dice(5);
    for (int round = 0; round < 60; ++round) {
        auto company = "org_fold_perm" + std::to_string(round);
        bool with_number = dice() % 2 == 0, both = dice() % 2 == 0;
        auto first = call(company, "100", 0), second = call(company, "CALx", 0, with_number ? "+12025550100" : "anonymous");
        auto asked = [&](const PlacedCall& c, const char* booking, std::int64_t version, const char* words) {
            auto e = said(company, c, 0, booking, "hot", version);
            add_action(e, "call_back", words);
            return e;
        };
        // What the younger row's analyses said, and perhaps one of the older row; what counts in the end is told anew of the call
        // that stays, above both.
        std::vector<AnalysisCompleted> before{asked(second, "not_booked", 1, "call her"), asked(second, "booked", 2, "ring her")};
        if (both) before.push_back(asked(first, "not_booked", 1, "call"));
        std::shuffle(before.begin(), before.end(), dice);
        auto cut = dice() % (before.size() + 1);
        for (std::size_t i = 0; i < cut; ++i) analyse({before[i]});
        record(company, joining("CALx", "100"));
        auto after = before;
        auto counts = asked(placed(company, "100"), "booked", 3, "ring her");
        after.insert(after.begin() + static_cast<long>(dice() % (after.size() + 1)), counts);
        for (const auto& e : after) analyse({e});
        INFO("round " << round << (with_number ? " with" : " without") << " a number, " << (both ? "both" : "one")
                      << " analysed, fold after " << cut);
        auto shown = seen(company);
        REQUIRE(shown.starts_with("CALx completed qualified_booked booked 3 t t\ntask call_back ring her open t t\n"));
        REQUIRE(shown.ends_with("calls 1\nleads 1\ncards 1\nfacts 1\ncalls 1\ncontact_cards 1\nleads 1\nmiscounted 0\n"));
        REQUIRE(lines("SELECT count(*) AS v FROM tasks WHERE company_id = $1 AND status = 'open'", company) == "1\n");
    }
}

TEST_CASE("what a person did to a task of either row stays", "[integration]") {
    for (bool younger_touched : {false, true}) {
        auto company = std::string("org_fold_hand") + (younger_touched ? "1" : "0");
        auto first = call(company, "100", 0), second = call(company, "CALx", 0);
        for (const auto& c : {first, second}) {
            auto e = said(company, c, 0, "booked", "hot");
            add_action(e, "call_back", c.id == first.id ? "older" : "younger");
            analyse({e});
        }
        Db::shared().owner.execute("UPDATE tasks SET edited_by = 'user_x', due_at = '2030-01-01' WHERE company_id = '" + company +
                                   "' AND description = '" + (younger_touched ? "younger" : "older") + "'");
        record(company, joining("CALx", "100"));
        auto again = said(company, first, 0, "booked", "hot", 2);
        add_action(again, "call_back", "in other words");
        analyse({again});
        CHECK(lines("SELECT concat_ws(' ', description, status, edited_by) AS v FROM tasks WHERE company_id = $1 ORDER BY status "
                    "DESC",
                    company) ==
              (younger_touched ? "younger open user_x\nolder cancelled\n" : "older open user_x\nyounger cancelled\n"));
    }
}

TEST_CASE("a report that meets a fold half done is taken for the call that stays", "[integration]") {
    auto first = call("org_fold_race", "CALx", 0), second = call("org_fold_race", "200", 0);
    pg::Connection other(Db::shared().service_url(), "folding");
    auto fold = [&](pg::Tx& tx) {
        routed::v1::CallReported e;
        e.set_company_id("org_fold_race");
        e.mutable_receipt()->set_provider("callrail");
        e.mutable_receipt()->set_received_at_us(to_micros(at(1000)));
        *e.mutable_call() = joining("CALx", "200");
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        meta.company = CompanyId{"org_fold_race"};
        std::vector<rt::In<routed::v1::CallReported>> ins{{e, meta}};
        rt::Sink sink("lead-pipeline");
        CallsOut out(sink);
        Calls().record(ins, tx, out);
    };
    auto held = other.begin(pg::Scope::company(CompanyId{"org_fold_race"}));
    fold(held);
    held.many<Text>({"here", "SELECT '' AS v"});  // all of it has been done, and is not committed
    // Without a callable number: of another partition, and no card to wait at.
    auto nameless = report("200", "completed", 0, "anonymous");
    nameless.clear_customer_phone();
    auto late = std::async(std::launch::async, [&]() -> std::string {
        try {
            record("org_fold_race", nameless);
            return "done";
        } catch (const pg::SqlFailure& e) {
            return e.sqlstate();
        }
    });
    while (lines("SELECT count(*) AS v FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FROM calls WHERE%' "
                 "AND $1 <> ''",
                 "x") == "0\n" &&
           late.wait_for(Millis{1}) != std::future_status::ready) {
    }
    held.commit();
    CHECK(late.get() == "40001");  // upon which the runtime runs the batch again
    record("org_fold_race", nameless);
    CHECK(count_of("calls", "org_fold_race") == "1\n");
    CHECK(count_of("leads", "org_fold_race") == "1\n");
    CHECK(lines("SELECT alias || ' ' || call_id AS v FROM call_aliases WHERE company_id = $1 ORDER BY 1", "org_fold_race") ==
          "200 " + std::to_string(first.id) + "\nCALx " + std::to_string(first.id) + "\n");
    CHECK(second.id > first.id);
}
