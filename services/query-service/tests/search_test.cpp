// Searches: what they find, whose, and that an index finds it.
#include <deque>
#include <regex>

#include "query-service/sql.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

/// A company of 60,000 calls of 20,000 customers beside a small one; a number in a hundred holds a note.
constexpr const char* kRows = R"sql(
SET session_replication_role = replica;
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'Atlantic/Reykjavik');
CREATE TEMP TABLE who AS SELECT 'org_a' AS c, n, n % 20000 AS customer FROM generate_series(1, 60000) n UNION ALL SELECT 'org_b', n, n % 100 FROM generate_series(1, 300) n;
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, city)
SELECT DISTINCT c, md5(c || customer)::uuid, '+1480' || 2000000 + customer, 'Ann' || customer, CASE customer WHEN 77 THEN 'Zürn' ELSE 'Mills' END, 'Phoenix' FROM who;
INSERT INTO leads (company_id, id, contact_card_id, source, assigned_rep_id, created_at)
SELECT company_id, id, id, CASE WHEN primary_phone = '+14802000077' THEN 'Yellow_Pages' ELSE 'Google AdWords' END, CASE WHEN right(primary_phone, 1) = '7' THEN 'user_rep' END, now() FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, created_at)
SELECT c, CASE c WHEN 'org_a' THEN 0 ELSE 100000 END + n, 'callrail', 'CAL' || md5(c || n), '+1480' || 2000000 + customer, '+16029000001', 'inbound', 'completed', false, true, md5(c || customer)::uuid, md5(c || customer)::uuid, now(), '',
       CASE WHEN n % 20000 = 4242 THEN 'A GUTTER fell, 50%_off' END, now() - n * interval '1 minute' FROM who;
SET session_replication_role = origin;
SELECT list_totals_recount(), call_facts_rebuild();
)sql";

Asking& world() {
    static Asking world(kRows);
    static bool analyzed = [] {
        world.owner.execute("ANALYZE");
        return true;
    }();
    (void)analyzed;
    return world;
}
std::int64_t total(Asking::Read read, const std::string& query, const std::string& user = "user_m", Role role = Role::manager, const std::string& company = "org_a") {
    auto page = Asking::data(world().ask(read, query, user, role, "", "", company));
    INFO(query);
    CHECK(static_cast<std::int64_t>(page.root()["items"].size()) == std::min<std::int64_t>(page.root()["total"].integer().value_or(0), page.root()["limit"].integer().value_or(0)));
    return page.root()["total"].integer().value_or(-1);
}

}  // namespace

TEST_CASE("a search finds parts of numbers, names, notes, sources and cities, in large and small letters, of one's own company", "[integration]") {
    CHECK(total(&Reads::calls, "search=gutter") == 3);
    CHECK(total(&Reads::calls, "search=50%25_OFF") == 3);
    CHECK(total(&Reads::calls, "search=50x_off") == 0);       // its own wildcards are letters
    CHECK(total(&Reads::calls, "search=%25") == 3);
    CHECK(total(&Reads::calls, "search=Z%C3%9CRN") == 3);     // by the customer's name
    CHECK(total(&Reads::calls, "search=ann77+z%C3%BCrn") == 3);
    CHECK(total(&Reads::calls, "search=2000077") == 3);
    CHECK(total(&Reads::calls, "search=zzzz") == 0);
    CHECK(total(&Reads::calls, "search=phoenix") == 10'000);  // a lower bound: they are found on the way
    CHECK(total(&Reads::calls, "search=phoenix&limit=7&offset=50") == 10'000);
    CHECK(total(&Reads::calls, "search=gutter&direction=outbound") == 0);
    CHECK(total(&Reads::leads, "search=yellow_p") == 1);
    CHECK(total(&Reads::leads, "search=z%C3%BCrn") == 1);
    CHECK(total(&Reads::contacts, "search=z%C3%BCrn") == 1);
    CHECK(total(&Reads::contacts, "search=Ann77+Z") == 1);
    // Another company's, and what is another rep's.
    CHECK(total(&Reads::calls, "search=z%C3%BCrn", "user_m", Role::manager, "org_b") == 3);
    CHECK(total(&Reads::calls, "search=gutter", "user_m", Role::manager, "org_b") == 0);
    CHECK(total(&Reads::calls, "search=gutter", "user_rep", Role::sales_rep) == 0);
    CHECK(total(&Reads::calls, "search=z%C3%BCrn", "user_rep", Role::sales_rep) == 3);
    CHECK(total(&Reads::calls, "search=phoenix", "user_rep2", Role::sales_rep) == 0);
    auto whole = world().ask(&Reads::calls, "search=phoenix&sort=started_at&limit=3");
    CHECK(Asking::data(whole).root()["items"].at(0)["call_id"].integer() == 60'000);
    pg::Connection db(testkit::TestPostgres::as_role(world().url, "otto_query_service"), "test");
    auto tx = db.begin(pg::Scope::none());
    struct Ids {
        std::string ids;
        static Ids from(const pg::Fields& f) { return {f.text("ids")}; }
    };
    CHECK(tx.one<Ids>({"id", "SELECT calls_found('%gutter%', '', 10)::text AS ids"}).ids == "{}");  // without a scope there is nothing
}

TEST_CASE("a search takes 100 letters", "[integration]") {
    std::string letters;
    for (int i = 0; i < 100; ++i) letters += "%C3%BC";
    for (auto read : {&Reads::calls, &Reads::leads, &Reads::contacts}) {
        CHECK(world().ask(read, "search=" + letters).status == 200);
        auto refused = world().ask(read, "search=a" + letters);
        CHECK(refused.status == 422);
        CHECK(refused.body == "search");
    }
}

TEST_CASE("a search reads what it finds and not its company, also of one that statistics do not know, within row-level security", "[integration]") {
    world();
    pg::Connection db(testkit::TestPostgres::as_role(world().url, "otto_query_service"), "test");
    auto pages = [&](const std::string& statement) {
        static std::deque<std::pair<std::string, std::string>> kept;  // a prepared statement is known by the places of its name and text
        const auto& [name, text] = kept.emplace_back("explained" + std::to_string(kept.size()), "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) " + statement);
        std::string plan;
        for (int twice = 0; twice < 2; ++twice) {  // at first the catalogues are read too
            plan.clear();
            auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
            tx.each({name, text}, {}, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        }
        INFO(plan);
        std::smatch read;
        REQUIRE(std::regex_search(plan, read, std::regex("Buffers: shared hit=(\\d+)")));
        return std::stoi(read[1]);
    };
    for (bool known : {true, false}) {
        if (!known) world().owner.execute("DELETE FROM pg_statistic WHERE starelid IN ('calls'::regclass, 'contact_cards'::regclass, 'leads'::regclass)");
        INFO(known);
        CHECK(pages("SELECT calls_found('%gutter%', 'gutter', 10001)") < 200);  // all calls of the company lie on 1,500
        CHECK(pages("SELECT calls_found('%zürn%', '', 10001)") < 200);
        CHECK(pages("SELECT contacts_found('%zürn%', 10001)") < 100);
        CHECK(pages("SELECT leads_found('%yellow%', 10001)") < 200);
    }
    world().owner.execute("ANALYZE");
}
