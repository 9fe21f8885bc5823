// What SQL makes of clocks and of names of zones.
#include "base/spoken_time.hpp"
#include "pg/connection.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;

namespace {

struct At {
    std::optional<Instant> at;
    static At from(const pg::Fields& f) { return {f.time("at")}; }
};
struct Good {
    bool good;
    static Good from(const pg::Fields& f) { return {f.boolean("good")}; }
};
struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};
struct Text {
    std::string v;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

pg::Connection& db() {
    static testkit::Database database("otto_lead_pipeline");
    return database.owner;
}

std::string moment(const std::string& wall, const std::string& zone) {
    auto tx = db().begin(pg::Scope::none());
    auto at = tx.one<At>({"moment", "SELECT otto_moment($1, $2) AS at"}, {wall, zone}).at;
    return at ? to_rfc3339(*at) : "-";
}

}  // namespace

TEST_CASE("what a clock shows is the first of an hour that comes twice and the later of one that never comes", "[integration]") {
    struct Row {
        std::string wall, zone, at;
    };
    for (const auto& [wall, zone, at] :
         {Row{"2026-12-20 10:00:00", "America/Phoenix", "2026-12-20T17:00:00Z"},
          {"2026-12-20 10:00:00", "America/New_York", "2026-12-20T15:00:00Z"},
          {"2026-07-20 10:00:00", "America/New_York", "2026-07-20T14:00:00Z"},
          {"2027-11-07 00:59:59", "America/New_York", "2027-11-07T04:59:59Z"},
          {"2027-11-07 01:00:00", "America/New_York", "2027-11-07T05:00:00Z"},
          {"2027-11-07 01:30:00", "America/New_York", "2027-11-07T05:30:00Z"},
          {"2027-11-07 01:59:59", "America/New_York", "2027-11-07T05:59:59Z"},
          {"2027-11-07 02:00:00", "America/New_York", "2027-11-07T07:00:00Z"},
          {"2027-03-14 01:59:59", "America/New_York", "2027-03-14T06:59:59Z"},
          {"2027-03-14 02:00:00", "America/New_York", "2027-03-14T07:00:00Z"},
          {"2027-03-14 02:30:00", "America/New_York", "2027-03-14T07:30:00Z"},
          {"2027-03-14 03:00:00", "America/New_York", "2027-03-14T07:00:00Z"},
          {"2027-11-07 01:30:00", "America/Denver", "2027-11-07T07:30:00Z"},
          {"2027-11-07 01:30:00", "America/Phoenix", "2027-11-07T08:30:00Z"},
          {"2027-11-07 01:30:00.25", "America/Chicago", "2027-11-07T06:30:00.250000Z"},
          {"2027-03-14 02:30:00", "America/Los_Angeles", "2027-03-14T10:30:00Z"},
          {"2026-10-25 01:30:00", "Europe/London", "2026-10-25T00:30:00Z"},
          {"2026-03-29 01:30:00", "Europe/London", "2026-03-29T01:30:00Z"},
          {"2026-10-25 01:30:00", "Europe/Dublin", "2026-10-25T00:30:00Z"},  // where winter is the exception
          {"2026-10-25 02:30:00", "Europe/Zurich", "2026-10-25T00:30:00Z"},
          {"2027-04-04 02:15:00", "Australia/Sydney", "2027-04-03T15:15:00Z"},
          {"2027-04-04 01:45:00", "Australia/Lord_Howe", "2027-04-03T14:45:00Z"},  // by half an hour
          {"2027-10-03 02:15:00", "Australia/Lord_Howe", "2027-10-02T15:45:00Z"},
          {"2026-12-20 10:00:00", "Asia/Kathmandu", "2026-12-20T04:15:00Z"},
          {"2026-12-20 10:00:00", "US/Arizona", "2026-12-20T17:00:00Z"},
          {"2026-12-20 10:00:00", "Nowhere/Bad", "-"},
          {"2026-12-20 10:00:00", "", "-"}}) {
        INFO(wall << " " << zone);
        CHECK(moment(wall, zone) == at);
    }
}

TEST_CASE("every moment is shown by a clock, and is the first that is shown so", "[integration]") {
    auto tx = db().begin(pg::Scope::none());
    for (auto zone : {"America/New_York", "America/St_Johns", "Europe/Dublin", "Australia/Lord_Howe", "Africa/Casablanca",
                      "Antarctica/Troll", "Pacific/Apia"}) {
        INFO(zone);
        // A quarter of an hour at a time over two years: what comes back is never later, and shows the same.
        CHECK(tx.one<Count>({"first_shown",
                             "SELECT count(*) AS n FROM generate_series('2026-01-01Z'::timestamptz, '2027-12-31Z'::timestamptz, "
                             "interval '15 minutes') AS t (at), "
                             "LATERAL (SELECT otto_moment(t.at AT TIME ZONE $1, $1) AS at) m WHERE m.at > t.at OR m.at AT TIME "
                             "ZONE $1 <> t.at AT TIME ZONE $1 OR m.at < t.at - interval '3 hours'"},
                            {zone})
                  .n == 0);
    }
}

