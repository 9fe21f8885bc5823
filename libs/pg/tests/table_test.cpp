#include "pg/table.hpp"

#include <algorithm>
#include <set>

#include "pg/connection.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using testkit::TestPostgres;

namespace {

/// A word that is kept in capitals.
struct Loud {
    std::string word;
    bool operator==(const Loud&) const = default;
};

}  // namespace

template <>
struct otto::pg::Value<Loud> {
    static constexpr std::string_view type = "text";
    static std::optional<Loud> read(const Fields& f, std::string_view column) {
        auto text = f.maybe_text(column);
        return text && text->ends_with("!") ? std::optional(Loud{text->substr(0, text->size() - 1)}) : std::nullopt;
    }
    static Param write(const Loud& loud) { return loud.word + "!"; }
};

namespace {

struct Facts {
    std::optional<std::string> name;
    std::vector<std::string> tags;
    std::optional<Instant> at;
    Loud word;
};
struct Thing {
    CompanyId company;
    CallId id;
    std::string origin;
    Facts facts;
    std::optional<int> size;
    std::optional<Instant> made_at;
    std::optional<std::int64_t> twice;  ///< what the database says
    std::pair<CompanyId, CallId> key() const { return {company, id}; }
};

const pg::Table<Thing> kThings("test", "things",
                               {
                                   pg::col("company_id", &Thing::company).key(),
                                   pg::col("id", &Thing::id).key(),
                                   pg::col("origin", &Thing::origin).once(),
                                   pg::col("name", &Thing::facts, &Facts::name),
                                   pg::col("tags", &Thing::facts, &Facts::tags),
                                   pg::col("at", &Thing::facts, &Facts::at),
                                   pg::col("word", &Thing::facts, &Facts::word),
                                   pg::col("size", &Thing::size),
                                   pg::derived<Thing>(
                                       "twice", [](const Thing& t) { return std::int64_t{t.size.value_or(0)} * 2; },
                                       [](Thing& t, std::int64_t twice) {
                                           if (t.size) t.twice = twice;
                                       }),
                                   pg::derived<Thing>("label",
                                                      [](const Thing& t) { return t.origin + "/" + t.facts.name.value_or("-"); }),
                                   pg::col("created_at", &Thing::made_at).once().unread().otherwise("now()"),
                               });
const pg::Select<Thing> kLock = kThings.by("lock_things", {"company_id", "id"}, "ORDER BY company_id, id FOR UPDATE");
const pg::Select<Thing> kEither = kThings.select(
    "either_things",
    "SELECT {columns} FROM things WHERE (company_id, id) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) UNION "
    "SELECT {columns} FROM things WHERE (company_id, name) IN (SELECT * FROM unnest($3::text[], $4::text[])) ORDER BY id");
const pg::Write<Thing> kSave = kThings.upsert("save_things");
const pg::Write<Thing> kAdd = kThings.insert("add_things", {"company_id", "id", "origin", "tags", "word", "created_at"},
                                             "ORDER BY company_id, id ON CONFLICT DO NOTHING");
const pg::Write<Thing> kGrow = kThings.update("grow_things", {"size"}, "", "AND t.size < i.size RETURNING t.id, t.version");
const pg::Write<Thing> kName = kThings.update("name_things", {"name", "tags"}, "size = t.size + 1");

struct Database {
    Secret url = TestPostgres::shared().fresh_database();
    pg::Connection connection{url, "table_test"};
    Database() {
        connection.execute(
            "CREATE TABLE things (company_id text, id bigint, origin text NOT NULL, name text, tags text[] NOT NULL DEFAULT "
            "'{}', at timestamptz, word text, size integer, twice bigint, label text, "
            "version bigint NOT NULL DEFAULT 1, created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL "
            "DEFAULT '2000-01-01', PRIMARY KEY (company_id, id))");
    }
    pg::Tx begin() { return connection.begin(pg::Scope::none()); }
};

Thing thing(std::int64_t id, const std::string& name = "") {
    Thing t;
    t.company = CompanyId{"org_a"};
    t.id = CallId{id};
    t.origin = "first";
    if (!name.empty()) t.facts.name = name;
    t.facts.word = {"w" + std::to_string(id)};
    return t;
}

using Keys = std::set<std::pair<CompanyId, CallId>>;
Keys keys(std::initializer_list<std::int64_t> ids) {
    Keys all;
    for (auto id : ids) all.emplace(CompanyId{"org_a"}, CallId{id});
    return all;
}

}  // namespace

