#include "handlers/analyses.hpp"

#include <algorithm>
#include <random>

#include "handlers/doubts.hpp"
#include "handlers/due.hpp"
#include "lead-pipeline/sql.hpp"
#include "rules/task.hpp"
#include "steps.hpp"
#include "testing/catch.hpp"
#include "testkit/rig.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

std::string leads_of(const std::string& company) {
    return Db::shared().lines(
        "SELECT concat_ws(' ', status, pool_status, last_qualified_at AT TIME ZONE 'UTC', closed_at IS NOT NULL) AS v FROM leads "
        "WHERE company_id = $1 ORDER BY created_at, id",
        {company});
}
std::string tasks_of(const std::string& company) {
    return Db::shared().lines(
        "SELECT concat_ws('|', source, action_type, description, assigned_to, assignee_id, status, priority, due_at AT TIME ZONE "
        "'UTC') AS v FROM tasks WHERE company_id = $1 ORDER BY 1",
        {company});
}
std::string status_of(const std::string& company, const PlacedCall& call) {
    return Db::shared().lines("SELECT status AS v FROM leads WHERE company_id = $1 AND id = $2", {company, call.lead});
}
/// What is due: tasks first, so that those which follow from calls are due the next time.
void run_due() {
    const DueWork due;
    pg::Pool pool(Db::shared().service_url(), "due", 1);
    rt::WorkQueue tasks(rt::work_of<&DueWork::make_overdue>(std::string(kOverdueTasks), due), 1),
        calls(rt::work_of<&DueWork::call_back>(std::string(kMissedCalls), due), 1);
    for (auto* queue : {&tasks, &calls})
        while (queue->run_one(pool)) {
        }
}
void company(const std::string& id, const std::string& timezone) {
    as_owner("INSERT INTO companies (id, name, timezone) VALUES ('" + id + "', 'C', '" + timezone + "') ON CONFLICT DO NOTHING");
}

}  // namespace

TEST_CASE("a booked call: lead, contact, tasks, and whoever wants to know is told", "[integration]") {
    company("org_an_1", "America/Phoenix");
    auto c = call("org_an_1", "C1", 0);
    auto e = said("org_an_1", c, 0, "booked", "hot");
    e.set_customer_name("Kaylah Mills");
    e.set_address("12 Elm Street");
    e.set_city("Phoenix");
    e.set_owner_id("user_csr");
    add_action(e, "send_quote", "send the quote by Tuesday at ten", "2026-11-24T10:00:00");
    add_action(e, "follow up tomorrow", "", "tomorrow", "sales_rep");
    add_action(e, "call_back", "on the 25th", "2026-11-25");
    CHECK(analyse({e}) == std::multiset<std::string>{"contact", "lead", "task", "task", "task"});
    CHECK(leads_of("org_an_1") == "qualified_booked in_pool 2023-11-14 22:15:01 f\n");
    CHECK(tasks_of("org_an_1") ==
          "shunya|call_back|on the 25th|csr|user_csr|open|medium|2026-11-26 06:59:59\n"
          "shunya|custom|follow up tomorrow|rep|open|medium\n"
          "shunya|send_quote|send the quote by Tuesday at ten|csr|user_csr|open|medium|2026-11-24 17:00:00\n");
    CHECK(Db::shared().lines("SELECT concat_ws(' ', first_name, last_name, address, city) AS v FROM contact_cards WHERE "
                             "company_id = 'org_an_1'") == "Kaylah Mills 12 Elm Street Phoenix\n");
    // Again, under another event's id: nothing changes and nobody is told.
    CHECK(analyse({e}).empty());
    CHECK(Db::shared().lines("SELECT booking_status || ' ' || version AS v FROM call_verdicts WHERE company_id = 'org_an_1'") ==
          "booked 1\n");
}

TEST_CASE("a task of who was removed is anybody's of that role", "[integration]") {
    company("org_an_gone", "America/Phoenix");
    for (std::string user : {"user_gone", "user_here"})
        as_owner("INSERT INTO company_users (company_id, id, role, status) VALUES ('org_an_gone', '" + user + "', 'csr', '" +
                 (user == "user_gone" ? "removed" : "active") + "')");
    for (std::string user : {"user_gone", "user_here"}) {
        auto c = call("org_an_gone", user, 0);
        auto e = said("org_an_gone", c, 0, "not_booked", "hot");
        e.set_owner_id(user);
        const auto description = "quote of " + user;
        add_action(e, "send_quote", description.c_str(), "2026-11-24T10:00:00");
        analyse({e});
    }
    CHECK(Db::shared().lines("SELECT description || ' ' || coalesce(assignee_id, 'csr') AS v FROM tasks WHERE company_id = "
                             "'org_an_gone' ORDER BY 1") == "quote of user_gone csr\nquote of user_here user_here\n");
}

