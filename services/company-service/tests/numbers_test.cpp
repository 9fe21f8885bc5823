#include "directory.hpp"
#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }

using std::chrono::hours;

/// So many hours from now, to the second.
Instant in_hours(int n) { return std::chrono::floor<std::chrono::seconds>(system_clock().now()) + hours(n); }
std::string at(const char* field, Instant moment) { return std::string(",\"") + field + "\":\"" + to_rfc3339(moment) + "\""; }

}  // namespace

TEST_CASE("a number is unproven until a webhook that the company's key signed comes for it; the standing only rises",
          "[integration]") {
    rig().company("org_stand");
    auto n = Rig::fresh_number();
    auto made = rig().add("org_stand", n);
    CHECK(made.status == 201);
    CHECK(made.data("state") == "unproven");
    CHECK(made.data("valid_from") == made.data("created_at"));  // not when somebody else let it go
    rig().prove("org_stand", n);
    CHECK(rig().standing("org_stand", n) == "proven");
    rig().prove("org_stand", n, true);
    CHECK(rig().standing("org_stand", n) == "final");
    rig().prove("org_stand", n);
    CHECK(rig().standing("org_stand", n) == "final");
    rig().prove("org_stand", Rig::fresh_number());  // of a number that nobody registered nothing becomes of itself
    CHECK(rig().value("SELECT count(*)::text AS v FROM company_numbers WHERE company_id = 'org_stand'") == "1");
}

TEST_CASE("a number whose provider nobody names is of the one that has it, else of the one that the company connected last",
          "[integration]") {
    rig().company("org_whose");
    CHECK(rig().add("org_whose", Rig::fresh_number()).data("provider") == "callrail");
    rig().sql("UPDATE companies SET call_provider = 'twilio' WHERE id = 'org_whose'");
    CHECK(rig().add("org_whose", Rig::fresh_number()).data("provider") == "twilio");
    auto seen = Rig::fresh_number(), listed = Rig::fresh_number();
    rig().saw("org_whose", seen);  // by CallRail's webhooks
    CHECK(rig().add("org_whose", seen).data("provider") == "callrail");
    rig().sql("INSERT INTO listed_numbers (company_id, provider, e164) VALUES ('org_whose', 'callrail', $1)", {listed});
    CHECK(rig().add("org_whose", listed).data("provider") == "callrail");
    CHECK(rig().add("org_whose", Rig::fresh_number(), R"(,"provider":"callrail")").data("provider") == "callrail");
    CHECK(rig().add("org_whose", Rig::fresh_number(), R"(,"provider":"other")").field == "provider");
}

TEST_CASE("what another company's key has proven cannot be registered: 409 that names the cure and nobody", "[integration]") {
    rig().company("org_a1");
    rig().company("org_b1");
    auto pool = Rig::fresh_number(), own = Rig::fresh_number();
    rig().saw("org_a1", pool);
    REQUIRE(rig().add("org_a1", own).status == 201);
    rig().prove("org_a1", own);
    for (const auto& n : {pool, own}) {
        auto refused = rig().add("org_b1", n);
        CHECK(refused.status == 409);
        CHECK(refused.field == "e164");
        CHECK(refused.body.find("set-callrail-api-key") != std::string::npos);
        CHECK(refused.body.find("org_a1") == std::string::npos);
        CHECK(rig().update("org_b1", R"({"phone_number":")" + n + "\"}").field == "phone_number");
        CHECK(rig().update("org_b1", R"({"primary_tracking_number":")" + n + "\"}").status == 409);
        CHECK_THROWS_AS(rig().sql("UPDATE companies SET phone_number = $1 WHERE id = 'org_b1'", {n}),
                        pg::SqlFailure);  // the same for a person with SQL
        CHECK_THROWS_AS(
            rig().sql(
                "INSERT INTO user_phone_numbers (workspace_id, phone_number, twilio_phone_sid) VALUES ('org_b1', $1, 'PN1')",
                {n}),
            pg::SqlFailure);
        CHECK(rig().standing("org_b1", n) == "none");
    }
    auto mine = rig().add("org_a1", pool);
    CHECK(mine.status == 201);
    CHECK(mine.data("state") == "registered");
    CHECK(rig().standing("org_a1", pool) == "proven");
}

