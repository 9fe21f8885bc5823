// What stands behind the reads: totals that are kept, what a company sees of what waits, plans, and that each statement fits.
#include <deque>
#include <regex>

#include "base/json.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

struct Plain {
    std::string v;
    static Plain from(const pg::Fields& f) { return {f.text("v")}; }
};

/// An empty database, as who writes leads and as who reads dashboards.
struct Kept : testkit::Database {
    pg::Connection writer{as("otto_lead_pipeline"), "test"};
    struct Number {
        std::int64_t n;
        static Number from(const pg::Fields& f) { return {f.integer("n")}; }
    };
    Kept() : Database("otto_query_service") {}
    /// What is kept of a company, which must be what is counted.
    std::int64_t same(const char* company, const char* kept, const char* counted, const char* of = nullptr) {
        auto tx = service.begin(pg::Scope::company(CompanyId{std::string(company)}));
        auto n = tx.one<Number>({kept, kept}, of ? pg::Params{company, of} : pg::Params{company}).n;
        CHECK(n == tx.one<Number>({counted, counted}, {company}).n);
        return n;
    }
    void write(const char* text, bool commit = true) {
        auto tx = writer.begin(pg::Scope::companies({CompanyId{"org_a"}, CompanyId{"org_b"}}));
        tx.write({text, text});
        if (commit) tx.commit();
    }
    void fold(const char* call, const char* company) {
        auto tx = writer.begin(pg::Scope::companies({CompanyId{std::string(company)}}));
        tx.write({call, call}, {company});
        tx.commit();
    }
    void operators(const std::string& call) { pg::Connection(as("otto_maintenance"), "operator").execute(call); }
    std::int64_t rows(const char* count) {
        auto tx = owner.begin(pg::Scope::none());
        return tx.one<Number>({count, count}).n;
    }
};

}  // namespace

TEST_CASE("pending leads are right without being counted", "[integration]") {
    Kept db;
    auto pending = [&](const char* company) {
        return db.same(company, "SELECT coalesce(sum(pending), 0) AS n FROM pending_leads WHERE company_id = $1",
                       "SELECT count(*) AS n FROM leads WHERE company_id = $1 AND lead_is_pending(status, pool_status)");
    };
    CHECK(pending("org_a") == 0);
    db.write(
        "INSERT INTO contact_cards (company_id, id) SELECT c, md5(c || n)::uuid FROM unnest(ARRAY['org_a', 'org_b']) c, "
        "generate_series(1, 30) n");
    db.write(
        "INSERT INTO leads (company_id, id, contact_card_id, status) SELECT c, md5(c || n)::uuid, md5(c || n)::uuid, CASE WHEN n "
        "<= 20 THEN 'warm' ELSE 'new' END "
        "FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 30) n");
    CHECK(pending("org_a") == 20);
    CHECK(pending("org_b") == 20);
    db.write(
        "UPDATE leads SET status = 'closed_lost' WHERE company_id = 'org_a' AND id IN (SELECT md5('org_a' || n)::uuid FROM "
        "generate_series(1, 5) n)");
    CHECK(pending("org_a") == 15);
    db.write("UPDATE leads SET status = 'qualified_unbooked' WHERE status = 'new' AND company_id = 'org_b'");
    CHECK(pending("org_b") == 30);
    db.write("UPDATE leads SET last_contacted_at = now()");
    db.write("DELETE FROM leads WHERE company_id = 'org_b' AND id = md5('org_b1')::uuid");
    CHECK(pending("org_b") == 29);
    db.write("UPDATE leads SET status = 'abandoned'", false);  // rolled back
    CHECK(pending("org_b") == 29);
    for (auto company : {"org_a", "org_b"}) db.fold("SELECT pending_leads_fold($1)", company);
    CHECK(pending("org_a") == 15);
    CHECK(pending("org_b") == 29);
    CHECK(db.rows("SELECT count(*) AS n FROM pending_leads") == 2);
    db.operators("SELECT pending_leads_recount()");
    CHECK(pending("org_a") == 15);
}