TEST_CASE("statements follow from the columns") {
    pg::Query lock = kLock, save = kSave, add = kAdd, name = kName;
    CHECK(lock.name == "test.lock_things");
    CHECK(lock.text ==
          "SELECT company_id, id, origin, name, to_jsonb(tags) AS tags, at, word, size, twice FROM things WHERE (company_id, id) "
          "IN (SELECT * FROM unnest($1::text[], $2::bigint[])) "
          "ORDER BY company_id, id FOR UPDATE");
    CHECK(save.text ==
          "INSERT INTO things AS t (company_id, id, origin, name, tags, at, word, size, twice, label, created_at) SELECT "
          "company_id, id, origin, name, ARRAY(SELECT jsonb_array_elements_text(tags)), at, word, "
          "size, twice, label, coalesce(created_at, now()) FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], "
          "$5::jsonb[], $6::timestamptz[], $7::text[], $8::int[], $9::bigint[], $10::text[], "
          "$11::timestamptz[]) AS i (company_id, id, origin, name, tags, at, word, size, twice, label, created_at) ORDER BY "
          "company_id, id ON CONFLICT (company_id, id) DO UPDATE SET name = excluded.name, "
          "tags = excluded.tags, at = excluded.at, word = excluded.word, size = excluded.size, twice = excluded.twice, label = "
          "excluded.label, version = t.version + 1, "
          "updated_at = now()");
    CHECK(add.text ==
          "INSERT INTO things AS t (company_id, id, origin, tags, word, created_at) SELECT company_id, id, origin, ARRAY(SELECT "
          "jsonb_array_elements_text(tags)), word, coalesce(created_at, now()) "
          "FROM unnest($1::text[], $2::bigint[], $3::text[], $4::jsonb[], $5::text[], $6::timestamptz[]) AS i (company_id, id, "
          "origin, tags, word, created_at) ORDER BY company_id, id ON CONFLICT DO NOTHING");
    CHECK(name.text ==
          "UPDATE things t SET name = i.name, tags = ARRAY(SELECT jsonb_array_elements_text(i.tags)), version = t.version + 1, "
          "updated_at = now(), size = t.size + 1 "
          "FROM unnest($1::text[], $2::bigint[], $3::text[], $4::jsonb[]) AS i (company_id, id, name, tags) WHERE t.company_id = "
          "i.company_id AND t.id = i.id");
    CHECK_THROWS_AS(kThings.by("other", {"nothing"}), std::logic_error);
    auto all = pg::Statement::all();
    for (auto wanted : {"test.lock_things", "test.save_things"})
        CHECK(std::count_if(all.begin(), all.end(), [&](const auto& q) { return q.name == wanted; }) == 1);
}

