// Searches: what they find, whose, and that an index finds it.
#include <algorithm>
#include <deque>
#include <map>
#include <regex>
#include <set>

#include "base/text.hpp"
#include "query-service/sql.hpp"
#include "search.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

/// A company of 60,000 calls of 20,000 customers beside a small one; a few calls in a hundred thousand hold a note.
constexpr const char* kRows = R"sql(
SET session_replication_role = replica;
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'Atlantic/Reykjavik');
CREATE TEMP TABLE who AS SELECT 'org_a' AS c, n, n % 20000 AS customer FROM generate_series(1, 60000) n UNION ALL SELECT 'org_b', n, n % 100 FROM generate_series(1, 300) n;
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, city)
SELECT DISTINCT c, md5(c || customer)::uuid, '+1480' || 2000000 + customer, 'Ann' || customer, CASE customer WHEN 77 THEN 'Zürn' ELSE 'Mills' END, 'Phoenix' FROM who;
INSERT INTO leads (company_id, id, contact_card_id, source, assigned_rep_id, created_at)
SELECT company_id, id, id, CASE WHEN primary_phone = '+14802000077' THEN 'Yellow_Pages' ELSE 'Google AdWords' END, CASE WHEN right(primary_phone, 1) = '7' THEN 'user_rep' END, now() FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, created_at)
SELECT c, CASE c WHEN 'org_a' THEN 0 ELSE 100000 END + n, 'callrail', 'CAL' || md5(c || n), '+1480' || 2000000 + customer, CASE n WHEN 4711 THEN '+16029000002' ELSE '+16029000001' END, 'inbound', 'completed', false, true,
       md5(c || customer)::uuid, md5(c || customer)::uuid, now(), '', CASE WHEN n % 20000 = 4242 THEN 'A GUTTER fell, 50%_off' END, now() - n * interval '1 minute' FROM who;
SET session_replication_role = origin;
SELECT list_totals_recount(), call_facts_rebuild();
)sql";

/// People, what was said of them, and what is planned, as they are typed and searched.
constexpr const char* kPeople = R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A'), ('org_b', 'B');
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, address, city, state) VALUES
 ('org_a', md5('maria')::uuid, '+16235550123', 'María', 'López García', '1200 W Main St', 'Phoenix', 'AZ'), ('org_a', md5('mario')::uuid, '+16235550124', 'Mario', 'Lopes', NULL, 'Mesa', 'AZ'),
 ('org_a', md5('obrien')::uuid, '+14805550199', 'Seán', 'O’Brien', NULL, 'Tempe', 'AZ'), ('org_a', md5('strasse')::uuid, '+442079460958', 'Jürgen', 'Groß', 'Hauptstraße 5', 'London', NULL),
 ('org_a', md5('nobody')::uuid, NULL, NULL, NULL, NULL, NULL, NULL), ('org_b', md5('maria')::uuid, '+16235550123', 'María', 'López', NULL, 'Phoenix', 'AZ');
INSERT INTO leads (company_id, id, contact_card_id, source) SELECT company_id, id, id, CASE WHEN first_name = 'Mario' THEN 'Yellow Pages' ELSE 'Google' END FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, tags)
SELECT company_id, row_number() OVER (ORDER BY company_id, primary_phone), 'callrail', 'CAL' || row_number() OVER (ORDER BY company_id, primary_phone), coalesce(primary_phone, 'anonymous'),
       CASE WHEN first_name = 'Mario' THEN '+16029001111' ELSE '+16029002222' END, 'inbound', 'completed', false, true, id, id, now(), '',
       CASE first_name WHEN 'María' THEN 'Gutter leaks, call her husband at 480-555-0777' WHEN 'Mario' THEN 'wants 50%_off' END, CASE first_name WHEN 'Seán' THEN '{estimate,north side}' ELSE '{}' END::text[] FROM contact_cards;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, location_address, service_type, notes, scheduled_start, assigned_rep_id)