TEST_CASE("totals of lists are right without being counted", "[integration]") {
    Kept db;
    auto totals = [&](const char* company) {
        static constexpr const char* kept =
            "SELECT coalesce(sum(part), 0) AS n FROM list_totals WHERE company_id = $1 AND list = $2";
        return std::vector{
            db.same(company, kept, "SELECT count(*) AS n FROM calls WHERE company_id = $1", "calls"),
            db.same(company, kept, "SELECT count(*) AS n FROM leads WHERE company_id = $1", "leads"),
            db.same(company, kept, "SELECT count(*) AS n FROM contact_cards WHERE company_id = $1", "contact_cards")};
    };
    using Totals = std::vector<std::int64_t>;
    CHECK(totals("org_a") == Totals{0, 0, 0});
    db.write(
        "INSERT INTO contact_cards (company_id, id) SELECT c, md5(c || n)::uuid FROM unnest(ARRAY['org_a', 'org_b']) c, "
        "generate_series(1, 30) n");
    db.write(
        "INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards WHERE company_id = "
        "'org_a' OR id < md5('org_b1')::uuid");
    auto calls =
        "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
        "contact_card_id, lead_id, received_at, merge_state) "
        "SELECT company_id, row_number() OVER (), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, now(), '{}' "
        "FROM leads WHERE company_id = 'org_a' "
        "ON CONFLICT (company_id, call_id) DO UPDATE SET status = excluded.status";
    db.write(calls);
    CHECK(totals("org_a") == Totals{30, 30, 30});
    CHECK(totals("org_b")[0] == 0);
    CHECK(totals("org_b")[2] == 30);
    db.write(calls);  // none is new
    db.write("UPDATE leads SET status = 'warm'");
    CHECK(totals("org_a") == Totals{30, 30, 30});
    db.write("DELETE FROM calls WHERE call_id <= 7");
    CHECK(totals("org_a") == Totals{23, 30, 30});
    db.write("DELETE FROM calls", false);  // rolled back
    CHECK(totals("org_a") == Totals{23, 30, 30});
    CHECK(db.rows("SELECT count(*) AS n FROM list_totals WHERE company_id = 'org_a'") ==
          3);  // one is raised, as long as nobody holds it
    pg::Connection other(db.as("otto_lead_pipeline"), "other");
    auto meanwhile = other.begin(pg::Scope::companies({CompanyId{"org_a"}}));
    meanwhile.write(
        {"two", "INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('x')::uuid), ('org_a', md5('y')::uuid)"});
    CHECK(meanwhile
              .one<Kept::Number>(
                  {"held", "SELECT sum(part) AS n FROM list_totals WHERE company_id = 'org_a' AND list = 'contact_cards'"})
              .n == 32);                                                                      // it has been done
    db.write("INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('z')::uuid)");  // waits for nobody
    CHECK(totals("org_a") == Totals{23, 30, 31});
    meanwhile.commit();
    CHECK(totals("org_a") == Totals{23, 30, 33});
    CHECK(db.rows("SELECT count(*) AS n FROM list_totals WHERE company_id = 'org_a'") == 4);
    totals("org_b");
    db.operators("SELECT list_totals_recount()");
    CHECK(totals("org_a") == Totals{23, 30, 33});
    totals("org_b");
}

TEST_CASE("a company sees what waits on its account and why, and nothing of another's", "[integration]") {
    testkit::Database database("otto_query_service");
    auto &owner = database.owner, &db = database.service;
    owner.execute(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A'), ('org_b', 'B'), ('org_c', 'C');
INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_for, released_at)
SELECT md5(c || r || n)::uuid, 'callrail', 'call.completed', 'of ' || c || ' ' || r, 'do ' || r, 'authentic', '/', 'application/json', '[]', 'twelve bytes', '', '2026-11-29 10:00Z'::timestamptz + n * interval '1 minute', c,
       CASE WHEN n = 9 THEN now() END
  FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 7) r, generate_series(r, 9) n WHERE c = 'org_a' OR r = 1;
INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at)
VALUES (md5('nobody')::uuid, 'callrail', 'call.completed', 'nobody owns it', '', 'open', '/', '', '[]', '', '', now()))sql");
    auto seen = [&](const std::string& company) {
        auto tx = db.begin(pg::Scope::company(CompanyId{company}));
        std::string held;
        tx.each(sql::company, {CompanyId{company}}, [&](const pg::Fields& f) { held = f.maybe_text("held").value_or("none"); });
        return held;
    };
    auto a = JsonDocument::parse(seen("org_a"));
    REQUIRE(a);
    CHECK(a->root()["events"].dump() == "35");
    CHECK(a->root()["bytes"].dump() == "420");
    CHECK(a->root()["oldest_at"].string() == "2026-11-29T10:01:00Z");
    CHECK(a->root()["limited"].dump() == "false");
    owner.execute("UPDATE companies SET held_limited = true WHERE id <> 'org_b'");
    CHECK(JsonDocument::parse(seen("org_a"))->root()["limited"].dump() == "true");
    CHECK(a->root()["reasons"].dump().starts_with(
        R"([{"reason":"of org_a 1","cure":"do 1","events":8},{"reason":"of org_a 2","cure":"do 2","events":7},)"));
    CHECK(a->root()["reasons"].dump().find("of org_a 6") == std::string::npos);
    CHECK(seen("org_b").find("org_a") == std::string::npos);
    CHECK(JsonDocument::parse(seen("org_b"))->root()["limited"].dump() == "false");
    CHECK(seen("org_b").find("of org_b 1") != std::string::npos);
    CHECK(seen("org_c") == "none");
    auto tx = db.begin(pg::Scope::none());
    CHECK(tx.one<Plain>({"nobody_asks", "SELECT coalesce(held_on_account()::text, 'none') AS v"}).v == "none");
    CHECK_THROWS(db.execute("SELECT * FROM held_events"));
}

TEST_CASE("pages of a company that statistics do not know find cards and leads by their keys", "[integration]") {
    testkit::Database database("otto_query_service");
    auto &owner = database.owner, &db = database.service;
    auto fill = [&](const std::string& company) {
        owner.execute("INSERT INTO contact_cards (company_id, id) SELECT '" + company + "', md5('" + company +
                      "' || n)::uuid FROM generate_series(1, 2000) n");
        owner.execute(
            "INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards WHERE company_id = "
            "'" +
            company + "'");
        owner.execute(
            "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
            "contact_card_id, lead_id, received_at, merge_state) "
            "SELECT company_id, nextval('call_id_seq'), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, "
            "now(), '{}' FROM contact_cards WHERE company_id = '" +
            company + "'");
    };
    fill("org_known");
    owner.execute("ANALYZE");
    fill("org_new");
    struct Line {
        std::string text;
        static Line from(const pg::Fields& f) { return {f.text("QUERY PLAN")}; }
    };
    Lists lists;
    auto statement = lists.calls.page({CompanyId{"org_new"}, "user_m"}, api::Page::newest("created_at", 50), {});
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_new"}));
    std::string text = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) " + std::string(statement.query->text);
    std::string plan;
    for (const auto& line : tx.many<Line>({"explained", text}, statement.params)) plan += line.text + "\n";
    INFO(plan);
    CHECK(plan.find("Rows Removed") == std::string::npos);
    CHECK(plan.find("Index Cond: ((company_id = c.company_id) AND (id = c.contact_card_id))") != std::string::npos);
    CHECK(plan.find("Index Cond: ((company_id = c.company_id) AND (id = c.lead_id))") != std::string::npos);
}

TEST_CASE("the texts of a rep with few leads are found by these", "[integration]") {
    testkit::Database database("otto_query_service");
    database.owner.execute(R"sql(
INSERT INTO contact_cards (company_id, id) SELECT 'org_a', md5(n::text)::uuid FROM generate_series(1, 3000) n;
INSERT INTO leads (company_id, id, contact_card_id, assigned_rep_id) SELECT company_id, id, id, CASE WHEN id < '01000000-0000-0000-0000-000000000000' THEN 'user_few' WHEN id < 'f0000000-0000-0000-0000-000000000000' THEN 'user_many' END FROM contact_cards;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, contact_card_id, lead_id, sent_at)
SELECT company_id, md5(id::text || n)::uuid, 'twilio', id::text || n, 'inbound', 'received', id, id, now() - n * interval '1 hour' FROM leads, generate_series(1, 5) n;
ANALYZE)sql");
    Lists lists;
    auto plan_of = [&](const char* rep) {
        auto statement = lists.messages.page({CompanyId{"org_a"}, rep, true}, api::Page::newest("sent_at", 50), {});
        CHECK(statement.plan_anew);
        auto tx = database.service.begin(pg::Scope::company(CompanyId{"org_a"}));
        tx.write({"anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"});
        static const std::string text = "EXPLAIN (COSTS OFF) " + std::string(statement.query->text);
        std::string plan;
        tx.each({"explained own", text}, statement.params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        return plan;
    };
    auto few = plan_of("user_few"), many = plan_of("user_many");
    INFO(few << many);
    CHECK(few.find("using leads_rep") != std::string::npos);
    CHECK(few.find("using messages_thread") != std::string::npos);
    CHECK(many.find("using messages_list") != std::string::npos);
}

