// The numbers of companies that a former rule wrote: what the migration makes of them.
#include "pg/migrate.hpp"
#include "rig.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

/// A database as the former rule left it.
class Former {
public:
    Former() {
        REQUIRE(pg::migrate(db_, {all_.begin(), std::find_if(all_.begin(), all_.end(),
                                                             [](const auto& m) { return m.version >= "20261129175600"; })})
                    .ok());
    }
    void has(const std::string& rows) { db_.execute(rows); }
    void fold() {
        auto done = pg::migrate(db_, all_);
        INFO((done.ok() ? std::string() : done.error().describe()));
        REQUIRE(done.ok());
    }
    std::vector<std::string> rows(const std::string& text) {
        std::vector<std::string> out;
        auto name = "q" + std::to_string(++n_);
        auto tx = db_.begin(pg::Scope::none());
        tx.each({name, text}, {}, [&](const pg::Fields& f) { out.push_back(f.text("v")); });
        return out;
    }
    /// Each number of a company: as it stands, and what its manager reads.
    std::vector<std::string> numbers(const std::string& company) {
        return rows(
            "SELECT concat_ws(' ', e164, CASE WHEN valid_to IS NULL THEN CASE WHEN is_active THEN 'live' ELSE 'off' END ELSE "
            "CASE WHEN is_active THEN 'past' ELSE 'never' END END, standing, "
            "left(number_note(ended_note, kept_note, valid_to), 41)) AS v FROM company_numbers WHERE company_id = '" +
            company + "' ORDER BY created_at, e164");
    }
    std::string phone(const std::string& company) {
        return rows("SELECT concat_ws('|', phone_number, primary_tracking_number) AS v FROM companies WHERE id = '" + company +
                    "'")
            .front();
    }

private:
    std::span<const pg::Migration> all_ = schema::all();
    pg::Connection db_{testkit::TestPostgres::shared().fresh_database(), "test"};
    int n_ = 0;
};

using Rows = std::vector<std::string>;

}  // namespace

TEST_CASE("numbers that are one by now stay with the proven, else the older company; the other's end and both managers read why",
          "[integration]") {
    Former db;
    db.has(R"sql(
INSERT INTO companies (id, name) SELECT 'org_' || c, c FROM unnest(ARRAY['a', 'b', 'c', 'd', 'e', 'f', 'g']) c;
INSERT INTO company_numbers (company_id, e164, valid_from, standing, created_at) VALUES
  -- the older one, nothing is proven
  ('org_a', '+12025550101', '-infinity', 'unproven', '2026-01-02'), ('org_b', '+0012025550101', '-infinity', 'unproven', '2026-01-01'),
  -- the proven one, though younger
  ('org_a', '+12025550102', '-infinity', 'unproven', '2026-01-01'), ('org_b', '+01112025550102', '-infinity', 'proven', '2026-01-02'),
  -- both are proven, one by the provider
  ('org_c', '+0012025550103', '-infinity', 'proven', '2026-01-01'), ('org_d', '+01112025550103', '-infinity', 'final', '2026-01-02'),
  -- proven by a webhook that nobody had told the row of
  ('org_c', '+12025550104', '-infinity', 'unproven', '2026-01-01'), ('org_d', '+0012025550104', '-infinity', 'unproven', '2026-01-02'),
  -- twice one company's own
  ('org_e', '+12025550105', '-infinity', 'unproven', '2026-01-01'), ('org_e', '+0012025550105', '-infinity', 'unproven', '2026-01-02'),
  -- nobody else's
  ('org_f', '+0012025550106', '-infinity', 'proven', '2026-01-01');
INSERT INTO company_numbers (company_id, e164, purposes, valid_from, standing, created_at) VALUES
  ('org_g', '+0012025550107', '{voice}', '-infinity', 'unproven', '2026-01-01'), ('org_f', '+12025550107', '{text}', '-infinity', 'unproven', '2026-01-02');
-- another had it before, and calls of then are that one's
INSERT INTO company_numbers (company_id, e164, valid_from, valid_to, standing, created_at) VALUES ('org_g', '+12025550106', '-infinity', '2026-06-01', 'proven', '2025-01-01');
INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) VALUES ('org_d', '+0012025550104', 'callrail', now(), now());
UPDATE companies SET phone_number = '+12025550101' WHERE id = 'org_a';
UPDATE companies SET phone_number = '+01112025550103' WHERE id = 'org_d';
UPDATE directory_state SET dirty = false;
)sql");
    db.fold();
    const std::string kept = "Another company had registered this numbe";
    CHECK(db.numbers("org_a") == Rows{"+12025550102 never unproven It is the same number as +12025550102, wh",
                                      "+12025550101 never unproven It is the same number as +12025550101, wh"});
    CHECK(db.numbers("org_b") == Rows{"+12025550101 live unproven " + kept, "+12025550102 live proven " + kept});
    CHECK(db.numbers("org_c") == Rows{"+0012025550103 past proven It is the same number as +12025550103, wh",
                                      "+12025550104 never unproven It is the same number as +12025550104, wh"});
    CHECK(db.numbers("org_d") == Rows{"+12025550103 live final " + kept, "+12025550104 live proven " + kept});
    CHECK(db.numbers("org_e") ==
          Rows{"+12025550105 live unproven", "+0012025550105 never unproven It is the same number as +12025550105, wh"});
    CHECK(db.numbers("org_f") == Rows{"+12025550106 live proven", "+12025550107 live unproven"});
    CHECK(db.numbers("org_g") ==
          Rows{"+12025550106 past proven", "+12025550107 live unproven"});  // one for calls, the other for texts
    CHECK(db.rows("SELECT (valid_from = '2026-06-01')::text AS v FROM company_numbers WHERE company_id = 'org_f' AND e164 = "
                  "'+12025550106'") == Rows{"true"});
    // No note says whose it is, a field that named what ended is empty, and each company is told anew.
    CHECK(db.rows("SELECT count(*)::text AS v FROM company_numbers WHERE concat(ended_note, kept_note) LIKE '%org\\_%'") ==
          Rows{"0"});
    CHECK(db.phone("org_a").empty());
    CHECK(db.phone("org_d") == "+01112025550103");
    CHECK(db.rows("SELECT string_agg(company_id, ' ' ORDER BY company_id) AS v FROM directory_state WHERE dirty") ==
          Rows{"org_a org_b org_c org_d org_e org_f org_g"});
    // What is written from now on finds it all in order.
    db.has(
        "UPDATE companies SET phone_number = '(202) 555-0103' WHERE id = 'org_d'; UPDATE companies SET address = 'x'; UPDATE "
        "company_numbers SET voicemail_enabled = false");
    CHECK(db.numbers("org_d").front() == "+12025550103 live final " + kept);
}