SELECT company_id, id, id, id, CASE first_name WHEN 'María' THEN '77 Sunset Blvd 85009' END, CASE first_name WHEN 'Mario' THEN 'Réparation de toit' ELSE 'Roof' END, CASE first_name WHEN 'Seán' THEN E'ring\nthe bell twice' END, now(),
       CASE first_name WHEN 'Mario' THEN 'user_rep' END FROM contact_cards WHERE first_name IS NOT NULL;
INSERT INTO tasks (company_id, id, description, raw_text, contact_card_id, lead_id, assignee_id, unique_key)
SELECT company_id, id, 'Send the quote', CASE first_name WHEN 'Jürgen' THEN 'per Fax an 020 7946 0111' END, id, id, CASE first_name WHEN 'Mario' THEN 'user_rep' END, id FROM contact_cards WHERE first_name IS NOT NULL;
INSERT INTO tasks (company_id, id, description, unique_key) VALUES ('org_a', md5('alone')::uuid, 'Order the naïve façade panels', 'alone');
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
std::int64_t total(Read read, const std::string& query, const std::string& user = "user_m", Role role = Role::manager,
                   const std::string& company = "org_a") {
    auto page = Asking::data(world().ask(read, query, user, role, "", "", company));
    INFO(query);
    CHECK(static_cast<std::int64_t>(page.root()["items"].size()) ==
          std::min<std::int64_t>(page.root()["total"].integer().value_or(0), page.root()["limit"].integer().value_or(0)));
    return page.root()["total"].integer().value_or(-1);
}

using Patterns = std::vector<std::string>;

/// What search_found() finds is what a look at each row finds, all of it or as many as are asked for, of a company org_a.
void agree(pg::Connection& db, const std::string& typed, std::initializer_list<const char*> lists) {
    static const std::map<std::string, pg::Query> rows{
        {"contacts",
         {"contacts_rows", "SELECT id::text FROM contact_cards WHERE company_id = 'org_a' AND search_text LIKE ALL ($1)"}},
        {"calls",
         {"calls_rows",
          "SELECT r.call_id::text AS id FROM calls r LEFT JOIN contact_cards k ON k.id = r.contact_card_id AND k.company_id = "
          "r.company_id WHERE r.company_id = 'org_a' AND "
          "(call_search_text(r.phone_number, r.tracking_number, r.note, r.tags) || search_number(r.tracking_number) || "
          "coalesce(k.search_text, '')) LIKE ALL ($1)"}},
        {"leads",
         {"leads_rows",
          "SELECT r.id::text FROM leads r LEFT JOIN contact_cards k ON k.id = r.contact_card_id AND k.company_id = r.company_id "
          "WHERE r.company_id = 'org_a' AND "
          "(r.search_text || coalesce(k.search_text, '')) LIKE ALL ($1)"}},
        {"appointments",
         {"appointments_rows",
          "SELECT r.id::text FROM appointments r LEFT JOIN contact_cards k ON k.id = r.contact_card_id AND k.company_id = "
          "r.company_id WHERE r.company_id = 'org_a' AND "
          "(r.search_text || coalesce(k.search_text, '')) LIKE ALL ($1)"}}};
    auto patterns = pg::Param::array(search_patterns(typed));
    for (const char* list : lists) {
        INFO(list << ": " << typed);
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
        std::set<std::string> all;
        tx.each(rows.at(list), {patterns}, [&](const pg::Fields& f) { all.insert(f.text("id")); });
        for (std::int64_t most : {100'000, 5'000, 50}) {
            INFO(most);
            std::vector<std::string> found;
            tx.each({"found", "SELECT id FROM unnest(search_found($1, $2, '', $3::int)) id"}, {std::string(list), patterns, most},
                    [&](const pg::Fields& f) { found.push_back(f.text("id")); });
            std::set<std::string> different(found.begin(), found.end());
            CHECK(different.size() == found.size());
            CHECK(found.size() == std::min(all.size(), static_cast<std::size_t>(most)));
            CHECK(std::includes(all.begin(), all.end(), different.begin(), different.end()));
        }
    }
}

}  // namespace

