#include "reads.hpp"

#include <bit>
#include <set>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "metrics.hpp"
#include "pg/migrate.hpp"
#include "query-service/sql.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

http::Request asking(const std::string& query) {
    http::Request r;
    r.query = query;
    return r;
}

/// The field that a list's parameters are refused for; "" if they are fine.
std::string refused(const std::string& query) {
    try {
        auto request = asking(query);
        Asked asked(request, {"status", "date_from", "missed_call", "lead_id", "search"});
        Page::of(asked, {"created_at", "started_at"}, Page::Ids::numbers);
        asked.any_of("status", {"missed"});
        asked.date("date_from");
        asked.truth("missed_call");
        asked.uuid("lead_id");
        return "";
    } catch (const identity::Refusal& r) {
        CHECK(r.problem.status == 422);
        REQUIRE(r.problem.fields.size() == 1);
        return r.problem.fields[0].first;
    }
}

struct Plain {
    std::string v;
    static Plain from(const pg::Fields& f) { return {f.text("v")}; }
};

}  // namespace

TEST_CASE("what a list does not know is 422 and names the parameter") {
    CHECK(refused("limit=200&offset=10000&sort=-started_at&status=missed&date_from=2026-02-28&missed_call=true") == "");
    CHECK(refused("colour=red") == "colour");
    CHECK(refused("limit=0") == "limit");
    CHECK(refused("limit=201") == "limit");
    CHECK(refused("limit=ten") == "limit");
    CHECK(refused("offset=10001") == "offset");
    CHECK(refused("offset=-1") == "offset");
    CHECK(refused("sort=name") == "sort");
    CHECK(refused("cursor=abc") == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"x'; DROP TABLE calls\"]")) == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"5\"]") + "&sort=created_at") == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"5\"]") + "&offset=1") == "cursor");
    CHECK(refused("status=missed,late") == "status");
    CHECK(refused("date_from=2026-02-30") == "date_from");
    CHECK(refused("date_from=yesterday") == "date_from");
    CHECK(refused("missed_call=perhaps") == "missed_call");
    CHECK(refused("lead_id=5") == "lead_id");
    CHECK(refused("limit=1&limit=2") == "limit");
    CHECK(refused("search=%ff") == "search");
}

TEST_CASE("a cursor remembers place and order") {
    Page p;
    p.sort = "started_at";
    p.descending = false;
    auto request = asking("cursor=" + p.cursor(from_micros(1234567), "42"));
    auto back = Page::of(Asked(request, {}), {"created_at", "started_at"}, Page::Ids::numbers);
    CHECK(back.sort == "started_at");
    CHECK_FALSE(back.descending);
    CHECK(back.after == from_micros(1234567));
    CHECK(back.after_id == "42");
}

TEST_CASE("a list's statement holds only what is asked for") {
    constexpr std::string_view text =
        "SELECT c.a, k.b FROM calls c\n  JOIN cards k ON k.id = c.card\n  JOIN LATERAL (SELECT rep FROM leads WHERE id = c.lead LIMIT 1) l ON true\n WHERE c.company_id = $1\n   AND ($2::timestamptz IS NULL OR (c.at, c.id) < ($2, $3::bigint))\n"
        "   AND ($4::text IS NULL OR c.phone = $4)\n   AND ($5::text IS NULL OR l.rep = $5)\n   AND ($6::text[] IS NULL)\n ORDER BY c.at\n LIMIT $7\n OFFSET $8";
    auto given = [](std::set<std::size_t> some) {
        std::vector<bool> out(9, false);
        for (auto n : some) out[n] = true;
        return out;
    };
    auto bare = cut(text, given({1, 7}));
    CHECK(bare.text == "SELECT c.a, k.b FROM calls c\n  JOIN cards k ON k.id = c.card\n WHERE c.company_id = $1\n ORDER BY c.at\n LIMIT $2");
    CHECK(bare.used == std::vector<std::size_t>{1, 7});
    auto some = cut(text, given({1, 2, 3, 5, 7, 8}));
    CHECK(some.text ==
          "SELECT c.a, k.b FROM calls c\n  JOIN cards k ON k.id = c.card\n  JOIN LATERAL (SELECT rep FROM leads WHERE id = c.lead LIMIT 1) l ON true\n WHERE c.company_id = $1\n   AND ((c.at, c.id) < ($2, $3::bigint))\n   AND (l.rep = $4)\n"
          " ORDER BY c.at\n LIMIT $5\n OFFSET $6");
    CHECK(some.used == std::vector<std::size_t>{1, 2, 3, 5, 7, 8});
    CHECK(cut(text, given({1, 6, 7})).text.find("AND false") != std::string::npos);
}

