#include "appointment.hpp"
#include "appointment-service/sql.hpp"
#include "bookings.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

#include <algorithm>

#include "otto/directory/v1/directory.pb.h"

using namespace otto;
using namespace otto::appointment_service;

namespace {

const std::string kCompany = "org_appointments", kLead = "0191e0b8-0000-7000-8000-00000000a001",
                  kContact = "0191e0b8-0000-7000-8000-00000000a002";

struct Text {
    std::string value;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

directory::Companies& companies() {
    static directory::Companies known(
        {"", "", "", KeyRing::parse(Secret("k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).value()});
    static bool once = [] {
        otto::directory::v1::CompanyProfile p;
        p.set_company_id(kCompany);
        p.set_version(1);
        p.set_status("active");
        p.set_timezone("America/Phoenix");
        p.set_workflow_config_json(R"({"appointment_minutes": 90})");
        known.apply(kCompany, p.SerializeAsString());
        return true;
    }();
    (void)once;
    return known;
}

analysis::v1::AnalysisCompleted analysed(std::int64_t version, const std::string& booking,
                                         const std::string& date = "2026-12-01T10:00:00", std::int64_t call = 7001) {
    analysis::v1::AnalysisCompleted a;
    a.set_company_id(kCompany);
    a.set_phone("+16025550100");
    a.set_call_id(call);
    a.set_contact_card_id(kContact);
    a.set_lead_id(kLead);
    a.set_version(version);
    a.set_received_at_us(to_micros(*parse_time("2026-11-29T12:00:00Z")));
    if (!booking.empty()) a.set_booking_status(booking);
    if (!date.empty()) a.set_appointment_date(date);
    a.set_address("123 Main St");
    a.set_service_type("roofing_estimate");
    return a;
}

const pg::Query kShown{
    "shown_in_test",
    "SELECT status || ' ' || coalesce(to_char(scheduled_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), 'no time') || ' ' || "
    "coalesce(extract(epoch FROM scheduled_end - scheduled_start)::int / 60 || ' min', '-') || ' ' || coalesce(touched_by, "
    "'nobody') AS v FROM appointments WHERE company_id = $1 ORDER BY status DESC"};

using Event = analysis::v1::AnalysisCompleted;

/// What counts of a call that another one proved to be.
Event retold(Event e, std::int64_t from) {
    e.add_folded(from);
    return e;
}

struct Known : testkit::Database {
    Known() : Database("otto_appointment_service") {
        owner.execute("INSERT INTO contact_cards (company_id, id) VALUES ('" + kCompany + "', '" + kContact +
                      "'); INSERT INTO leads (company_id, id, contact_card_id) VALUES ('" + kCompany + "', '" + kLead + "', '" +
                      kContact + "')");
    }
};

Known& database() {
    static Known known;
    return known;
}

/// Whose lead the appointments are for.
std::string after_lead() {
    auto& owner = database().owner;
    auto tx = owner.begin(pg::Scope::none());
    std::string leads;
    for (auto& row : tx.many<Text>({"leads_in_test", "SELECT DISTINCT lead_id::text AS v FROM appointments"})) leads += row.value;
    return leads;
}

/// What the last events had lead-pipeline look into.
std::vector<analysis::v1::AppointmentDoubted>& doubts() {
    static std::vector<analysis::v1::AppointmentDoubted> all;
    return all;
}

/// All of one company's appointments after these events, each in a transaction of its own, as the service's role.
std::vector<std::string> after(const std::vector<Event>& events, const std::string& in_between = "", std::size_t at = 0) {
    auto &owner = database().owner, &db = database().service;
    owner.execute("DELETE FROM appointments; DELETE FROM appointment_verdicts");
    Bookings bookings(companies());
    rt::Sink sink("appointment-service");
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (!in_between.empty() && i == at) owner.execute(in_between);
        rt::Envelope meta;
        meta.id = EventId{Uuid::v5(*Uuid::parse("6f74746f-6170-5074-a473-000000000009"), std::to_string(i))};
        auto tx = db.begin(pg::Scope::companies({CompanyId{kCompany}}));
        Bookings::Out out(sink, &meta);
        (void)bookings.analysed({events[i], meta}, tx, out);
        tx.commit();
    }
    doubts().clear();
    for (const auto& item : sink.items())
        if (analysis::v1::AppointmentDoubted m; item.wire.topic == "otto.analysis" && m.ParseFromString(item.wire.value))
            doubts().push_back(m);
    auto tx = owner.begin(pg::Scope::none());
    std::vector<std::string> shown;
    for (auto& row : tx.many<Text>(kShown, {kCompany})) shown.push_back(row.value);
    return shown;
}

}  // namespace

TEST_CASE("what an analysis makes of the appointment") {
    CHECK(effect_of(analysed(1, "booked")) == Effect::make);
    CHECK(effect_of(analysed(1, "not_booked")) == Effect::cancel);
    CHECK(effect_of(analysed(1, "service_not_offered")) == Effect::cancel);
    CHECK(effect_of(analysed(1, "")) == Effect::none);
    CHECK(effect_of(analysed(1, "tentative")) == Effect::none);
}

TEST_CASE("when it is, as far as somebody said so") {
    // A company seven hours behind, as its clocks say; nothing else is known of zones here.
    auto clocks = [](const std::string& wall, const std::string& zone) {
        return zone == "America/Phoenix"  ? parse_time(wall + "-07:00")
               : zone == "America/Denver" ? parse_time(wall + "-06:00")
                                          : std::nullopt;
    };
    auto when = [&](const std::optional<std::string>& said) {
        return when_of(said, "America/Phoenix", *parse_time("2026-11-29T12:00:00Z"), clocks);
    };
    auto at = [&](const std::string& said) { return to_rfc3339(when(said).at.value_or(Instant{})); };
    for (auto said : {"2026-12-01T10:00:00-07:00", "2026-12-01T10:00:00", "2026-12-01 17:00:00 UTC", "2026-12-01 10:00 MST",
                      "2026-12-01T11:00 America/Denver", "2026-12-01T11:00 MT", "1796144400"}) {
        INFO(said);
        CHECK(at(said) == "2026-12-01T17:00:00Z");
        CHECK(when(said).remark.empty());
    }
    for (auto said : {"2026-12-01", "20261201", "next Tuesday", "2026-12-01 10:00 Europe/Nowhere", "1970-08-23T12:00:00Z",
                      "1999-12-31T10:00:00", "2036-12-01T10:00:00", "5", "2026", "20261201100000"}) {
        INFO(said);
        CHECK_FALSE(when(said).at);
        CHECK(when(said).remark.find(std::string(said) == "20261201" ? "2026-12-01" : said) != std::string::npos);
    }
    CHECK((!when(std::nullopt).at && when(std::nullopt).remark.empty()));
    for (auto nothing : {"", "TBD", "N/A", "not specified", "To be determined", "unknown", "None", "-", "0000-00-00",
                         "Not scheduled", "pending"}) {
        INFO(nothing);
        CHECK((!when(std::string(nothing)).at && when(std::string(nothing)).remark.empty()));
    }
}

TEST_CASE("how long it lasts") {
    CHECK(minutes_of("") == 60);
    CHECK(minutes_of(R"({"appointment_minutes":90})") == 90);
    CHECK(minutes_of(R"({"appointment_minutes":"30"})") == 30);
    CHECK(minutes_of(R"({"appointment_minutes":0})") == 5);
    CHECK(minutes_of("nonsense") == 60);
}

TEST_CASE("a booked call has one appointment, in the company's zone, whatever the order and repetition of its analyses",
          "[integration]") {
    const std::string moved = "scheduled 2026-12-02 21:30 90 min nobody";
    std::vector<Event> all{analysed(1, "booked", "2026-12-01T10:00:00"), analysed(2, "not_booked"),
                           analysed(3, "booked", "2026-12-02T14:30:00")};
    std::vector<std::size_t> order{0, 1, 2};
    do {
        std::vector<Event> events;
        for (auto i : order) events.insert(events.end(), {all[i], all[i]});
        CHECK(after(events) == std::vector<std::string>{moved});
    } while (std::next_permutation(order.begin(), order.end()));
    CHECK(after({all[0]}) == std::vector<std::string>{"scheduled 2026-12-01 17:00 90 min nobody"});
    CHECK(after({all[0], all[1]}) == std::vector<std::string>{"cancelled 2026-12-01 17:00 90 min nobody"});
    CHECK(after({all[1]}).empty());
    CHECK(after({all[1], all[0]}).empty());  // an older one that comes late books nothing
    CHECK(after({analysed(1, "")}).empty());
}

TEST_CASE("booked without a time is visible, and gets its time when somebody says it", "[integration]") {
    CHECK(after({analysed(1, "booked", "")}) == std::vector<std::string>{"scheduled no time - nobody"});
    CHECK(after({analysed(1, "booked", "next week some time")}) == std::vector<std::string>{"scheduled no time - nobody"});
    CHECK(after({analysed(1, "booked", ""), analysed(2, "booked", "2026-12-01T10:00:00Z")}) ==
          std::vector<std::string>{"scheduled 2026-12-01 10:00 90 min nobody"});
}

TEST_CASE("words that say nothing are no address, service or time of an appointment", "[integration]") {
    auto e = analysed(1, "booked", "To be determined");
    e.set_address("Not provided");
    e.set_service_type("N/A");
    e.set_appointment_type("unknown");
    REQUIRE(after({e}) == std::vector<std::string>{"scheduled no time - nobody"});
    auto& owner = database().owner;
    auto tx = owner.begin(pg::Scope::none());
    CHECK(tx.one<Text>({"words_in_test",
                        "SELECT concat_ws('|', needs_time, location_address, service_type, appointment_type, notes) AS v FROM "
                        "appointments"})
              .value == "t");
}

TEST_CASE("no analysis changes what a person has touched", "[integration]") {
    const std::string touch =
        "UPDATE appointments SET touched_by = 'user_1', scheduled_start = '2026-12-05 09:00Z', scheduled_end = '2026-12-05 "
        "10:00Z'";
    CHECK(after({analysed(1, "booked"), analysed(2, "booked", "2026-12-02T14:30:00")}, touch, 1) ==
          std::vector<std::string>{"scheduled 2026-12-05 09:00 60 min user_1"});
    CHECK(after({analysed(1, "booked"), analysed(2, "not_booked")}, touch, 1) ==
          std::vector<std::string>{"scheduled 2026-12-05 09:00 60 min user_1"});
}

TEST_CASE("two rows that prove to be one call have one appointment, in whatever order it is told and said", "[integration]") {
    const std::string stands = "scheduled 2026-12-02 21:30 90 min nobody";
    // What was said of the younger row, perhaps of the older one too; what counts once they are one, above both.
    auto in_any_order = [&](std::vector<Event> all) {
        std::vector<std::size_t> order(all.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        do {
            std::vector<Event> events;
            std::string shown;
            for (auto i : order) {
                events.insert(events.end(), {all[i], all[i]});
                shown += std::to_string(i);
            }
            auto rows = after(events);
            INFO("order " << shown);
            REQUIRE(!rows.empty());
            CHECK(rows[0] == stands);
            CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.starts_with("scheduled"); }) == 1);
        } while (std::next_permutation(order.begin(), order.end()));
    };
    auto younger = analysed(1, "booked", "2026-12-01T10:00:00", 7002),
         counts = retold(analysed(5, "booked", "2026-12-02T14:30:00"), 7002);
    in_any_order({younger, counts});
    in_any_order({younger, counts, analysed(1, "booked", "2026-12-01T11:00:00")});
    in_any_order({younger, counts, analysed(2, "not_booked")});
    in_any_order({analysed(1, "booked", "2026-12-01T10:00:00", 7003),
                  retold(analysed(2, "booked", "2026-12-01T11:00:00", 7002), 7003), counts});
    // It is the same one, not another.
    CHECK(after({younger, counts}) == std::vector<std::string>{stands});
    // No longer booked, or not said: it does not stand, or stands as it is.
    CHECK(after({younger, retold(analysed(5, "not_booked"), 7002)}) ==
          std::vector<std::string>{"cancelled 2026-12-01 17:00 90 min nobody"});
    CHECK(after({younger, retold(analysed(5, ""), 7002)}) ==
          std::vector<std::string>{"scheduled 2026-12-01 17:00 90 min nobody"});
}

TEST_CASE("of two appointments of one call the one that a person touched stays", "[integration]") {
    auto touch = [](int call) {
        return "UPDATE appointments SET touched_by = 'user_1', scheduled_start = '2026-12-05 09:00Z', scheduled_end = "
               "'2026-12-05 10:00Z', notes = 'mine' WHERE call_id = " +
               std::to_string(call);
    };
    const std::string mine = "scheduled 2026-12-05 09:00 60 min user_1";
    std::vector<Event> events{analysed(1, "booked", "2026-12-01T10:00:00", 7002), analysed(1, "booked", "2026-12-01T11:00:00"),
                              retold(analysed(5, "booked", "2026-12-02T14:30:00"), 7002)};
    events[0].set_lead_id("0191e0b8-0000-7000-8000-00000000a0ff");  // of another lead, as long as they were two calls
    CHECK(after(events, touch(7002), 2) == std::vector<std::string>{mine, "cancelled 2026-12-01 18:00 90 min nobody"});
    CHECK(after(events, touch(7001), 2) == std::vector<std::string>{mine, "cancelled 2026-12-01 17:00 90 min nobody"});
    CHECK(after(events, touch(7001) + ";" + touch(7002), 2) == std::vector<std::string>{mine, mine});
    // Only the younger one had one: it is the call's now, and no analysis makes another.
    CHECK(after({events[0], events[2]}, touch(7002), 1) == std::vector<std::string>{mine});
}

TEST_CASE("a later call of the lead moves its visit: the same row, in whatever order the calls are heard", "[integration]") {
    auto of = [](std::int64_t call, const std::string& began, const std::string& date, std::int64_t version = 1,
                 const std::string& booking = "booked") {
        auto e = analysed(version, booking, date, call);
        e.set_call_started_at_us(to_micros(*parse_time(began)));
        return e;
    };
    const pg::Query moved{"moved_in_test",
                          "SELECT concat_ws(' ', status, to_char(scheduled_start AT TIME ZONE 'UTC', 'MM-DD HH24:MI'), 'from ' "
                          "|| to_char(moved_from AT TIME ZONE 'UTC', 'MM-DD HH24:MI'), 'by ' || moved_by_call, "
                          "CASE WHEN (moved_at IS NULL) <> (moved_from IS NULL) THEN 'but when' END) AS v FROM appointments "
                          "WHERE company_id = $1 AND status <> 'cancelled' ORDER BY scheduled_start"};
    auto shown = [&] {
        auto& owner = database().owner;
        auto tx = owner.begin(pg::Scope::none());
        std::string out;
        for (auto& row : tx.many<Text>(moved, {kCompany})) out += row.value + "\n";
        return out;
    };
    std::vector<Event> all{of(7001, "2026-11-20T10:00:00Z", "2026-12-21T10:00:00"),
                           of(7002, "2026-11-22T10:00:00Z", "2026-12-22T10:00:00"), of(7003, "2026-11-24T10:00:00Z", ""),
                           of(7004, "2026-11-25T10:00:00Z", "", 1, "not_booked")};
    std::vector<std::size_t> order{0, 1, 2, 3};
    do {
        std::vector<Event> events;
        std::string told;
        for (auto i : order) {
            events.insert(events.end(), {all[i], all[i]});
            told += std::to_string(i);
        }
        INFO(told);
        after(events);
        CHECK(shown() == "scheduled 12-22 17:00 from 12-21 17:00 by 7002\n");
        CHECK(doubts().empty());
    } while (std::next_permutation(order.begin(), order.end()));
    // The same row all along.
    CHECK(after({all[0], all[1]}).size() == 1);
    // Said otherwise: the same time, another one again, no longer booked at all.
    after({all[0], of(7002, "2026-11-22T10:00:00Z", "2026-12-21T17:00:00Z")});
    CHECK(shown() == "scheduled 12-21 17:00\n");
    after({all[0], all[1], of(7002, "2026-11-22T10:00:00Z", "2026-12-23T10:00:00", 2)});
    CHECK(shown() == "scheduled 12-23 17:00 from 12-21 17:00 by 7002\n");
    after({all[0], all[1], of(7002, "2026-11-22T10:00:00Z", "", 2, "not_booked")});
    CHECK(shown() == "scheduled 12-21 17:00\n");
    after({all[0], all[1], of(7001, "2026-11-20T10:00:00Z", "", 2, "not_booked")});
    CHECK(shown() == "scheduled 12-22 17:00\n");
    // What has been stays, and what is booked then is another visit.
    after({all[0], of(7005, "2026-12-28T10:00:00Z", "2027-01-05T10:00:00")});
    CHECK(shown() == "scheduled 12-21 17:00\nscheduled 01-05 17:00\n");
}

TEST_CASE("a visit that a person touched is not moved by a later call: somebody looks", "[integration]") {
    auto first = analysed(1, "booked", "2026-12-21T10:00:00", 7001), second = analysed(1, "booked", "2026-12-22T10:00:00", 7002);
    first.set_call_started_at_us(to_micros(*parse_time("2026-11-20T10:00:00Z")));
    second.set_call_started_at_us(to_micros(*parse_time("2026-11-22T10:00:00Z")));
    second.set_owner_id("user_csr");
    const std::string touch = "UPDATE appointments SET touched_by = 'user_1'",
                      stands = "scheduled 2026-12-21 17:00 90 min user_1";
    CHECK(after({first, second, second}, touch, 1) == std::vector<std::string>{stands});
    REQUIRE(doubts().size() == 1);
    const auto& d = doubts()[0];
    CHECK((d.call_id() == 7002 && d.planned() == "2026-12-21 10:00" && d.heard() == "2026-12-22 10:00" &&
           d.said() == "2026-12-22T10:00:00" && d.owner_id() == "user_csr" && d.phone() == "+16025550100"));
    // Said again by a newer analysis: asked again. The same time, or none: there is nothing to ask.
    auto again = second, same = second, none = second;
    again.set_version(2);
    same.set_appointment_date("2026-12-21T17:00:00Z");
    none.clear_appointment_date();
    CHECK(after({first, second, again}, touch, 1) == std::vector<std::string>{stands});
    CHECK(doubts().size() == 2);
    for (const auto& quiet : {same, none}) {
        CHECK(after({first, quiet}, touch, 1) == std::vector<std::string>{stands});
        CHECK(doubts().empty());
    }
    // Made by a person while the call lasted.
    const std::string by_hand =
        "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, scheduled_end, touched_by) VALUES "
        "('" +
        kCompany + "', gen_random_uuid(), '" + kLead + "', '" + kContact +
        "', '2026-12-22 17:00Z', '2026-12-22 18:30Z', 'user_1')";
    CHECK(after({second}, by_hand, 0) == std::vector<std::string>{"scheduled 2026-12-22 17:00 90 min user_1"});
    CHECK(doubts().empty());
}

TEST_CASE("an appointment goes with its call where the lead that it had is gone", "[integration]") {
    auto elsewhere = analysed(1, "booked", "2026-12-01T10:00:00", 7002);
    elsewhere.set_lead_id("0191e0b8-0000-7000-8000-00000000a0ff");  // of a caller without a number, gone since
    for (const std::string touch : {"", "UPDATE appointments SET touched_by = 'user_1'"}) {
        after({elsewhere, retold(analysed(5, "booked"), 7002)}, touch, 1);
        CHECK(after_lead() == kLead);
    }
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    CHECK(testkit::Database("otto_appointment_service").prepares_all(sql::all) == "");
}