TEST_CASE("what is typed becomes the words that a row must hold") {
    const std::pair<const char*, Patterns> table[] = {
        {"Maria Lopez", {"%maria%", "%lopez%"}},
        {"  LOPEZ   maria ", {"%lopez%", "%maria%"}},
        {"Lopez, Maria", {"%lopez%", "%maria%"}},
        {"\"María López\"", {"%maria%", "%lopez%"}},
        {"maria maria mar", {"%maria%"}},
        {"Maria\u00a0Lopez", {"%maria%", "%lopez%"}},
        {"\u202aMaria\u202c", {"%maria%"}},
        {"O’Brien", {"%obrien%"}},
        {"o'brien", {"%obrien%"}},
        {"Jo Smith", {"%smith%", "% jo%"}},
        {"Hauptstraße 5", {"%hauptstrasse%", "% 5%"}},
        {"50%_off", {"%50\\%\\_off%"}},
        {"%", {"%\\%%"}},
        {"Smith & Sons", {"%smith%", "%sons%"}},
        {"-", {"%-%"}},
        {"(623) 555-0123", {"%6235550123%"}},
        {"623-555-0123", {"%6235550123%"}},
        {"623.555.0123", {"%6235550123%"}},
        {"+1 623 555 0123", {"%6235550123%"}},
        {"1 (623) 555-0123", {"%6235550123%"}},
        {"623 555 0123", {"%6235550123%"}},
        {"6235550123", {"%6235550123%"}},
        {"\u202a+16235550123\u202c", {"%6235550123%"}},
        {"(623)\u00a0555\u20110123", {"%6235550123%"}},
        {"+44 20 7946 0958", {"%442079460958%"}},
        {" 44 20 7946 0958", {"%442079460958%"}},  // its plus arrived as a space
        {"tel:+16235550123", {"%6235550123%"}},
        {"623-555-0123 x45", {"%6235550123%"}},
        {"٦٢٣٥٥٥٠١٢٣", {"%6235550123%"}},
        {"623555", {"%623555%"}},
        {"623-555", {"%623555%"}},
        {"555-0123", {"%5550123%"}},
        {"(623) 555", {"%623%", "%555%"}},
        {"0123", {"%0123%"}},
        {"62", {"% 62%"}},
        {"maria (623) 555-0123", {"%6235550123%", "%maria%"}},
        {"623 555 0123 maria", {"%6235550123%", "%maria%"}},
        {"85009 22345", {"%85009%", "%22345%"}},
        {"1200 Main", {"%1200%", "%main%"}},
        {"李明", {"% 李明%"}},
    };
    for (const auto& [typed, patterns] : table) {
        INFO(typed);
        CHECK(search_patterns(typed) == patterns);
    }
}