TEST_CASE("forms of a list are bounded, and each asks the same question") {
    static constexpr pg::Query page{"t.page", "SELECT /*sort*/c.at FROM calls c\n WHERE c.company_id = $1\n   AND ($2::timestamptz IS NULL OR (/*sort*/c.at, c.id) /*cmp*/< ($2, $3::bigint))\n"
                                              "   AND ($6::text IS NULL OR c.rep = $6)\n   AND ($7::text IS NULL OR c.f0 = $7)\n   AND ($8::text IS NULL OR c.f1 = $8)\n   AND ($9::date IS NULL OR c.day >= $9::date)\n"
                                              " ORDER BY /*sort*/c.at /*dir*/DESC\n LIMIT $4\n OFFSET $5"};
    static constexpr pg::Query count{"t.count", "SELECT count(*) FROM calls c\n WHERE c.company_id = $1\n   AND ($2::text IS NULL OR c.rep = $2)\n   AND ($3::text IS NULL OR c.f0 = $3)"};
    ListQueries queries(page, count, {{"at", "c.at"}});
    Page p;
    p.sort = "at";
    Viewer company{{"user_m", false}, CompanyId{"org_a"}};
    auto plain = queries.page(company, p, {nullptr, nullptr, nullptr});
    CHECK(plain.query->text == "SELECT c.at FROM calls c\n WHERE c.company_id = $1\n ORDER BY c.at /*dir*/DESC\n LIMIT 51");
    REQUIRE(plain.params.size() == 1);
    CHECK_FALSE(plain.plan_anew);
    auto same = queries.page(Viewer{{"user_m", false}, CompanyId{"org_b"}}, p, {nullptr, nullptr, nullptr});
    CHECK(same.query == plain.query);  // prepared once
    p.limit = 51;
    p.offset = 7;
    auto filtered = queries.page(company, p, {nullptr, "x", "2026-11-21"});
    CHECK(filtered.query->text == "SELECT c.at FROM calls c\n WHERE c.company_id = $1\n   AND (c.f1 = $2)\n   AND (c.day >= $3::date)\n ORDER BY c.at /*dir*/DESC\n LIMIT 101\n OFFSET $4");
    REQUIRE(filtered.params.size() == 4);
    CHECK(filtered.params[1].text() == "x");
    CHECK(filtered.params[3].text() == "7");
    CHECK(filtered.plan_anew);
    CHECK(filtered.query->name != plain.query->name);

    // A rep's own rows are a filter of every list, whoever asks for which.
    auto own = queries.page(Viewer{{"user_rep", true}, CompanyId{"org_a"}}, p, {nullptr, nullptr, nullptr});
    CHECK(own.query->text.find("(c.rep = $2)") != std::string_view::npos);
    CHECK(own.params.at(1).text() == "user_rep");

    // The total of a whole table is kept; of what a filter leaves it is counted.
    ListQueries kept(page, count, {{"at", "c.at"}}, "calls");
    CHECK(kept.count(company, {nullptr}).query->text.find("list_totals") != std::string_view::npos);
    CHECK(kept.count(company, {nullptr}).params.at(1).text() == "calls");
    CHECK(kept.count(Viewer{{"user_rep", true}, CompanyId{"org_a"}}, {nullptr}).query->text.find("c.rep") != std::string_view::npos);
    CHECK(kept.count(company, {"x"}).query->text == queries.count(company, {"x"}).query->text);

    // More forms than are kept: columns enough for 2^9 of them.
    std::string wide = "SELECT count(*) FROM calls c\n WHERE c.company_id = $1";
    wide += "\n   AND ($2::text IS NULL OR c.rep = $2)";
    for (int n = 3; n <= 11; ++n) wide += "\n   AND ($" + std::to_string(n) + "::text IS NULL OR c.f = $" + std::to_string(n) + ")";
    pg::Query wide_count{"t.wide", wide};
    ListQueries many(page, wide_count, {{"at", "c.at"}});
    std::set<std::string_view> names;
    for (unsigned bits = 0; bits < 512; ++bits) {
        pg::Params filters;
        for (unsigned n = 0; n < 9; ++n) filters.push_back(bits >> n & 1 ? pg::Param("x") : pg::Param(nullptr));
        auto statement = many.count(company, filters);
        names.insert(statement.query->name);
        std::size_t asked = 0;
        for (const auto& param : statement.params) asked += param.text() == "x";
        CHECK(asked == static_cast<std::size_t>(std::popcount(bits)));
    }
    CHECK(names.size() == ListQueries::kMostForms + 1);
}