TEST_CASE("any order, any batches and repeats of analyses and a person's edit: the same lead, contact and tasks",
          "[integration]") {
    std::mt19937 dice(17);
    std::string wanted;
    for (int round = 0; round < 40; ++round) {
        auto id = "org_an_perm" + std::to_string(round);
        company(id, "America/Phoenix");
        auto first = call(id, "P1", 10), second = call(id, "P2", 20);
        auto third = call(id, "P3", 200'000'000);  // starts after the edit
        std::vector<AnalysisCompleted> before{said(id, first, 10, "not_booked", "hot"), said(id, first, 10, "booked", "hot", 2),
                                              said(id, second, 20, "", "cold")};
        before[0].set_customer_name("K Mills");
        before[0].set_address("1 Old Street");
        before[1].set_customer_name("Kaylah Mills");
        before[2].set_city("Mesa");
        add_action(before[0], "call_back", "call her");
        add_action(before[1], "call_back", "ring her", "2026-11-24");
        add_action(before[1], "send_quote", "the quote");
        add_action(before[2], "send_photos", "photos of the roof");
        auto after = said(id, third, 200'000'000, "", "warm");
        if (round > 0) std::shuffle(before.begin(), before.end(), dice);
        auto events = before;
        for (int n = 0; n < 3; ++n)
            events.insert(events.begin() + static_cast<long>(dice() % events.size()), before[dice() % before.size()]);
        auto cut = dice() % (events.size() + 1);  // when the person speaks
        auto run = [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to;) {
                auto n = std::min(to - i, 1 + dice() % 4);
                analyse({events.begin() + static_cast<long>(i), events.begin() + static_cast<long>(i + n)});
                i += n;
            }
        };
        run(0, cut);
        {
            auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{id}));
            tx.write(sql::edit_lead_status, {id, first.lead, "nurturing", "user_m"});
            tx.commit();
        }
        run(cut, events.size());
        CHECK(leads_of(id).starts_with("nurturing "));
        analyse({after});
        auto rows =
            leads_of(id) + tasks_of(id) +
            Db::shared().lines(
                "SELECT concat_ws(' ', first_name, last_name, address, city) AS v FROM contact_cards WHERE company_id = $1",
                {id}) +
            Db::shared().lines(
                "SELECT concat_ws(' ', booking_status, lead_quality, version) AS v FROM call_verdicts WHERE company_id = $1 "
                "ORDER BY call_id",
                {id});
        if (round == 0) wanted = rows;
        INFO("round " << round);
        REQUIRE(rows == wanted);
    }
    CHECK(wanted.starts_with("warm in_pool "));
    CHECK(wanted.find("Kaylah Mills 1 Old Street Mesa") != std::string::npos);
    CHECK(wanted.find("call_back|ring her") != std::string::npos);
    CHECK(wanted.find("call her") == std::string::npos);
}

TEST_CASE("an analysis that no longer qualifies takes back what the former said", "[integration]") {
    auto c = call("org_an_back", "B1", 0);
    analyse({said("org_an_back", c, 0, "", "hot")});
    CHECK(status_of("org_an_back", c) == "hot\n");
    analyse({said("org_an_back", c, 0, "", "", 2)});
    CHECK(status_of("org_an_back", c) == "new\n");
    // What nobody has said anything about stays as it is.
    as_owner("UPDATE leads SET status = 'nurturing' WHERE company_id = 'org_an_back'");
    analyse({said("org_an_back", c, 0, "", "", 3)});
    CHECK(status_of("org_an_back", c) == "nurturing\n");
}

TEST_CASE("a lead that an analysis closed opens again, unless the contact has another open one", "[integration]") {
    auto first = call("org_an_open", "O1", 0);
    analyse({said("org_an_open", first, 0, "not_booked", "unqualified")});
    CHECK(leads_of("org_an_open") == "closed_lost closed t\n");
    analyse({said("org_an_open", first, 0, "not_booked", "warm", 2)});
    CHECK(leads_of("org_an_open") == "qualified_unbooked in_pool 2023-11-14 22:15:02 f\n");
    analyse({said("org_an_open", first, 0, "not_booked", "unqualified", 3)});
    auto second = call("org_an_open", "O2", 50);
    REQUIRE(second.lead != first.lead);
    analyse({said("org_an_open", second, 50, "", "cold")});
    CHECK(analyse({said("org_an_open", first, 0, "booked", "warm", 4)}).count("lead") == 1);
    CHECK(status_of("org_an_open", first) == "closed_lost\n");
    CHECK(status_of("org_an_open", second) == "qualified_booked\n");
    // It has gone there for good.
    analyse({said("org_an_open", first, 0, "not_booked", "warm", 5)});
    CHECK(status_of("org_an_open", first) == "closed_lost\n");
    CHECK(status_of("org_an_open", second) == "cold\n");
}