TEST_CASE("a search finds rows that hold each word somewhere, in any order and spelling, over every list", "[integration]") {
    Asking people(kPeople);
    // Whom or what it finds, by the customer's first name; "-" a row without one.
    const std::tuple<const char*, Read, std::set<std::string>> table[] = {
        {"maria lopez", reading<&Contacts::list>, {"María"}},
        {"Lopez Maria", reading<&Contacts::list>, {"María"}},
        {"LÓPEZ  MARÍA", reading<&Contacts::list>, {"María"}},
        {"Mari Lop", reading<&Contacts::list>, {"María", "Mario"}},
        {"Maria Mesa", reading<&Contacts::list>, {}},
        {"obrien", reading<&Contacts::list>, {"Seán"}},
        {"O'Brien Sean", reading<&Contacts::list>, {"Seán"}},
        {"O’BRIEN", reading<&Contacts::list>, {"Seán"}},
        {"gross jurgen", reading<&Contacts::list>, {"Jürgen"}},
        {"GROSS", reading<&Contacts::list>, {"Jürgen"}},
        {"hauptstrasse 5", reading<&Contacts::list>, {"Jürgen"}},
        {"(623) 555-0123", reading<&Contacts::list>, {"María"}},
        {"+1 623 555 0123", reading<&Contacts::list>, {"María"}},
        {"623.555.0123", reading<&Contacts::list>, {"María"}},
        {"623555", reading<&Contacts::list>, {"María", "Mario"}},
        {"555-0124", reading<&Contacts::list>, {"Mario"}},
        {"0123 maria", reading<&Contacts::list>, {"María"}},
        {"+44 20 7946 0958", reading<&Contacts::list>, {"Jürgen"}},
        {"az main 1200", reading<&Contacts::list>, {"María"}},
        {"'", reading<&Contacts::list>, {}},
        {"maria gutter", reading<&Calls::list>, {"María"}},
        {"gutter 602900", reading<&Calls::list>, {"María"}},
        {"leaks garcia (602) 900-2222 phoenix", reading<&Calls::list>, {"María"}},
        {"gutter mario", reading<&Calls::list>, {}},
        {"480-555-0777", reading<&Calls::list>, {"María"}},
        {"4805550777 husband", reading<&Calls::list>, {"María"}},
        {"480", reading<&Calls::list>, {"María", "Seán"}},
        {"602-900-1111", reading<&Calls::list>, {"Mario"}},
        {"6029001111 lopes", reading<&Calls::list>, {"Mario"}},
        {"602900", reading<&Calls::list>, {"María", "Mario", "Seán", "Jürgen", "-"}},
        {"estimate", reading<&Calls::list>, {"Seán"}},
        {"north sean", reading<&Calls::list>, {"Seán"}},
        {"anonymous", reading<&Calls::list>, {"-"}},
        {"anonymous 6029002222", reading<&Calls::list>, {"-"}},
        {"50%_OFF", reading<&Calls::list>, {"Mario"}},
        {"50x_off", reading<&Calls::list>, {}},
        {"%", reading<&Calls::list>, {"Mario"}},
        {"maria 623 555 0123", reading<&Calls::list>, {"María"}},
        {"lopez maria", reading<&Leads::list>, {"María"}},
        {"yellow lopes", reading<&Leads::list>, {"Mario"}},
        {"pages yellow 6235550124", reading<&Leads::list>, {"Mario"}},
        {"google mario", reading<&Leads::list>, {}},
        {"85009 maria", reading<&Appointments::list>, {"María"}},
        {"77 85009", reading<&Appointments::list>, {"María"}},
        {"reparation mario", reading<&Appointments::list>, {"Mario"}},
        {"bell ring obrien", reading<&Appointments::list>, {"Seán"}},
        {"(480) 555-0199", reading<&Appointments::list>, {"Seán"}},
        {"quote lopez", reading<&Tasks::list>, {"María"}},
        {"facade naive", reading<&Tasks::list>, {"-"}},
        {"fax 020 7946 0111 gross", reading<&Tasks::list>, {"Jürgen"}},
        {"02079460111", reading<&Tasks::list>, {"Jürgen"}},
        {"6235550123", reading<&Tasks::list>, {"María"}},
    };
    auto names = [](const JsonView& items) {
        std::set<std::string> out;
        for (std::size_t i = 0; i < items.size(); ++i) {
            auto row = items.at(i);
            auto contact = row["contact"].exists() ? row["contact"] : row;
            out.insert(std::string(contact["first_name"].string().value_or("-")));
        }
        return out;
    };
    for (const auto& [typed, read, found] : table) {
        auto page = Asking::data(people.ask(read, "search=" + percent_encode(typed)));
        INFO(typed << ": " << page.root()["items"].dump());
        CHECK(names(page.root()["items"]) == found);
        CHECK(page.root()["total"].integer() == static_cast<std::int64_t>(found.size()));
    }
    // Of what a rep may see; with another filter; of another company; after a change.
    CHECK(names(Asking::data(people.ask(reading<&Appointments::list>, "search=lope", "user_rep", Role::sales_rep))
                    .root()["items"]) == std::set<std::string>{"Mario"});
    CHECK(names(Asking::data(people.ask(reading<&Tasks::list>, "search=quote", "user_rep", Role::sales_rep)).root()["items"]) ==
          std::set<std::string>{"Mario"});
    CHECK(names(Asking::data(people.ask(reading<&Tasks::list>, "search=lope&assignee_id=none")).root()["items"]) ==
          std::set<std::string>{"María"});
    CHECK(names(Asking::data(people.ask(reading<&Calls::list>, "search=lope&direction=outbound")).root()["items"]).empty());
    for (auto read : {reading<&Calls::list>, reading<&Leads::list>, reading<&Contacts::list>, reading<&Appointments::list>,
                      reading<&Tasks::list>})
        CHECK(
            Asking::data(people.ask(read, "search=maria", "user_m", Role::manager, "", "", "org_b")).root()["total"].integer() ==
            1);
    CHECK(Asking::data(people.ask(reading<&Calls::list>, "search=CAL1")).root()["total"].integer() ==
          1);  // a provider's id, as a whole
    people.owner.execute(
        "UPDATE contact_cards SET last_name = 'Núñez' WHERE company_id = 'org_a' AND first_name = 'Mario'; UPDATE tasks SET "
        "description = 'Ask for the deposit' WHERE company_id = 'org_a' AND assignee_id = 'user_rep'");
    CHECK(Asking::data(people.ask(reading<&Calls::list>, "search=nunez")).root()["total"].integer() == 1);
    CHECK(Asking::data(people.ask(reading<&Tasks::list>, "search=nunez+deposit")).root()["total"].integer() == 1);
    CHECK(Asking::data(people.ask(reading<&Tasks::list>, "search=nunez+quote")).root()["total"].integer() == 0);
}