TEST_CASE("a company's zone is one of IANA's places", "[integration]") {
    auto tx = db().begin(pg::Scope::none());
    auto good = [&](const std::string& zone) {
        return tx.one<Good>({"good_zone", "SELECT is_time_zone($1) AS good"}, {zone}).good;
    };
    for (auto place : {"America/Phoenix", "America/New_York", "US/Arizona", "US/Pacific", "Asia/Calcutta", "Asia/Kolkata",
                       "Europe/Kyiv", "America/Argentina/Buenos_Aires", "America/Indiana/Knox", "America/Port-au-Prince",
                       "Canada/Pacific", "Pacific/Honolulu", "Arctic/Longyearbyen", "Brazil/East", "Singapore", "Navajo", "NZ"}) {
        INFO(place);
        CHECK(good(place));
    }
    for (auto other : {"localtime",
                       "posixrules",
                       "Factory",
                       "posix/America/Phoenix",
                       "right/America/Phoenix",
                       "PST",
                       "EST",
                       "EST5EDT",
                       "PST8PDT",
                       "MST",
                       "GMT+7",
                       "Etc/GMT+7",
                       "UTC",
                       "GMT",
                       "Zulu",
                       "Pacific Time (US & Canada)",
                       "america/phoenix",
                       "America/Phoenix ",
                       "America/Foo5",
                       "America/Nowhere",
                       "America/",
                       "Pacific/",
                       "SystemV/PST8",
                       "Foo5",
                       "",
                       "America/Phoenix\n",
                       "../localtime",
                       "zone1970.tab"}) {
        INFO(other);
        CHECK_FALSE(good(other));
    }
}

TEST_CASE("times on record that cannot have been meant go, and zones that are files become places", "[integration]") {
    auto again = [](std::string_view name) {
        for (const auto& m : schema::all())
            if (std::string(m.version) + "_" + std::string(m.name) == name) db().execute(std::string(m.sql));
    };
    db().execute(
        "INSERT INTO companies (id, name) VALUES ('org_old', 'Old'), ('org_file', 'F'), ('org_right', 'R'), ('org_utc', 'U');"
        "ALTER TABLE companies DISABLE TRIGGER companies_time_zone_other;"
        "UPDATE companies SET timezone = CASE id WHEN 'org_file' THEN 'localtime' WHEN 'org_right' THEN 'right/America/Denver' "
        "ELSE 'UTC' END WHERE id <> 'org_old';"
        "ALTER TABLE companies ENABLE TRIGGER companies_time_zone_other;"
        "INSERT INTO contact_cards (company_id, id) VALUES ('org_old', '0191e0b8-0000-7000-8000-00000000d001');"
        "INSERT INTO leads (company_id, id, contact_card_id, source, source_at, source_call, last_contacted_at) VALUES "
        "('org_old', '0191e0b8-0000-7000-8000-00000000d002', '0191e0b8-0000-7000-8000-00000000d001', 'late', "
        "'1970-08-23Z', 'two', '2026-11-20 10:00Z');"
        "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
        "started_at, ended_at, contact_card_id, lead_id, source, received_at, merge_state) VALUES "
        "('org_old', 1, 'callrail', 'one', 'inbound', 'completed', false, true, '2026-11-20 10:00Z', '2026-11-20 10:01Z', "
        "'0191e0b8-0000-7000-8000-00000000d001', '0191e0b8-0000-7000-8000-00000000d002', 'first', '2026-11-20 10:02Z', '{}'),"
        "('org_old', 2, 'callrail', 'two', 'inbound', 'completed', false, true, '1970-08-23 12:00Z', '1970-08-23 12:01Z', "
        "'0191e0b8-0000-7000-8000-00000000d001', '0191e0b8-0000-7000-8000-00000000d002', 'late', '2026-11-21 10:02Z', '{}');"
        "INSERT INTO call_verdicts (company_id, call_id, lead_id, call_started_at, received_at, version) VALUES ('org_old', 2, "
        "'0191e0b8-0000-7000-8000-00000000d002', '1970-08-23 12:00Z', '2026-11-21 11:00Z', 1);"
        "INSERT INTO tasks (company_id, id, description, unique_key, due_at, status) VALUES ('org_old', gen_random_uuid(), 't', "
        "'t', '1970-08-23Z', 'overdue');"
        "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, scheduled_end) VALUES "
        "('org_old', gen_random_uuid(), '0191e0b8-0000-7000-8000-00000000d002', '0191e0b8-0000-7000-8000-00000000d001', "
        "'1970-08-23 12:00Z', '1970-08-23 13:00Z')");
    for (auto name : {"20261129180200_places", "20261129180300_no_time_before_2000", "20261129180400_no_time_before_2000"})
        again(name);
    auto tx = db().begin(pg::Scope::none());
    auto row = [&](const char* text) { return tx.one<Text>({text, text}).v; };
    CHECK(row("SELECT string_agg(id || ' ' || timezone, ', ' ORDER BY id) AS v FROM companies") ==
          "org_file America/New_York, org_old America/New_York, org_right America/Denver, org_utc UTC");
    CHECK(row("SELECT string_agg(concat_ws('|', call_id, started_at AT TIME ZONE 'UTC', ended_at AT TIME ZONE 'UTC', version), ' "
              "' ORDER BY call_id) AS v FROM calls") == "1|2026-11-20 10:00:00|2026-11-20 10:01:00|1 2|2");
    CHECK(row("SELECT concat_ws('|', source, source_at AT TIME ZONE 'UTC', source_call, last_contacted_at AT TIME ZONE 'UTC') AS "
              "v FROM leads") == "first|2026-11-20 10:00:00|one|2026-11-21 10:02:00");
    CHECK(row("SELECT (call_started_at AT TIME ZONE 'UTC')::text AS v FROM call_verdicts") == "2026-11-21 10:02:00");
    CHECK(row("SELECT status || coalesce(due_at::text, ' whenever') AS v FROM tasks") == "open whenever");
    CHECK(row("SELECT concat_ws('|', needs_time, scheduled_start, notes) AS v FROM appointments") ==
          "t|The time that was on record cannot have been meant: 1970-08-23T12:00:00Z.");
    CHECK(row("SELECT max(happened_at)::text AS v FROM call_facts") != "1970");
}