TEST_CASE("a long list is remembered by company, list and filters") {
    LongLists lists;
    Viewer a{{"user_m", false}, CompanyId{"org_a"}}, b{{"user_m", false}, CompanyId{"org_b"}}, rep{{"user_m", true}, CompanyId{"org_a"}};
    lists.remember(a, "calls", {nullptr, "missed"});
    CHECK(lists.knows(a, "calls", {nullptr, "missed"}));
    CHECK_FALSE(lists.knows(a, "calls", {nullptr, nullptr}));
    CHECK_FALSE(lists.knows(a, "calls", {"missed", nullptr}));
    CHECK_FALSE(lists.knows(a, "calls", {nullptr, "missed\n"}));
    CHECK_FALSE(lists.knows(a, "leads", {nullptr, "missed"}));
    CHECK_FALSE(lists.knows(b, "calls", {nullptr, "missed"}));
    CHECK_FALSE(lists.knows(rep, "calls", {nullptr, "missed"}));
}

namespace {

/// An empty database, as who writes leads and as who reads dashboards.
struct Kept {
    Secret url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner{url, "test"};
    std::unique_ptr<pg::Connection> writer, reader;
    struct Number {
        std::int64_t n;
        static Number from(const pg::Fields& f) { return {f.integer("n")}; }
    };
    Kept() {
        REQUIRE(pg::migrate(owner, schema::all()).ok());
        writer = std::make_unique<pg::Connection>(testkit::TestPostgres::as_role(url, "otto_lead_pipeline"), "test");
        reader = std::make_unique<pg::Connection>(testkit::TestPostgres::as_role(url, "otto_query_service"), "test");
    }
    /// What is kept of a company, which must be what is counted.
    std::int64_t same(const char* company, const char* kept, const char* counted, const char* of = nullptr) {
        auto tx = reader->begin(pg::Scope::company(CompanyId{std::string(company)}));
        auto n = tx.one<Number>({kept, kept}, of ? pg::Params{company, of} : pg::Params{company}).n;
        CHECK(n == tx.one<Number>({counted, counted}, {company}).n);
        return n;
    }
    void write(const char* text, bool commit = true) {
        auto tx = writer->begin(pg::Scope::companies({CompanyId{"org_a"}, CompanyId{"org_b"}}));
        tx.write({text, text});
        if (commit) tx.commit();
    }
    void fold(const char* call, const char* company) {
        auto tx = writer->begin(pg::Scope::companies({CompanyId{std::string(company)}}));
        tx.write({call, call}, {company});
        tx.commit();
    }
    void operators(const std::string& call) { pg::Connection(testkit::TestPostgres::as_role(url, "otto_maintenance"), "operator").execute(call); }
    std::int64_t rows(const char* count) {
        auto tx = owner.begin(pg::Scope::none());
        return tx.one<Number>({count, count}).n;
    }
};

}  // namespace