TEST_CASE("a row that was searched as it is found, from whichever side its words are rare", "[integration]") {
    // Every mixture of a word that many notes, cards or numbers hold with one that few do, against the condition that a row is
    // looked at with.
    const char* const typed[] = {"phoenix",
                                 "gutter",
                                 "gutter phoenix",
                                 "phoenix gutter mills",
                                 "gutter 6029000001",
                                 "6029000001 phoenix",
                                 "zurn 602900",
                                 "zurn phoenix 602900",
                                 "zurn gutter",
                                 "ann4242 gutter",
                                 "602900 14802004242 fell",
                                 "602-900-0002",
                                 "6029000002 mills",
                                 "6029000002 zurn",
                                 "phoenix mills",
                                 "ann77 z",
                                 "google phoenix",
                                 "yellow zurn",
                                 "yellow mills",
                                 "off 50% 602900",
                                 "a b c d e f g h phoenix gutter"};
    pg::Connection db(world().service_url(), "test");
    for (const char* text : typed) agree(db, text, {"calls", "leads"});
}

TEST_CASE("a row is found among thousands of which each holds one of the words, on its card or itself", "[integration]") {
    // 65 in a hundred cards say Maria, the newest not; 55 Omar, all of the newest; a third Lopez and half Phoenix, anywhere, and
    // four in five live in Arizona, from the newest to the oldest; four thousand came at once. Of notes a quarter says gutter,
    // few of those roof, a seventh Omar, a few Maria, and some Arizona where the card does not.
    Asking many(R"sql(
SET session_replication_role = replica;
INSERT INTO companies (id, name) VALUES ('org_a', 'A');
CREATE TEMP TABLE who AS SELECT n, md5('c' || n)::uuid AS id, now() - (12000 - n) / 4000 * interval '1 minute' AS at FROM generate_series(1, 12000) n;
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, city, state, created_at)
SELECT 'org_a', id, '+1480' || 2000000 + n, concat_ws(' ', CASE WHEN n <= 7800 THEN 'Maria' END, CASE WHEN n > 5400 THEN 'Omar' END), CASE WHEN n % 3 = 0 THEN 'Lopez' END, CASE WHEN n % 2 = 0 THEN 'Phoenix' END, CASE WHEN n % 5 > 0 THEN 'Arizona' END, at FROM who;
INSERT INTO leads (company_id, id, contact_card_id, source, created_at) SELECT 'org_a', id, id, CASE WHEN n % 7 = 2 THEN 'Omar' WHEN n % 4 = 0 THEN 'gutter' END, at FROM who;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, created_at)
SELECT 'org_a', n, 'callrail', 'CAL' || n, '+1480' || 2000000 + n, CASE WHEN n % 11 = 4 THEN '+16029000002' ELSE '+16029000001' END, 'inbound', 'completed', false, true, id, id, at, '',
       nullif(concat_ws(' ', CASE WHEN n % 4 = 0 THEN 'gutter' END, CASE WHEN n % 40 = 0 THEN 'roof' END, CASE WHEN n % 7 = 2 THEN 'Omar' END, CASE WHEN n % 50 = 1 THEN 'Maria' END, CASE WHEN n % 25 = 0 THEN 'Arizona' END), ''), at FROM who;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, location_address, service_type, scheduled_start, created_at)