TEST_CASE("proof ends a mere claim, and the loser is told without a name; what came before the claim flows to the prover",
          "[integration]") {
    rig().company("org_thief");
    rig().company("org_owner");
    auto n = Rig::fresh_number();
    REQUIRE(rig().update("org_thief", R"({"phone_number":")" + n + "\"}").status == 200);
    CHECK(rig().add("org_owner", n).status == 409);  // one claim is as good as the other
    rig().saw("org_owner", n);
    CHECK(rig().add("org_owner", n).status == 201);
    CHECK(rig().standing("org_owner", n) == "proven");
    CHECK(rig().standing("org_thief", n) == "unproven past");
    CHECK(rig().value("SELECT coalesce(phone_number, 'none') AS v FROM companies WHERE id = 'org_thief'") == "none");
    CHECK(rig().value("SELECT valid_from::text AS v FROM company_numbers WHERE company_id = 'org_owner'") == "-infinity");
    auto note = rig().value("SELECT ended_note AS v FROM company_numbers WHERE company_id = 'org_thief'");
    CHECK(note.find("Another company has proven") == 0);
    CHECK(note.find("org_owner") == std::string::npos);
    CHECK(rig().add("org_thief", n).status == 409);
    CHECK(rig().update("org_thief", R"({"address":"1 Main St"})").status == 200);
    CHECK(rig().standing("org_thief", n) == "unproven past");
}

TEST_CASE("the provider's list beats a signature, and gives way to nobody but its owner", "[integration]") {
    rig().company("org_signed");
    rig().company("org_listed");
    auto n = Rig::fresh_number();
    REQUIRE(rig().add("org_signed", n).status == 201);
    rig().prove("org_signed", n);
    rig().sql("INSERT INTO listed_numbers (company_id, provider, e164) VALUES ('org_listed', 'callrail', $1)", {n});
    CHECK(rig().add("org_listed", n).status == 201);
    CHECK(rig().standing("org_listed", n) == "final");
    CHECK(rig().standing("org_signed", n) == "proven past");
    CHECK(rig().value("SELECT (l.valid_from = s.valid_to)::text AS v FROM company_numbers l, company_numbers s WHERE "
                      "l.company_id = 'org_listed' AND s.company_id = 'org_signed'") == "true");  // no moment is both's
    rig().prove("org_signed", n, true);
    rig().saw("org_signed", n);
    rig().sql("INSERT INTO listed_numbers (company_id, provider, e164) VALUES ('org_signed', 'callrail', $1)", {n});
    CHECK(rig().add("org_signed", n).status == 409);
    CHECK(rig().standing("org_listed", n) == "final");
    auto id = rig().value("SELECT id::text AS v FROM company_numbers WHERE company_id = 'org_listed'");
    CHECK(rig().end("org_listed", id).data("state") == "past");
    CHECK(rig().add("org_signed", n).status == 201);
}

TEST_CASE("one's own number again is said to be one's own, with its id", "[integration]") {
    rig().company("org_own");
    auto n = Rig::fresh_number();
    auto id = rig().add("org_own", n, R"(,"purposes":["voice"])").data("id");
    auto again = rig().add("org_own", n);
    CHECK(again.status == 409);
    CHECK(again.field == "e164");
    CHECK(again.body.find("yours already") != std::string::npos);
    CHECK(again.body.find(id) != std::string::npos);
    CHECK(rig().add("org_own", n, R"(,"purposes":["text"])").status == 201);  // for what it does not have yet
}

TEST_CASE("a company may have so many numbers that nothing has proven", "[integration]") {
    rig().company("org_many");
    for (int i = 0; i < 3; ++i) REQUIRE(rig().add("org_many", Rig::fresh_number()).status == 201);
    auto n = Rig::fresh_number();
    auto refused = rig().add("org_many", n);
    CHECK(refused.status == 409);
    CHECK(refused.body.find("set-callrail-api-key") != std::string::npos);
    CHECK(rig().update("org_many", R"({"phone_number":")" + n + "\"}").status == 409);
    CHECK(rig().add("org_many", n, R"(,"is_active":false)").status == 409);
    CHECK(rig().update("org_many", R"({"address":"anywhere"})").status == 200);
    rig().prove("org_many",
                rig().value("SELECT e164 AS v FROM company_numbers WHERE company_id = 'org_many' ORDER BY e164 LIMIT 1"));
    CHECK(rig().add("org_many", n).status == 201);
}