TEST_CASE("texts that did not arrive are found without the others", "[integration]") {
    testkit::Database database("otto_query_service");
    database.owner.execute(R"sql(
INSERT INTO contact_cards (company_id, id) SELECT 'org_a', md5(n::text)::uuid FROM generate_series(1, 3000) n;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, contact_card_id, sent_at)
SELECT company_id, id, 'twilio', id::text, 'outbound', CASE WHEN id < '01000000-0000-0000-0000-000000000000' THEN 'failed' ELSE 'delivered' END, id, now() FROM contact_cards;
ANALYZE)sql");
    Lists lists;
    static std::deque<std::string> kept;  // a statement is known by the places of its name and text
    auto plan_of = [&](const api::Statement& statement) {
        CHECK(statement.plan_anew);
        auto tx = database.service.begin(pg::Scope::company(CompanyId{"org_a"}));
        tx.write({"anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"});
        const auto& name = kept.emplace_back("explained lost " + std::to_string(kept.size()));
        const auto& text = kept.emplace_back("EXPLAIN (COSTS OFF) " + std::string(statement.query->text));
        std::string plan;
        tx.each({name, text}, statement.params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        return plan;
    };
    const api::Viewer manager{CompanyId{"org_a"}, "user_m"};
    for (const char* status : {"{failed}", "{failed,undelivered}"}) {
        const sql::lists::Messages::Filters filters{.status = status};
        auto page = plan_of(lists.messages.page(manager, api::Page::newest("sent_at", 50), filters)),
             count = plan_of(lists.messages.count(manager, filters));
        INFO(page << count);
        CHECK(page.find("using messages_lost") != std::string::npos);
        CHECK(count.find("messages_lost") != std::string::npos);
    }
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    testkit::Database db("otto_query_service");
    CHECK(db.prepares_all(sql::all) == "");
    for (const auto* list : sql::lists::all) CHECK(db.prepares_all(api::AnyList(*list).all()) == "");
}

TEST_CASE("a page of each list walks an index in its order, within row-level security", "[integration]") {
    testkit::Database database("otto_query_service");
    auto &owner = database.owner, &db = database.service;
    owner.execute(R"sql(
INSERT INTO contact_cards (company_id, id) SELECT 'org_a', md5(n::text)::uuid FROM generate_series(1, 3000) n;
INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state)
SELECT company_id, nextval('call_id_seq'), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, now(), '{}' FROM contact_cards;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, raw, received_at) SELECT company_id, call_id, 'not_booked', 'hot', '{}', now() FROM calls;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start) SELECT company_id, id, id, id, now() FROM leads;
INSERT INTO tasks (company_id, id, description, contact_card_id, lead_id, unique_key) SELECT company_id, id, 'd', id, id, id::text FROM leads;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, contact_card_id, lead_id, sent_at) SELECT company_id, id, 'twilio', id::text, 'inbound', 'received', contact_card_id, id, now() FROM leads;
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid) SELECT company_id, contact_card_id, call_id, 'RE' || call_id FROM calls;
INSERT INTO opt_outs (company_id, id, phone, source, opted_out_at) SELECT company_id, id, id::text, 'csr', now() FROM leads;
ANALYZE)sql");
    int explained = 0;
    std::deque<std::string> kept;  // a prepared statement is known by the places of its name and text
    for (const auto* list : sql::lists::all) {
        if (list == &sql::lists::Users::text || list == &sql::lists::Numbers::text) continue;  // a company has few
        if (list == &sql::lists::UnansweredCalls::text) continue;  // never asked for without how they ended (aloha_test)
        for (const auto& form : api::AnyList(*list).all()) {
            if (!form.name.ends_with(".bare") || form.text.starts_with("SELECT count(*)")) continue;
            const auto& name = kept.emplace_back("explained " + form.name);
            const auto& text = kept.emplace_back("EXPLAIN (COSTS OFF) " + form.text);
            std::string plan;
            auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
            pg::Params params{"org_a"};
            if (text.find("$2") != std::string::npos) params.emplace_back(nullptr);  // whose pending tasks an appointment counts
            tx.each({name, text}, params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
            INFO(form.name << "\n" << plan);
            CHECK(std::regex_search(plan, std::regex("Index Scan (Backward )?using \\w+_(list|planned|happened) ")));
            CHECK(plan.find("Seq Scan") == std::string::npos);
            ++explained;
        }
    }
    CHECK(explained == 28);
}