SELECT 'org_a', id, id, id, CASE WHEN n % 9 = 0 THEN '1 Main St Phoenix' END, CASE WHEN n % 4 = 0 THEN 'gutter' WHEN n % 7 = 2 THEN 'Omar asks' END, at, at FROM who;
SET session_replication_role = origin;
ANALYZE;
)sql");
    pg::Connection db(many.service_url(), "test");
    const std::vector<std::string> words{"maria", "omar",   "lopez",      "phoenix", "gutter",
                                         "roof",  "602900", "6029000002", "arizona"};
    for (std::size_t i = 0; i < words.size(); ++i) {
        agree(db, words[i], {"contacts", "calls", "leads", "appointments"});
        for (std::size_t j = 0; j < i; ++j) agree(db, words[i] + " " + words[j], {"contacts", "calls", "leads", "appointments"});
    }
    for (const char* text : {"maria omar gutter", "maria gutter phoenix", "omar gutter lopez", "lopez phoenix omar",
                             "roof maria phoenix", "omar gutter 6029000002", "maria omar gutter roof lopez phoenix", "a omar"})
        agree(db, text, {"calls", "leads", "appointments"});
}

TEST_CASE("a search finds parts of numbers, names, notes, sources and cities, in large and small letters, of one's own company",
          "[integration]") {
    CHECK(total(reading<&Calls::list>, "search=gutter") == 3);
    CHECK(total(reading<&Calls::list>, "search=50%25_OFF") == 3);
    CHECK(total(reading<&Calls::list>, "search=50x_off") == 0);  // its own wildcards are letters
    CHECK(total(reading<&Calls::list>, "search=%25") == 3);
    CHECK(total(reading<&Calls::list>, "search=Z%C3%9CRN") == 3);  // by the customer's name
    CHECK(total(reading<&Calls::list>, "search=ann77+z%C3%BCrn") == 3);
    CHECK(total(reading<&Calls::list>, "search=2000077") == 3);
    CHECK(total(reading<&Calls::list>, "search=zzzz") == 0);
    CHECK(total(reading<&Calls::list>, "search=phoenix") == 10'000);  // a lower bound: they are found on the way
    CHECK(total(reading<&Calls::list>, "search=phoenix&limit=7&offset=50") == 10'000);
    CHECK(total(reading<&Calls::list>, "search=gutter&direction=outbound") == 0);
    CHECK(total(reading<&Leads::list>, "search=yellow_p") == 1);
    CHECK(total(reading<&Leads::list>, "search=z%C3%BCrn") == 1);
    CHECK(total(reading<&Contacts::list>, "search=z%C3%BCrn") == 1);
    CHECK(total(reading<&Contacts::list>, "search=Ann77+Z") == 1);
    // Another company's, and what is another rep's.
    CHECK(total(reading<&Calls::list>, "search=z%C3%BCrn", "user_m", Role::manager, "org_b") == 3);
    CHECK(total(reading<&Calls::list>, "search=gutter", "user_m", Role::manager, "org_b") == 0);
    CHECK(total(reading<&Calls::list>, "search=gutter", "user_rep", Role::sales_rep) == 0);
    CHECK(total(reading<&Calls::list>, "search=z%C3%BCrn", "user_rep", Role::sales_rep) == 3);
    CHECK(total(reading<&Calls::list>, "search=phoenix", "user_rep2", Role::sales_rep) == 0);
    auto whole = world().ask(reading<&Calls::list>, "search=phoenix&sort=started_at&limit=3");
    CHECK(Asking::data(whole).root()["items"].at(0)["call_id"].integer() == 60'000);
    pg::Connection db(world().service_url(), "test");
    auto tx = db.begin(pg::Scope::none());
    struct Ids {
        std::string ids;
        static Ids from(const pg::Fields& f) { return {f.text("ids")}; }
    };
    CHECK(tx.one<Ids>({"id", "SELECT search_found('calls', '{%gutter%}', '', 10)::text AS ids"}).ids ==
          "{}");  // without a scope there is nothing
}

TEST_CASE("a search takes 100 letters", "[integration]") {
    std::string letters;
    for (int i = 0; i < 100; ++i) letters += "%C3%BC";
    for (auto read : {reading<&Calls::list>, reading<&Leads::list>, reading<&Contacts::list>, reading<&Appointments::list>,
                      reading<&Tasks::list>}) {
        CHECK(world().ask(read, "search=" + letters).status == 200);
        auto refused = world().ask(read, "search=a" + letters);
        CHECK(refused.status == 422);
        CHECK(refused.body == "search");
    }
}

TEST_CASE("a search reads what it finds and not its company, also of one that statistics do not know, within row-level security",
          "[integration]") {
    world();
    pg::Connection db(world().service_url(), "test");
    auto pages = [&](const std::string& statement) {
        static std::deque<std::pair<std::string, std::string>>
            kept;  // a prepared statement is known by the places of its name and text
        const auto& [name, text] = kept.emplace_back("explained" + std::to_string(kept.size()),
                                                     "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, COSTS OFF) " + statement);
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
        if (!known)
            world().owner.execute(
                "DELETE FROM pg_statistic WHERE starelid IN ('calls'::regclass, 'contact_cards'::regclass, 'leads'::regclass)");
        INFO(known);
        CHECK(pages("SELECT search_found('calls', '{%gutter%}', 'gutter', 10001)") <
              350);  // all calls of the company lie on 1,500
        CHECK(pages("SELECT search_found('calls', '{%zurn%}', '', 10001)") < 350);
        CHECK(pages("SELECT search_found('calls', '{%4802000077%}', '', 10001)") < 350);
        CHECK(pages("SELECT search_found('calls', '{%6029000002%}', '', 10001)") < 350);
        CHECK(pages("SELECT search_found('calls', '{%phoenix%,%gutter%}', '', 10001)") < 400);
        CHECK(pages("SELECT search_found('calls', '{%mills%,\"% zz%\"}', '', 10001)") < 400);
        CHECK(pages("SELECT search_found('contacts', '{%zurn%}', '', 10001)") < 150);
        CHECK(pages("SELECT search_found('contacts', '{\"% zu%\"}', '', 10001)") < 150);
        CHECK(pages("SELECT search_found('leads', '{%yellow%}', '', 10001)") < 350);
        CHECK(pages("SELECT search_found('leads', '{%google%,%zurn%}', '', 10001)") < 400);
        CHECK(pages("SELECT search_found('appointments', '{%zurn%}', '', 10001)") < 350);
        CHECK(pages("SELECT search_found('tasks', '{%zurn%}', '', 10001)") < 350);
    }
    world().owner.execute("ANALYZE");
}