TEST_CASE("pending leads are right without being counted", "[integration]") {
    Kept db;
    auto pending = [&](const char* company) {
        return db.same(company, "SELECT coalesce(sum(pending), 0) AS n FROM pending_leads WHERE company_id = $1", "SELECT count(*) AS n FROM leads WHERE company_id = $1 AND lead_is_pending(status, pool_status)");
    };
    CHECK(pending("org_a") == 0);
    db.write("INSERT INTO contact_cards (company_id, id) SELECT c, md5(c || n)::uuid FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 30) n");
    db.write("INSERT INTO leads (company_id, id, contact_card_id, status) SELECT c, md5(c || n)::uuid, md5(c || n)::uuid, CASE WHEN n <= 20 THEN 'warm' ELSE 'new' END "
          "FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 30) n");
    CHECK(pending("org_a") == 20);
    CHECK(pending("org_b") == 20);
    db.write("UPDATE leads SET status = 'closed_lost' WHERE company_id = 'org_a' AND id IN (SELECT md5('org_a' || n)::uuid FROM generate_series(1, 5) n)");
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
        static constexpr const char* kept = "SELECT coalesce(sum(part), 0) AS n FROM list_totals WHERE company_id = $1 AND list = $2";
        return std::vector{db.same(company, kept, "SELECT count(*) AS n FROM calls WHERE company_id = $1", "calls"), db.same(company, kept, "SELECT count(*) AS n FROM leads WHERE company_id = $1", "leads"),
                           db.same(company, kept, "SELECT count(*) AS n FROM contact_cards WHERE company_id = $1", "contact_cards")};
    };
    using Totals = std::vector<std::int64_t>;
    CHECK(totals("org_a") == Totals{0, 0, 0});
    db.write("INSERT INTO contact_cards (company_id, id) SELECT c, md5(c || n)::uuid FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 30) n");
    db.write("INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards WHERE company_id = 'org_a' OR id < md5('org_b1')::uuid");
    auto calls = "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state) "
                 "SELECT company_id, row_number() OVER (), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, now(), '{}' FROM leads WHERE company_id = 'org_a' "
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
    CHECK(db.rows("SELECT count(*) AS n FROM list_totals WHERE company_id = 'org_a'") == 3);  // one is raised, as long as nobody holds it
    pg::Connection other(testkit::TestPostgres::as_role(db.url, "otto_lead_pipeline"), "other");
    auto meanwhile = other.begin(pg::Scope::companies({CompanyId{"org_a"}}));
    meanwhile.write({"two", "INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('x')::uuid), ('org_a', md5('y')::uuid)"});
    CHECK(meanwhile.one<Kept::Number>({"held", "SELECT sum(part) AS n FROM list_totals WHERE company_id = 'org_a' AND list = 'contact_cards'"}).n == 32);  // it has been done
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
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    owner.execute(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A'), ('org_b', 'B'), ('org_c', 'C');
INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, held_for, released_at)
SELECT md5(c || r || n)::uuid, 'callrail', 'call.completed', 'of ' || c || ' ' || r, 'do ' || r, 'authentic', '/', 'application/json', '[]', 'twelve bytes', '', '2026-11-29 10:00Z'::timestamptz + n * interval '1 minute', c,
       CASE WHEN n = 9 THEN now() END
  FROM unnest(ARRAY['org_a', 'org_b']) c, generate_series(1, 7) r, generate_series(r, 9) n WHERE c = 'org_a' OR r = 1;
INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, signature_headers, raw_body, record, received_at)
VALUES (md5('nobody')::uuid, 'callrail', 'call.completed', 'nobody owns it', '', 'open', '/', '', '[]', '', '', now()))sql");
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_query_service"), "test");
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
    CHECK(a->root()["reasons"].dump().starts_with(R"([{"reason":"of org_a 1","cure":"do 1","events":8},{"reason":"of org_a 2","cure":"do 2","events":7},)"));
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
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    auto fill = [&](const std::string& company) {
        owner.execute("INSERT INTO contact_cards (company_id, id) SELECT '" + company + "', md5('" + company + "' || n)::uuid FROM generate_series(1, 2000) n");
        owner.execute("INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards WHERE company_id = '" + company + "'");
        owner.execute("INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state) "
                      "SELECT company_id, nextval('call_id_seq'), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, now(), '{}' FROM contact_cards WHERE company_id = '" + company + "'");
    };
    fill("org_known");
    owner.execute("ANALYZE");
    fill("org_new");
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_query_service"), "test");
    struct Line {
        std::string text;
        static Line from(const pg::Fields& f) { return {f.text("QUERY PLAN")}; }
    };
    Reads reads;
    auto statement = reads.newest_calls(CompanyId{"org_new"}, 50);
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_new"}));
    std::string text = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) " + std::string(statement.query->text);
    std::string plan;
    for (const auto& line : tx.many<Line>({"explained", text}, statement.params)) plan += line.text + "\n";
    INFO(plan);
    CHECK(plan.find("Rows Removed") == std::string::npos);
    CHECK(plan.find("Index Cond: ((company_id = c.company_id) AND (id = c.contact_card_id))") != std::string::npos);
    CHECK(plan.find("Index Cond: ((company_id = c.company_id) AND (id = c.lead_id))") != std::string::npos);
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_query_service"), "test");
    auto check = [&](const pg::Query& q) {
        INFO(q.name);
        CHECK_NOTHROW(db.execute("PREPARE probe AS " + std::string(q.text)));
        db.execute("DEALLOCATE probe");
    };
    for (const auto& q : sql::all) check(q);
    Reads reads;
    auto lists = reads.list_queries();
    Metrics metrics;
    for (auto& q : metrics.list_queries()) lists.push_back(q);
    for (const auto& q : lists) {
        CHECK(q.text.find("/*sort*/") == std::string_view::npos);
        CHECK(q.name.size() <= 63);
        check(q);
    }
}