TEST_CASE("a number that was ended stays ended, whatever else of its company changes", "[integration]") {
    rig().company("org_first");
    rig().company("org_next");
    auto n = Rig::fresh_number(), tracking = Rig::fresh_number();
    REQUIRE(
        rig().update("org_first", R"({"phone_number":")" + n + R"(","primary_tracking_number":")" + tracking + "\"}").status ==
        200);
    auto id = rig().value("SELECT id::text AS v FROM company_numbers WHERE company_id = 'org_first' AND e164 = $1", {n});
    CHECK(rig().end("org_first", id).status == 200);
    CHECK(rig().value("SELECT coalesce(phone_number, 'none') || ' ' || primary_tracking_number AS v FROM companies WHERE id = "
                      "'org_first'") == "none " + tracking);
    CHECK(rig().update("org_first", R"({"address":"2 Main St"})").status == 200);
    CHECK(rig().standing("org_first", n) == "unproven past");
    REQUIRE(rig().add("org_next", n).status == 201);
    CHECK(rig().update("org_first", R"({"address":"3 Main St"})").status == 200);
    CHECK(rig().update("org_first", R"({"timezone":"America/Phoenix"})").status == 200);
    CHECK(rig()
              .ask(
                  "org_first", [&](auto& c) { return rig().commands.set_signing_key(c); }, R"({"signing_key":"a key"})",
                  "org_first")
              .status == 200);
    rig().sql(
        "UPDATE companies SET callrail_signing_key = 'sealed', callrail_signing_key_explicit = false WHERE id = 'org_first'");
    CHECK(rig().standing("org_next", n) == "unproven");
    CHECK(rig().standing("org_first", tracking) == "unproven");
    // A suspended company lets its numbers go, and has them again when it is active.
    rig().sql("UPDATE companies SET status = 'suspended' WHERE id = 'org_first'");
    CHECK(rig().standing("org_first", tracking) == "unproven past");
    rig().sql("UPDATE companies SET status = 'active' WHERE id = 'org_first'");
    CHECK(rig().standing("org_first", tracking) == "unproven past, unproven");
}

TEST_CASE("a number moves: who has it until a moment, and who from then on", "[integration]") {
    rig().company("org_leaves");
    rig().company("org_comes");
    auto n = Rig::fresh_number();
    auto moment = in_hours(5);
    auto had = rig().add("org_leaves", n);
    REQUIRE(had.status == 201);
    auto early = rig().add("org_comes", n, at("valid_from", moment));
    CHECK(early.status == 409);  // it is the other's until further notice
    CHECK(early.field == "e164");
    CHECK(early.body.find("other times") != std::string::npos);
    auto leaves = rig().change("org_leaves", had.data("id"), "{" + at("valid_to", moment).substr(1) + "}");
    CHECK(leaves.status == 200);
    CHECK(leaves.data("valid_to") == to_rfc3339(moment));
    CHECK(leaves.data("state") == "unproven");  // until then it is what it was
    CHECK(rig().add("org_comes", n, at("valid_from", moment - hours(1))).status == 409);
    auto comes = rig().add("org_comes", n, at("valid_from", moment));
    CHECK(comes.status == 201);
    CHECK(comes.data("state") == "planned");
    CHECK(comes.data("valid_from") == to_rfc3339(moment));
    auto longer = rig().change("org_leaves", had.data("id"), "{" + at("valid_to", moment + hours(1)).substr(1) + "}");
    CHECK(longer.status == 409);
    CHECK(longer.field == "valid_to");
    CHECK(rig().change("org_leaves", had.data("id"), R"({"valid_to":null})").field == "valid_to");
    CHECK(rig().change("org_comes", comes.data("id"), "{" + at("valid_from", moment - hours(1)).substr(1) + "}").field ==
          "valid_from");
    // Each event is its owner's at its own time.
    pg::Connection db(rig().service_url(), "test");
    auto told = [&](const std::string& company) {
        auto tx = db.begin(pg::Scope::company(CompanyId{company}));
        auto m = profile_of(tx, CompanyId{company});
        tx.commit();
        return m;
    };
    CHECK_FALSE(told("org_leaves").numbers(0).has_valid_from_us());
    CHECK(from_micros(told("org_leaves").numbers(0).valid_to_us()) == moment);
    CHECK(from_micros(told("org_comes").numbers(0).valid_from_us()) == moment);
    // Who comes gives it up again before it began: nothing of it was ever theirs, and who had it may keep it.
    CHECK(rig().end("org_comes", comes.data("id")).data("state") == "past");
    CHECK(rig().change("org_leaves", had.data("id"), R"({"valid_to":null})").status == 200);
    CHECK(rig().change("org_comes", comes.data("id"), R"({"voicemail_enabled":false})").status == 404);
    CHECK(rig().add("org_comes", n).status == 409);
}

TEST_CASE("who registers a number without a time has it since it is free, also if that is to come", "[integration]") {
    rig().company("org_ends");
    rig().company("org_follows");
    auto n = Rig::fresh_number();
    auto moment = in_hours(3);
    auto had = rig().add("org_ends", n, at("valid_to", moment));
    REQUIRE(had.status == 201);
    CHECK(had.data("valid_to") == to_rfc3339(moment));
    auto follows = rig().add("org_follows", n);
    CHECK(follows.status == 201);
    CHECK(follows.data("state") == "planned");
    CHECK(follows.data("valid_from") == to_rfc3339(moment));
    CHECK(rig().end("org_follows", follows.data("id")).status == 200);
    // An end that is moved moves the release.
    REQUIRE(rig().change("org_ends", had.data("id"), "{" + at("valid_to", in_hours(1)).substr(1) + "}").status == 200);
    CHECK(rig().end("org_ends", had.data("id")).data("state") == "past");
    auto now = rig().add("org_follows", n);
    CHECK(now.status == 201);
    CHECK(now.data("state") != "past");
}