TEST_CASE("a number that nobody can call ends, and its manager reads why", "[integration]") {
    Former db;
    db.has(R"sql(
INSERT INTO companies (id, name, phone_number, primary_tracking_number) VALUES ('org_a', 'a', '+266696687', '555-555-5555'), ('org_b', 'b', '+12025550101', 'call us');
INSERT INTO company_numbers (company_id, e164, valid_from, standing, is_active) VALUES ('org_b', '+1202555', '-infinity', 'proven', false), ('org_b', '+10025550101', now(), 'proven', true), ('org_b', 'no number', now(), 'proven', true);
INSERT INTO listed_numbers (company_id, provider, e164) VALUES ('org_b', 'callrail', '+10025550101'), ('org_b', 'callrail', '+0012025550101'), ('org_b', 'callrail', '+12025550101');
INSERT INTO number_releases VALUES ('+0012025550107', '2026-01-02'), ('+12025550107', '2026-01-01'), ('+266696687', '2026-01-01');
)sql");
    db.fold();
    const std::string why = "It ended because nobody can call it: it i";
    CHECK(db.numbers("org_a") == Rows{"+15555555555 past unproven " + why, "+266696687 past unproven " + why});
    CHECK(db.phone("org_a").empty());
    CHECK(db.rows("SELECT e164 AS v FROM company_numbers WHERE company_id = 'org_b' AND valid_to IS NULL") ==
          Rows{"+12025550101"});
    CHECK(db.phone("org_b") == "+12025550101|call us");
    CHECK(db.rows("SELECT e164 AS v FROM listed_numbers") == Rows{"+12025550101"});
    CHECK(db.rows(
              "SELECT e164 || ' ' || released_at::date AS v FROM number_releases WHERE e164 LIKE '%0107' OR e164 LIKE '%687'") ==
          Rows{"+12025550107 2026-01-02"});
    // Nor can another be written.
    for (auto number : {"+266696687", "no number", "+0012025550108", "2025550108"})
        CHECK_THROWS(db.has(std::string("INSERT INTO company_numbers (company_id, e164, valid_from) VALUES ('org_b', '") +
                            number + "', now())"));
}

TEST_CASE("a field that names a number only now claims it, or is emptied for whose it is", "[integration]") {
    Former db;
    db.has(R"sql(
INSERT INTO companies (id, name, phone_number, primary_tracking_number, created_at) VALUES
  ('org_a', 'a', U&'\202A+12025550101\202C', '202-555-0102 x45', '2026-01-01'), ('org_b', 'b', '+12025550101', NULL, '2026-01-02'), ('org_c', 'c', 'tel:+12025550102', NULL, '2026-01-03'),
  ('org_d', 'd', U&'202\2011555\20110104', NULL, '2026-01-04');
)sql");
    db.fold();
    CHECK(db.numbers("org_a") == Rows{"+12025550101 never unproven A field of your company named this number",
                                      "+12025550102 live unproven A field of another company named this num"});
    CHECK(db.phone("org_a") == "202-555-0102 x45");
    CHECK(db.numbers("org_b") == Rows{"+12025550101 live unproven A field of another company named this num"});
    CHECK(db.numbers("org_c") == Rows{"+12025550102 never unproven A field of your company named this number"});
    CHECK(db.phone("org_c").empty());
    CHECK(db.numbers("org_d") == Rows{"+12025550104 live unproven"});
}

TEST_CASE("a number in any spelling is one to the commands, and none that nobody can call is taken", "[integration]") {
    auto& rig = Rig::shared();
    rig.company("org_spelt");
    auto n = Rig::fresh_number();
    auto national = n.substr(2);
    CHECK(rig.add("org_spelt", "\\u202a" + n + "\\u202c").data("e164") == n);
    for (auto said : {national + " x45", "tel:" + n + ";ext=45", "00" + n.substr(1), "011 " + n.substr(1),
                      national.substr(0, 3) + "\\u2011" + national.substr(3)}) {
        auto again = rig.add("org_spelt", said);
        INFO(said);
        CHECK(again.status == 409);
        CHECK(again.body.find("yours already") != std::string::npos);
    }
    CHECK(rig.standing("org_spelt", n) == "unproven");
    rig.prove("org_spelt", "00" + n.substr(1));  // as a former version told it
    CHECK(rig.standing("org_spelt", n) == "proven");
    for (auto said : {"+266696687", "7378742833", "+15555555555", "+1 102 555 0100", "+1 202 555", "anonymous", "-1"}) {
        auto refused = rig.add("org_spelt", said);
        INFO(said);
        CHECK(refused.status == 422);
        CHECK(refused.field == "e164");
    }
}
