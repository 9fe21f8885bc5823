// Appointments go along with the leads and calls that are moved, whatever comes first.
#include "moves.hpp"

#include <future>

#include "appointment-service/sql.hpp"
#include "bookings.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::appointment_service;

namespace {

const std::string kCompany = "org_moves", kOld = "0191e0b8-0000-7000-8000-00000000b001",
                  kOldCard = "0191e0b8-0000-7000-8000-00000000b002", kNew = "0191e0b8-0000-7000-8000-00000000b003",
                  kNewCard = "0191e0b8-0000-7000-8000-00000000b004", kLast = "0191e0b8-0000-7000-8000-00000000b005";

struct Text {
    std::string value;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

struct World : testkit::Database {
    directory::Companies companies{
        {"", "", "", KeyRing::parse(Secret("k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).value()}};
    World() : Database("otto_appointment_service") {
        directory::v1::CompanyProfile p;
        p.set_company_id(kCompany);
        p.set_version(1);
        p.set_status("active");
        p.set_timezone("America/Phoenix");
        companies.apply(kCompany, p.SerializeAsString());
    }
    static World& fresh() {
        static World world;
        world.owner.execute(
            "DELETE FROM appointments; DELETE FROM appointment_verdicts; DELETE FROM folded_rows; DELETE FROM calls; DELETE FROM "
            "leads; DELETE FROM contact_cards; INSERT INTO contact_cards (company_id, id) "
            "VALUES ('org_moves', '" +
            kOldCard + "'), ('org_moves', '" + kNewCard +
            "'); INSERT INTO leads (company_id, id, contact_card_id, status) VALUES ('org_moves', '" + kOld + "', '" + kOldCard +
            "', 'new'), ('org_moves', '" + kNew + "', '" + kNewCard + "', 'new'), ('org_moves', '" + kLast + "', '" + kNewCard +
            "', 'closed_won')");
        for (int call : {7001, 7002})
            world.owner.execute(
                "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
                "contact_card_id, lead_id, received_at, merge_state) VALUES ('org_moves', " +
                std::to_string(call) + ", 'callrail', 'C" + std::to_string(call) + "', 'inbound', 'completed', false, true, '" +
                kOldCard + "', '" + kOld + "', now(), '')");
        return world;
    }
    /// What lead-pipeline does before it tells of it.
    void fold(const std::string& from, const std::string& into) {
        owner.execute("UPDATE calls SET lead_id = '" + into +
                      "', contact_card_id = (SELECT contact_card_id FROM leads WHERE id = '" + into + "') WHERE lead_id = '" +
                      from + "'; DELETE FROM leads WHERE id = '" + from + "'; UPDATE folded_rows SET into_id = '" + into +
                      "' WHERE into_id = '" + from +
                      "'; INSERT INTO folded_rows (company_id, kind, from_id, into_id) VALUES ('org_moves', 'lead', '" + from +
                      "', '" + into + "')");
    }
    void moved(const std::string& from, const std::string& into, std::int64_t call = 0) {
        calls::v1::LeadMoved m;
        m.set_company_id(kCompany);
        m.set_phone("+12025550100");
        m.set_from_lead(from);
        m.set_into_lead(into);
        m.set_contact_card_id(kNewCard);
        m.set_call_id(call);
        handle([&](const rt::Envelope& meta, pg::Tx& tx, Bookings::Out& out) {
            (void)Moves(Bookings(companies)).moved({m, meta}, tx, out);
        });
    }
    /// As its event says, which was made before anything moved.
    void booked(std::int64_t call, std::int64_t version = 1, const std::string& began = "") {
        analysis::v1::AnalysisCompleted a;
        a.set_company_id(kCompany);
        a.set_phone("7001");
        a.set_call_id(call);
        a.set_lead_id(kOld);
        a.set_contact_card_id(kOldCard);
        a.set_version(version);
        a.set_booking_status("booked");
        // The second one when the visit of the first one had been: it is another.
        auto day = call == 7001 ? std::string("2026-12-01") : std::string("2026-12-11");
        a.set_appointment_date(day + "T10:00:00");
        a.set_call_started_at_us(to_micros(*parse_time((began.empty() ? day : began) + "T00:00:00Z")));
        a.set_received_at_us(a.call_started_at_us());
        handle([&](const rt::Envelope& meta, pg::Tx& tx, Bookings::Out& out) {
            (void)Bookings(companies).analysed({a, meta}, tx, out);
        });
    }
    void by_hand() {
        owner.execute(
            "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, needs_time, touched_by, status) VALUES "
            "('org_moves', gen_random_uuid(), '" +
            kOld + "', '" + kOldCard + "', true, 'user_1', 'completed')");
    }
    std::string shown() {
        auto tx = owner.begin(pg::Scope::none());
        std::string all;
        for (auto& row :
             tx.many<Text>({"shown",
                            "SELECT concat_ws(' ', call_id, CASE lead_id::text WHEN '0191e0b8-0000-7000-8000-00000000b001' THEN "
                            "'old' WHEN '0191e0b8-0000-7000-8000-00000000b003' THEN 'new' ELSE 'last' END, "
                            "CASE contact_card_id::text WHEN '0191e0b8-0000-7000-8000-00000000b002' THEN 'old' ELSE 'new' END) "
                            "AS v FROM appointments ORDER BY 1"}))
            all += row.value + "\n";
        return all;
    }

private:
    template <class Work>
    void handle(Work&& work) {
        static int n = 0;
        rt::Sink sink("appointment-service");
        rt::Envelope meta;
        meta.id = EventId{Uuid::v5(*Uuid::parse("6f74746f-6170-5074-a473-00000000000a"), std::to_string(++n))};
        meta.company = CompanyId{kCompany};
        auto tx = service.begin(pg::Scope::companies({meta.company}));
        Bookings::Out out(sink, &meta);
        work(meta, tx, out);
        tx.commit();
    }
};

}  // namespace

TEST_CASE("a lead that is folded takes its appointments along, also those that people made, before or after the analysis",
          "[integration]") {
    for (bool first : {true, false}) {
        auto& w = World::fresh();
        w.by_hand();
        if (first) w.booked(7001);
        w.fold(kOld, kNew);
        if (!first) w.booked(7001);
        w.moved(kOld, kNew);
        w.booked(7002);
        w.moved(kOld, kNew);  // told again
        INFO((first ? "analysed first" : "folded first"));
        CHECK(w.shown() == "7001 new new\n7002 new new\nnew new\n");
    }
}

TEST_CASE("of a lead that goes on only what came of the call goes", "[integration]") {
    auto& w = World::fresh();
    w.by_hand();
    w.booked(7001);
    w.booked(7002);
    w.owner.execute("UPDATE calls SET lead_id = '" + kNew + "', contact_card_id = '" + kNewCard + "' WHERE call_id = 7002");
    w.moved(kOld, kNew, 7002);
    CHECK(w.shown() == "7001 old old\n7002 new new\nold old\n");
    w.booked(7002, 2);  // still in the old words
    CHECK(w.shown() == "7001 old old\n7002 new new\nold old\n");
}

TEST_CASE("a lead that has another contact has it for its appointments too", "[integration]") {
    auto& w = World::fresh();
    w.by_hand();
    w.booked(7001);
    w.owner.execute("UPDATE leads SET status = 'closed_lost' WHERE id = '" + kNew + "'; UPDATE leads SET contact_card_id = '" +
                    kNewCard + "' WHERE id = '" + kOld + "'");
    w.moved(kOld, kOld);
    CHECK(w.shown() == "7001 old new\nold new\n");
}

TEST_CASE("of two folds that are told in the wrong order the last one counts", "[integration]") {
    auto& w = World::fresh();
    w.by_hand();
    w.fold(kOld, kNew);
    w.fold(kNew, kLast);
    w.moved(kNew, kLast);
    w.moved(kOld, kNew);
    CHECK(w.shown() == "last new\n");
}

TEST_CASE("who books and who moves wait for each other", "[integration]") {
    auto& w = World::fresh();
    pg::Connection booking(w.service_url(), "booking");
    auto held = booking.begin(pg::Scope::companies({CompanyId{kCompany}}));
    auto at = customer_of(held, kCompany, 7001, {*Uuid::parse(kOld), *Uuid::parse(kOldCard)});
    CHECK(at.lead == *Uuid::parse(kOld));
    held.write({"made",
                "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, call_id, needs_time) VALUES ($1, "
                "gen_random_uuid(), $2, $3, 7001, true)"},
               {kCompany, kOld, kOldCard});
    held.flush();
    w.fold(kOld, kNew);
    auto moving = std::async(std::launch::async, [&] { w.moved(kOld, kNew); });
    auto waits = [&] {
        pg::Connection look(w.url, "look");
        auto tx = look.begin(pg::Scope::none());
        return tx.one<Text>({"waits",
                             "SELECT count(*) AS v FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE "
                             "'%pg_advisory_xact_lock%'"})
                   .value != "0";
    };
    while (!waits() && moving.wait_for(Millis{1}) != std::future_status::ready) {
    }
    held.commit();
    moving.get();
    CHECK(w.shown() == "7001 new new\n");
}

TEST_CASE("leads that become one have one visit planned, and a call that goes on takes its word along", "[integration]") {
    auto& w = World::fresh();
    auto visits = [&] {
        auto tx = w.owner.begin(pg::Scope::none());
        std::string all;
        for (auto& row : tx.many<Text>({"visits",
                                        "SELECT concat_ws(' ', call_id, to_char(scheduled_start AT TIME ZONE 'UTC', 'MM-DD'), "
                                        "'from ' || to_char(moved_from AT TIME ZONE 'UTC', 'MM-DD'), "
                                        "CASE lead_id::text WHEN '0191e0b8-0000-7000-8000-00000000b001' THEN 'old' ELSE 'new' "
                                        "END) AS v FROM appointments WHERE status = 'scheduled' ORDER BY 1"}))
            all += row.value + "\n";
        return all;
    };
    w.booked(7001, 1, "2026-11-20");
    w.owner.execute("UPDATE calls SET lead_id = '" + kNew + "', contact_card_id = '" + kNewCard + "' WHERE call_id = 7002");
    w.booked(7002, 1, "2026-11-22");
    CHECK(visits() == "7001 12-01 old\n7002 12-11 new\n");
    w.fold(kOld, kNew);
    w.moved(kOld, kNew);
    CHECK(visits() == "7001 12-11 from 12-01 new\n");
    // And parted again: each call has its own.
    w.owner.execute("INSERT INTO leads (company_id, id, contact_card_id) VALUES ('org_moves', '" + kOld + "', '" + kOldCard +
                    "'); UPDATE calls SET lead_id = '" + kOld + "', contact_card_id = '" + kOldCard + "' WHERE call_id = 7002");
    w.moved(kNew, kOld, 7002);
    CHECK(visits() == "7001 12-01 new\n7002 12-11 old\n");
}