TEST_CASE("a task that a person had a hand in is not changed by a newer analysis", "[integration]") {
    auto c = call("org_an_hand", "H1", 0);
    auto first = said("org_an_hand", c, 0, "not_booked", "hot");
    add_action(first, "call_back", "call on Tuesday");
    add_action(first, "send_quote", "the quote");
    analyse({first});
    as_owner(
        "UPDATE tasks SET description = 'mine', status = 'completed', edited_by = 'user_x' WHERE company_id = 'org_an_hand' AND "
        "action_type = 'call_back'");
    auto second = said("org_an_hand", c, 0, "not_booked", "hot", 2);
    add_action(second, "call_back", "call on Wednesday");
    add_action(second, "send_quote", "the long quote");
    analyse({second});
    CHECK(tasks_of("org_an_hand") ==
          "shunya|call_back|mine|csr|completed|medium\nshunya|send_quote|the long quote|csr|open|medium\n");
}

TEST_CASE("two companies in one batch, and a call that is nobody's", "[integration]") {
    auto a = call("org_an_a", "X1", 0), b = call("org_an_b", "X1", 0);
    auto stranger = said("org_an_a", b, 0, "booked", "hot");  // org_b's call under org_a's name
    analyse({said("org_an_a", a, 0, "", "hot"), stranger, said("org_an_b", b, 0, "", "cold")});
    CHECK(status_of("org_an_a", a) == "hot\n");
    CHECK(status_of("org_an_b", b) == "cold\n");
}

TEST_CASE("a call whose caller's number becomes known takes its verdict and tasks along", "[integration]") {
    auto known = call("org_an_move", "M1", 0);
    auto unknown = call("org_an_move", "M2", 50, "anonymous");
    REQUIRE(known.lead != unknown.lead);
    auto e = said("org_an_move", unknown, 50, "booked", "hot");
    add_action(e, "send_info", "the leaflet");
    analyse({e});
    record("org_an_move", report("M2", "completed", 50));
    CHECK(placed("org_an_move", "M2").lead == known.lead);
    CHECK(leads_of("org_an_move") == "qualified_booked in_pool 2023-11-14 22:15:51 f\n");
    CHECK(Db::shared().lines("SELECT lead_id::text || contact_card_id AS v FROM tasks WHERE company_id = 'org_an_move'") ==
          known.lead + known.contact + "\n");
}

TEST_CASE("a missed call that stays missed is one call-back task a contact and day", "[integration]") {
    company("org_miss", "America/Phoenix");
    auto due = [] {
        return Db::shared().lines("SELECT key AS v FROM work WHERE company_id = 'org_miss' AND queue LIKE 'lead-pipeline/%'");
    };
    // 22:13 UTC is 15:13 in Phoenix; eight hours later is the same day there, but the next one in UTC.
    record("org_miss", report("D1", "missed", 0));
    record("org_miss", report("D2", "voicemail", 8 * 3600));
    record("org_miss", report("D3", "missed", 10 * 3600));
    record("org_miss", report("D4", "missed", 0, "anonymous"));
    record("org_miss", report("D5", "completed", 0, "+12025550177"));
    auto waiting = due();
    CHECK(std::count(waiting.begin(), waiting.end(), '\n') == 3);
    run_due();
    CHECK(tasks_of("org_miss") ==
          "otto|call_back|Call back +12025550100: the call was missed|csr|open|high|2023-11-15 00:13:20\n"
          "otto|call_back|Call back +12025550100: the call was missed|csr|open|high|2023-11-15 10:13:20\n");
    CHECK(due().empty() == false);  // the tasks are due themselves
    run_due();
    CHECK(Db::shared().lines("SELECT count(*) || ' ' || min(status) AS v FROM tasks WHERE company_id = 'org_miss'") ==
          "2 overdue\n");
    CHECK(due().empty());
    CHECK(Db::shared().lines("SELECT count(*) AS v FROM outbox WHERE topic = 'otto.changes' AND key = 'org_miss'") == "4\n");
}