TEST_CASE("rows come back as they were saved, and what is written once stays", "[integration]") {
    Database db;
    auto first = thing(1, "one"), second = thing(2);
    first.facts.tags = {"plain", "q\"\\,{} '", "", "NULL"};
    first.facts.at = from_micros(1'700'000'000'123'456);
    first.size = 21;
    {
        auto tx = db.begin();
        kSave(tx, std::vector{second, first});
        tx.commit();
    }
    auto tx = db.begin();
    auto rows = kLock(tx, keys({1, 2, 3}));
    REQUIRE(rows.size() == 2);
    CHECK((rows[0].id == first.id && rows[0].company == first.company && rows[0].origin == "first" &&
           rows[0].facts.name == "one" && rows[0].facts.tags == first.facts.tags));
    CHECK((rows[0].facts.at == first.facts.at && rows[0].facts.word == first.facts.word && rows[0].size == 21 &&
           rows[0].twice == 42 && !rows[0].made_at));
    CHECK((!rows[1].facts.name && rows[1].facts.tags.empty() && !rows[1].facts.at && !rows[1].size && !rows[1].twice));
    rows[1].origin = "second";
    rows[1].facts.name = "two";
    kSave(tx, std::vector<const Thing*>{&rows[1]});
    auto again = kLock(tx, keys({2}));
    CHECK((again.at(0).origin == "first" && again.at(0).facts.name == "two"));
    CHECK(tx.value<std::int64_t>({"version", "SELECT version FROM things WHERE id = 2"}) == 2);
    CHECK(tx.value<std::string>({"label", "SELECT label FROM things WHERE id = 2"}) == "second/two");
}

TEST_CASE("some columns are inserted or changed, and nothing is a statement of none", "[integration]") {
    Database db;
    auto tx = db.begin();
    auto old = thing(1, "not yet"), now = thing(2);
    old.made_at = from_micros(1'000'000'000'000'000);
    old.facts.tags = {"a"};
    kAdd(tx, std::vector{old, now});
    kAdd(tx, std::vector{thing(1)});
    CHECK(
        tx.values<std::string>(
            {"added", "SELECT concat_ws(' ', id, name, tags, created_at < now() - interval '1 day') FROM things ORDER BY id"}) ==
        std::vector<std::string>{"1 {a} t", "2 {} f"});
    old.facts.name = "named";
    old.facts.tags = {"b", "c"};
    kName(tx, std::vector{old});
    CHECK(tx.values<std::string>(
              {"named", "SELECT concat_ws(' ', id, name, tags, version, updated_at > '2001-01-01') FROM things ORDER BY id"}) ==
          std::vector<std::string>{"1 named {b,c} 2 t", "2 {} 1 f"});
    CHECK(kEither(tx, keys({2}), std::set{std::pair{CompanyId{"org_a"}, std::string("named")}}).size() == 2);
    CHECK(kEither(tx, keys({2}), std::set<std::pair<CompanyId, std::string>>{}).size() == 1);

    auto before = tx.statements();
    kSave(tx, std::vector<Thing>{});
    kName(tx, std::vector<const Thing*>{});
    CHECK(kLock(tx, Keys{}).empty());
    CHECK(kEither(tx, Keys{}, std::set<std::pair<CompanyId, std::string>>{}).empty());
    kLock.queue(tx, Keys{});
    CHECK(tx.statements() == before);
    kLock.queue(tx, keys({1}));
    CHECK(tx.statements() == before + 1);
}

TEST_CASE("rows are changed on a condition, and what they became is returned", "[integration]") {
    Database db;
    auto tx = db.begin();
    std::vector all{thing(1), thing(2), thing(3)};
    for (auto& t : all) t.size = 10;
    kSave(tx, all);
    all[0].size = 11;
    all[1].size = 9;
    std::vector<std::pair<std::int64_t, std::int64_t>> grown;
    kGrow.returning(tx, all, [&](const pg::Fields& f) { grown.emplace_back(f.integer("id"), f.integer("version")); });
    CHECK(grown == std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 2}});
}

TEST_CASE("one value: none, null, and more than one", "[integration]") {
    Database db;
    auto tx = db.begin();
    CHECK(tx.value<std::int64_t>({"three", "SELECT 3::bigint"}) == 3);
    CHECK(tx.value<CallId>({"three", "SELECT 3::bigint"}) == CallId{3});
    CHECK(tx.value<bool>({"truth", "SELECT true"}) == true);
    CHECK_FALSE(tx.value<std::string>({"nothing", "SELECT 'x' WHERE false"}));
    auto null = tx.value<std::optional<std::string>>({"null", "SELECT NULL::text"});
    REQUIRE(null);
    CHECK_FALSE(*null);
    CHECK_THROWS_AS(tx.value<std::int64_t>({"two", "SELECT generate_series(1, 2)::bigint"}), std::logic_error);
    CHECK(tx.values<int>({"several", "SELECT generate_series(1, 3)"}) == std::vector<int>{1, 2, 3});
}