TEST_CASE("times that cannot be are refused by the field", "[integration]") {
    rig().company("org_times");
    auto n = Rig::fresh_number();
    CHECK(rig().add("org_times", n, at("valid_from", in_hours(2)) + at("valid_to", in_hours(1))).field == "valid_to");
    CHECK(rig().add("org_times", n, R"(,"valid_from":"tomorrow")").field == "valid_from");
    CHECK(rig().add("org_times", n, R"(,"valid_to":"2026-11-30T10:00:00")").field == "valid_to");  // of which zone?
    auto planned = rig().add("org_times", n, at("valid_from", in_hours(2)));
    REQUIRE(planned.status == 201);
    auto before = rig().change("org_times", planned.data("id"), "{" + at("valid_to", in_hours(1)).substr(1) + "}");
    CHECK(before.status == 422);
    CHECK(before.field == "valid_to");
    CHECK(rig().change("org_times", planned.data("id"), R"({"valid_from":null})").field == "valid_from");
    // One's own number again is another row for another time only.
    CHECK(rig().add("org_times", n, at("valid_from", in_hours(3))).body.find("yours already") != std::string::npos);
    auto earlier = rig().add("org_times", n, at("valid_from", in_hours(-3)) + at("valid_to", in_hours(-1)));
    CHECK(earlier.status == 201);
    CHECK(earlier.data("state") == "past");
    CHECK(earlier.data("valid_from") == to_rfc3339(in_hours(-3)));
    // Past ones count as unproven too: nobody holds the past of others' numbers in bulk.
    CHECK(rig().add("org_times", Rig::fresh_number(), at("valid_from", in_hours(-3)) + at("valid_to", in_hours(-1))).status ==
          201);
    auto many = rig().add("org_times", Rig::fresh_number(), at("valid_from", in_hours(-3)) + at("valid_to", in_hours(-1)));
    CHECK(many.status == 409);
    CHECK(many.body.find("nothing has proven") != std::string::npos);
}

TEST_CASE("proof beats a claim of the same time, and leaves other times alone", "[integration]") {
    rig().company("org_squats");
    rig().company("org_proves");
    auto n = Rig::fresh_number();
    auto moment = in_hours(4);
    REQUIRE(rig().add("org_squats", n, at("valid_from", in_hours(-9)) + at("valid_to", in_hours(-8))).status == 201);
    REQUIRE(rig().add("org_squats", n, at("valid_from", in_hours(-7))).status == 201);
    rig().saw("org_proves", n);
    // From a moment on: the mere claim goes on until then.
    auto planned = rig().add("org_proves", n, at("valid_from", moment));
    CHECK(planned.status == 201);
    CHECK(planned.data("state") == "planned");
    CHECK(rig().value("SELECT string_agg(is_active::text || ' ' || coalesce((valid_to = $2::timestamptz)::text, 'open'), ', ' "
                      "ORDER BY valid_from) AS v FROM "
                      "company_numbers WHERE company_id = 'org_squats' AND e164 = $1",
                      {n, to_rfc3339(moment)}) == "true false, true true");
    REQUIRE(rig().end("org_proves", planned.data("id")).status == 200);
    // Since it was free: the claim is as if it had never been.
    rig().sql("UPDATE seen_numbers SET last_seen_at = now() + interval '1 day' WHERE company_id = 'org_proves'");
    auto all = rig().add("org_proves", n, at("valid_from", in_hours(-10)));
    CHECK(all.status == 201);
    CHECK(all.data("state") == "registered");
    CHECK(
        rig().value("SELECT count(*)::text AS v FROM company_numbers WHERE company_id = 'org_squats' AND e164 = $1 AND is_active",
                    {n}) == "0");
    // What a company proved stays its own until it ended, whoever comes with what proof.
    rig().company("org_lists");
    rig().sql("INSERT INTO listed_numbers (company_id, provider, e164) VALUES ('org_lists', 'twilio', $1)", {n});
    auto past = rig().add("org_lists", n, at("valid_from", in_hours(-5)));
    CHECK(past.status == 409);
    CHECK(rig().standing("org_proves", n).find("proven past, proven") == 0);
    CHECK(rig().add("org_lists", n, at("valid_from", in_hours(2))).data("state") == "planned");
}