TEST_CASE("answered within the grace: nothing follows", "[integration]") {
    record("org_grace", report("G1", "missed", 0), Millis{3'600'000}, 2'000'000'000 - 1'700'000'000);
    run_due();
    CHECK(tasks_of("org_grace").empty());
    CHECK(Db::shared().lines("SELECT count(*) AS v FROM work WHERE company_id = 'org_grace'") == "1\n");
    auto answered = report("G1", "completed", 0);
    answered.set_answered(true);
    record("org_grace", answered, Millis{3'600'000});
    CHECK(Db::shared().lines("SELECT count(*) AS v FROM work WHERE company_id = 'org_grace'") == "0\n");
    // Seen as missed when it came due, but answered by then.
    record("org_grace", report("G2", "missed", 0));
    as_owner("UPDATE calls SET missed_call = false, status = 'completed' WHERE company_id = 'org_grace'");
    run_due();
    CHECK(tasks_of("org_grace").empty());
}

TEST_CASE("where there is nothing to wait for it costs no statement", "[integration]") {
    auto completed = record("org_cost", report("K1", "completed", 0, "+12025550121")),
         missed = record("org_cost", report("K2", "missed", 0, "+12025550122"));
    CHECK(missed == completed + 1);
    auto again = record("org_cost", report("K1", "completed", 0, "+12025550121")),
         missed_again = record("org_cost", report("K2", "missed", 0, "+12025550122"));
    CHECK(missed_again == again);
    auto answered = report("K2", "completed", 0, "+12025550122");
    answered.set_answered(true);
    CHECK(record("org_cost", answered) == again + 1);
}

TEST_CASE("an open task is overdue once its time has come, however it got there", "[integration]") {
    as_owner(
        "INSERT INTO tasks (company_id, id, description, unique_key, due_at, status) VALUES "
        "('org_due', gen_random_uuid(), 'late', 'a', now() - interval '1 minute', 'open'), ('org_due', gen_random_uuid(), "
        "'later', 'b', now() + interval '1 hour', 'open'), "
        "('org_due', gen_random_uuid(), 'done', 'c', now() - interval '1 hour', 'completed'), ('org_due', gen_random_uuid(), "
        "'whenever', 'd', NULL, 'open')");
    auto states = [] {
        return Db::shared().lines("SELECT description || ' ' || status AS v FROM tasks WHERE company_id = 'org_due' ORDER BY 1");
    };
    run_due();
    CHECK(states() == "done completed\nlate overdue\nlater open\nwhenever open\n");
    as_owner("UPDATE tasks SET due_at = now() - interval '1 second' WHERE company_id = 'org_due' AND description = 'later'");
    as_owner(
        "UPDATE tasks SET status = 'open', due_at = now() + interval '1 day' WHERE company_id = 'org_due' AND description = "
        "'late'");
    run_due();
    CHECK(states() == "done completed\nlate open\nlater overdue\nwhenever open\n");
    as_owner("DELETE FROM tasks WHERE company_id = 'org_due'");
    CHECK(Db::shared().lines("SELECT count(*) AS v FROM work WHERE company_id = 'org_due'") == "0\n");
}

TEST_CASE("a task that somebody is about to change is overdue once that is done", "[integration]") {
    as_owner(
        "INSERT INTO tasks (company_id, id, description, unique_key, due_at, status) VALUES ('org_busy', gen_random_uuid(), "
        "'late', 'a', now() - interval '1 minute', 'open')");
    pg::Connection other(Db::shared().url, "other");
    auto tx = other.begin(pg::Scope::none());
    tx.write({"hold", "UPDATE tasks SET description = 'changed' WHERE company_id = 'org_busy'"});
    tx.flush();
    run_due();
    tx.commit();
    auto state = [] {
        return Db::shared().lines(
            "SELECT t.description || ' ' || t.status || ' ' || (SELECT count(*) FROM work w WHERE w.company_id = t.company_id) "
            "AS v FROM tasks t WHERE t.company_id = 'org_busy'");
    };
    CHECK(state() == "changed open 1\n");
    as_owner("UPDATE work SET due_at = now() WHERE company_id = 'org_busy'");
    run_due();
    CHECK(state() == "changed overdue 0\n");
}

TEST_CASE("one that cannot be done does not hold up the others", "[integration]") {
    as_owner(
        "CREATE FUNCTION refuse_stuck() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.company_id = 'org_stuck' THEN RAISE "
        "EXCEPTION 'not this'; END IF; RETURN NEW; END $$");
    as_owner("CREATE TRIGGER refuse_stuck BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse_stuck()");
    record("org_stuck", report("S1", "missed", 0));
    record("org_unstuck", report("S1", "missed", 0));
    run_due();
    as_owner("DROP FUNCTION refuse_stuck() CASCADE");
    CHECK(tasks_of("org_stuck").empty());
    CHECK_FALSE(tasks_of("org_unstuck").empty());
    CHECK(Db::shared().lines("SELECT (due_at > now())::text AS v FROM work WHERE company_id = 'org_stuck'") == "true\n");
}

