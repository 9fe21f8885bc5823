#include <map>
#include <set>
#include <string>

#include "base/text.hpp"
#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"
#include "words.hpp"

using namespace otto;

namespace {

using Words = std::set<std::string, std::less<>>;

/// A column that its CHECK confines to words.
struct Confined {
    std::string column;
    Words words;
    static Confined from(const pg::Fields& f) {
        auto list = split_list(f.text("words"));
        return {f.text("column"), {list.begin(), list.end()}};
    }
};

/// `CHECK (status IN ('a', 'b'))` stands as `status = ANY (ARRAY['a'::text, 'b'::text])`, and a list of words as
/// `purposes <@ '{a,b}'::text[]`; one word alone as `channel = 'a'::text`.
constexpr const char* kConfined = R"sql(
SELECT c.conrelid::regclass || '.' || a.attname AS "column",
       (SELECT string_agg(btrim(m[1], '{}'), ',')
          FROM regexp_matches(pg_get_constraintdef(c.oid), '''([^'']*)''::text', 'g') AS m) AS words
  FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'c' AND cardinality(c.conkey) = 1 AND c.connamespace = 'public'::regnamespace
   AND pg_get_constraintdef(c.oid) ~ '(= ANY \(ARRAY\[|<@ ''\{|\(\w+ = ''[^'']+''::text\))'
 ORDER BY 1)sql";

/// Words that no answer shows: the reason why the contract does not name them.
const std::map<std::string, std::string> kOwn{
    {"clerk_tombstones.kind", "what is over at the identity provider, for the order of its words alone"},
    {"analysis_corrections.field", "the names of AnalysisCorrection"},
    {"folded_rows.kind", "whose rows became one, for other services"},
    {"intents.state", "the runtime's own"},
    {"number_purchases.state", "told as success, or as an error that says what came of it"},
    {"operator_actions.action", "ottoctl's"},
    {"opt_ins.source", "what takes an opt-out back, which shows it"},
    {"opt_ins.word", "what takes an opt-out back, which shows it"},
    {"recordings.status", "shown as analysis_state"},
    {"shunya_jobs.job_status", "shown as analysis_state"},
    {"shunya_jobs.job_type", "shown as analysis_state"},
    {"shunya_jobs.step", "shown as analysis_state"},
    {"company_numbers.standing", "shown as state"},
    {"text_sends.state", "where a text stands in its line, for the sender and ottoctl; people see its status"},
};

}  // namespace

TEST_CASE("a column holds just the words that the contract names for it, or no answer shows them", "[integration]") {
    pg::Connection owner(testkit::TestPostgres::shared().fresh_database(), "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    std::map<std::string, Words> confined;
    {
        auto tx = owner.begin(pg::Scope::none());
        for (auto& row : tx.many<Confined>({"confined", kConfined})) confined.emplace(row.column, row.words);
    }
    std::set<std::string> named;
    for (const auto& column : words::columns) {
        INFO(column.name);
        named.emplace(column.name);
        auto found = confined.find(std::string(column.name));
        REQUIRE(found != confined.end());
        CHECK(found->second == Words(column.words.begin(), column.words.end()));
    }
    for (const auto& [column, words] : confined) {
        INFO(column << ": name the column in http/*.yaml (columns), or say here why no answer shows it");
        CHECK(named.contains(column) != kOwn.contains(column));
    }
    for (const auto& [column, why] : kOwn) {
        INFO(column << ": " << why << "; it has no such CHECK");
        CHECK(confined.contains(column));
    }
}
