// When nobody is texted by Otto itself, and by whose clocks.
#include "rules/quiet_hours.hpp"

#include "database.hpp"
#include "lead-pipeline/sql.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// "" where the moment lies in none.
std::string until(const std::string& zone, QuietHours quiet, const std::string& now) {
    auto tx = Db::shared().service.begin(pg::Scope::none());
    auto at = tx.value<std::optional<Instant>>(sql::quiet_until, {zone, quiet.from, quiet.to, *parse_time(now)});
    return at && *at ? to_rfc3339(**at) : "";
}

}  // namespace

TEST_CASE("quiet hours: as they are written") {
    CHECK(quiet_hours("21:00", "08:00") == QuietHours{});
    CHECK(quiet_hours("20:30", "07:15") == QuietHours{20 * 60 + 30, 7 * 60 + 15});
    CHECK(quiet_hours("00:00", "00:00").none());
    for (const char* wrong : {"", "24:00", "9:00", "09:60", "0900", "ab:cd", "09:00 "}) {
        CHECK(quiet_hours(wrong, "08:00") == QuietHours{});
        CHECK(quiet_hours("21:00", wrong) == QuietHours{});
    }
}

TEST_CASE("quiet hours: a state names a zone if it has one") {
    CHECK(zone_of_state("CA") == "America/Los_Angeles");
    CHECK(zone_of_state(" california ") == "America/Los_Angeles");
    CHECK(zone_of_state("New York") == "America/New_York");
    CHECK(zone_of_state("az") == "America/Phoenix");
    CHECK(zone_of_state("Hawaii") == "Pacific/Honolulu");
    for (const char* several : {"TX", "Florida", "TN", "KY", "IN", "MI", "ND", "SD", "NE", "KS", "ID", "OR", "NV", "AK"})
        CHECK(zone_of_state(several) == "");
    for (const char* none : {"", "Bavaria", "ON", "C"}) CHECK(zone_of_state(none) == "");
}

TEST_CASE("quiet hours: all zones that states name are Postgres's", "[integration]") {
    for (const char* state : {"NY", "IL", "CO", "CA", "AZ", "HI", "PR"})
        CHECK(Db::shared().value("SELECT count(*)::text AS v FROM pg_timezone_names WHERE name = $1",
                                 {std::string(zone_of_state(state))}) == "1");
}

TEST_CASE("quiet hours: over midnight, and by day", "[integration]") {
    const QuietHours night{};
    CHECK(until("America/New_York", night, "2026-01-15T12:00:00Z") == "2026-01-15T13:00:00Z");  // 7:00
    CHECK(until("America/New_York", night, "2026-01-15T12:59:59Z") == "2026-01-15T13:00:00Z");
    CHECK(until("America/New_York", night, "2026-01-15T13:00:00Z") == "");
    CHECK(until("America/New_York", night, "2026-01-16T01:59:59Z") == "");                      // 20:59:59
    CHECK(until("America/New_York", night, "2026-01-16T02:00:00Z") == "2026-01-16T13:00:00Z");  // 21:00
    CHECK(until("America/New_York", night, "2026-01-16T05:30:00Z") == "2026-01-16T13:00:00Z");  // 0:30
    CHECK(until("America/Los_Angeles", night, "2026-01-16T05:30:00Z") == "2026-01-16T16:00:00Z");
    CHECK(until("America/Los_Angeles", night, "2026-01-16T04:30:00Z") == "");
    const QuietHours siesta{12 * 60, 14 * 60};
    CHECK(until("UTC", siesta, "2026-01-16T11:59:59Z") == "");
    CHECK(until("UTC", siesta, "2026-01-16T12:00:00Z") == "2026-01-16T14:00:00Z");
    CHECK(until("UTC", siesta, "2026-01-16T14:00:00Z") == "");
    CHECK(until("No/Such_Zone", night, "2026-01-15T12:00:00Z") == "2026-01-15T13:00:00Z");  // New York's
}

TEST_CASE("quiet hours: the nights in which clocks are moved", "[integration]") {
    // 2026-03-08, 2:00 EST becomes 3:00 EDT; 2026-11-01, 2:00 EDT becomes 1:00 EST.
    const std::string zone = "America/New_York";
    const QuietHours night{};
    CHECK(until(zone, night, "2026-03-08T02:00:00Z") == "2026-03-08T12:00:00Z");  // 8:00 EDT, ten hours and not eleven
    CHECK(until(zone, night, "2026-03-08T11:59:00Z") == "2026-03-08T12:00:00Z");
    CHECK(until(zone, night, "2026-03-08T12:00:00Z") == "");
    CHECK(until(zone, night, "2026-11-01T01:00:00Z") == "2026-11-01T13:00:00Z");  // 21:00 EDT to 8:00 EST, twelve hours
    CHECK(until(zone, night, "2026-11-01T12:59:00Z") == "2026-11-01T13:00:00Z");
    CHECK(until(zone, night, "2026-11-01T13:00:00Z") == "");
    // They end at an hour that is skipped: as if the clocks had not been moved.
    const QuietHours to_skipped{21 * 60, 2 * 60 + 30};
    CHECK(until(zone, to_skipped, "2026-03-08T06:00:00Z") == "2026-03-08T07:30:00Z");
    CHECK(until(zone, to_skipped, "2026-03-08T07:30:00Z") == "");
    // They end at an hour that comes twice: the first time, and they do not begin again.
    const QuietHours to_doubled{21 * 60, 90};
    CHECK(until(zone, to_doubled, "2026-11-01T05:00:00Z") == "2026-11-01T05:30:00Z");
    CHECK(until(zone, to_doubled, "2026-11-01T05:30:00Z") == "");
    CHECK(until(zone, to_doubled, "2026-11-01T06:10:00Z") == "");  // 1:10, the second time
    // They begin at one.
    const QuietHours from_doubled{90, 8 * 60};
    CHECK(until(zone, from_doubled, "2026-11-01T05:29:00Z") == "");
    CHECK(until(zone, from_doubled, "2026-11-01T05:30:00Z") == "2026-11-01T13:00:00Z");
    CHECK(until(zone, from_doubled, "2026-11-01T06:10:00Z") == "2026-11-01T13:00:00Z");
}