TEST_CASE("a rep's tasks are those of the lead's rep", "[integration]") {
    Analyses analyses;
    testkit::Rig rig(rt::Consumer{"lead-pipeline/analysis"}.on<&Analyses::record>(analyses));
    rig.given(
        "INSERT INTO contact_cards (company_id, id, primary_phone) VALUES ('org_rig_an', '11111111-0000-4000-8000-000000000001', "
        "'+12025550111')");
    rig.given(
        "INSERT INTO leads (company_id, id, contact_card_id, assigned_rep_id) VALUES ('org_rig_an', "
        "'11111111-0000-4000-8000-000000000002', '11111111-0000-4000-8000-000000000001', 'user_rep')");
    rig.given(
        "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
        "contact_card_id, lead_id, received_at, merge_state) VALUES "
        "('org_rig_an', 77, 'callrail', 'R1', 'inbound', 'completed', false, true, '11111111-0000-4000-8000-000000000001', "
        "'11111111-0000-4000-8000-000000000002', now(), '')");
    auto e = said("org_rig_an", {77, "", ""}, 0, "booked", "hot");
    add_action(e, "site_visit", "look at the roof", "", "rep");
    CHECK(rig.when(e).settled());
    CHECK(rig.rows<Text>({"rep", "SELECT assignee_id AS v FROM tasks"}).at(0).v == "user_rep");
    CHECK(rig.rows<Text>({"pool", "SELECT pool_status AS v FROM leads"}).at(0).v == "assigned");
    CHECK(rig.emitted<changes::v1::RowChanged>().size() == 2);
}

TEST_CASE("an appointment that a call doubts is a task for who took the call, one a call, until somebody has it",
          "[integration]") {
    auto c = call("org_doubt", "D1", 0);
    auto look = [&](std::int64_t version, const std::string& heard, const std::string& planned = "2026-12-21 10:00",
                    std::int64_t of = 0) {
        analysis::v1::AppointmentDoubted e;
        e.set_company_id("org_doubt");
        e.set_call_id(of ? of : c.id);
        e.set_appointment_id("0191e0b8-0000-7000-8000-00000000e001");
        e.set_version(version);
        e.set_received_at_us(to_micros(at(0)));
        e.set_planned(planned);
        e.set_heard(heard);
        e.set_said("Tuesday at ten");
        e.set_owner_id("user_csr");
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        auto tx = Db::shared().service.begin(pg::Scope::companies({CompanyId{"org_doubt"}}));
        rt::Sink sink("lead-pipeline/analysis");
        rt::Out<changes::v1::RowChanged> out(sink, &meta);
        (void)Doubts().look_into({e, meta}, tx, out);
        tx.commit();
        return sink.size();
    };
    CHECK(look(1, "2026-12-22 10:00") == 1);
    CHECK(look(1, "2026-12-22 10:00") == 0);
    CHECK(tasks_of("org_doubt") ==
          "otto|check_appointment|Check the appointment: it stands for 2026-12-21 10:00, a call booked 2026-12-22 "
          "10:00|csr|user_csr|open|high|2023-11-15 00:13:20\n");
    CHECK(Db::shared().lines("SELECT concat_ws('|', call_id, lead_id, contact_card_id, appointment_id, raw_text) AS v FROM tasks "
                             "WHERE company_id = 'org_doubt'") ==
          std::to_string(c.id) + "|" + c.lead + "|" + c.contact + "|0191e0b8-0000-7000-8000-00000000e001|Tuesday at ten\n");
    CHECK(look(3, "2026-12-23 10:00", "") == 1);
    CHECK(look(2, "2026-12-24 10:00") == 0);
    CHECK(tasks_of("org_doubt").find("it has no time, a call booked 2026-12-23 10:00") != std::string::npos);
    as_owner("UPDATE tasks SET edited_by = 'user_1', status = 'completed' WHERE company_id = 'org_doubt'");
    CHECK(look(4, "2026-12-25 10:00") == 0);
    CHECK(look(1, "2026-12-22 10:00", "", 1) == 0);  // a call that is not on record
    CHECK(Db::shared().lines("SELECT count(*) AS v FROM tasks WHERE company_id = 'org_doubt'") == "1\n");
}
