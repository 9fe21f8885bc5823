// A text leaves once, whatever dies on the way, and not to who said STOP.
#include "sender/sender.hpp"

#include "sending.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

TEST_CASE("sender: a text is noted, asked for and taken", "[integration]") {
    World w;
    auto id = w.accept("hello");
    CHECK(w.status(id) == "queued");
    CHECK(w.state(id) == "waiting");
    w.twilio.before = [&](const twilio::NewText&) {
        // It is on record, and committed, before anybody is asked.
        CHECK(w.state(id) == "asked");
        CHECK(w.status(id) == "sending");
        CHECK(w.of(id, "(asked_at IS NOT NULL)::text") == "true");
    };
    w.run();
    REQUIRE(w.twilio.asked.size() == 1);
    const auto& asked = w.twilio.asked[0];
    CHECK(asked.from == kMine);
    CHECK(asked.to == kTheirs);
    CHECK(asked.body == "hello");
    CHECK(asked.status_callback == "https://otto.example/status?m=" + id);
    CHECK(w.state(id) == "");
    CHECK(w.sid(id) == w.twilio.taken[0].sid);
    CHECK(w.of(id, "sent_by") == "user_1");
    CHECK(w.look("SELECT count(*)::text AS v FROM messages WHERE company_id = $1") == "1");
    CHECK(w.look("SELECT count(*)::text AS v FROM work WHERE company_id = $1 AND queue IN ('lead-pipeline/texts', "
                 "'lead-pipeline/text-numbers')") == "0");
    w.calls_back(id, w.sid(id), "delivered");
    CHECK(w.status(id) == "delivered");
}

// Each fate that a request can have, with each moment at which a process can die over it. What a turn is to do again it finds in
// the rows alone; time goes on, and in the end the text is at Twilio once, or it was refused and is not there at all.
TEST_CASE("sender: whatever becomes of the request and wherever the process dies, a text is sent exactly once", "[integration]") {
    const std::pair<Does, const char*> fates[] = {{Does::take, "takes it"},
                                                  {Does::take_and_reset, "takes it and resets"},
                                                  {Does::take_and_fail, "takes it and answers 500"},
                                                  {Does::list_later, "takes it and lists it 30 s later"},
                                                  {Does::reset, "resets without taking it"},
                                                  {Does::busy, "answers 429"},
                                                  {Does::reject, "rejects it"},
                                                  {Does::let_nobody_in, "lets nobody in"}};
    const char* deaths[] = {"nowhere", "before the note", "after the note", "after Twilio answered",
                            "before the answer is written"};
    for (const auto& [fate, name] : fates) {
        for (const std::string death : deaths) {
            INFO("Twilio " << name << ", the process dies " << death);
            World w;
            int requests = 0;
            w.twilio.next = {fate};
            if (fate == Does::reject) w.twilio.never.insert("once");
            if (death == "before the note") {
                bool dies = true;
                w.asked_for_terms = [&w, dies]() mutable {
                    // The numbers' look asks too; the turn is the one that a text is released for.
                    bool released =
                        w.look("SELECT count(*)::text AS v FROM text_sends WHERE company_id = $1 AND state = 'released'") != "0";
                    if (released && std::exchange(dies, false)) throw Died{};
                };
            }
            auto dies_once = [&requests](const twilio::NewText&) {
                if (++requests == 1) throw Died{};
            };
            if (death == "after the note") w.twilio.before = dies_once;
            if (death == "after Twilio answered") w.twilio.after = dies_once;
            if (death == "before the answer is written")
                w.twilio.after = [&](const twilio::NewText&) {
                    // Its lease has run out meanwhile and another took it, which then died.
                    if (++requests == 1)
                        w.write("UPDATE work SET lease = gen_random_uuid() WHERE company_id = $1 AND lease IS NOT NULL",
                                {w.company});
                };
            auto id = w.accept("once"), behind = w.accept("then");
            w.die([&] { w.run(); });
            for (int minute = 0; minute < 12 && w.state(behind) != ""; ++minute) w.pass(61);
            bool rejected = fate == Does::reject;
            CHECK(w.twilio.times("once") == (rejected ? 0 : 1));
            CHECK(w.twilio.times("then") == 1);
            CHECK(w.state(id) == "");
            CHECK(w.state(behind) == "");
            CHECK(w.status(id) == (rejected ? "failed" : "sending"));
            CHECK((w.sid(id) == "") == rejected);
            CHECK(w.status(behind) == "sending");
            CHECK(w.paused() == "");
            CHECK(w.look("SELECT count(*)::text AS v FROM messages WHERE company_id = $1") == "2");
            // One after the other: nobody was asked about the second before the fate of the first was known.
            std::size_t first_of_second = 0;
            while (w.twilio.asked[first_of_second].body == "once") ++first_of_second;
            for (auto i = first_of_second; i < w.twilio.asked.size(); ++i) CHECK(w.twilio.asked[i].body == "then");
        }
    }
}

TEST_CASE("sender: what is in doubt is looked for after a minute, and asked for anew only when it is twice not there",
          "[integration]") {
    World w;
    auto id = w.accept("hello");
    w.twilio.next = {Does::reset};
    w.run();
    CHECK(w.state(id) == "unknown");
    w.pass(30);
    CHECK(w.twilio.questions == 0);
    w.pass(31);
    CHECK(w.twilio.questions == 1);
    CHECK(w.state(id) == "unknown");
    w.pass(30);
    CHECK(w.twilio.questions == 1);
    w.pass(31);
    CHECK(w.twilio.questions == 2);
    CHECK(w.twilio.times("hello") == 1);  // asked for anew
    CHECK(w.state(id) == "");
}

TEST_CASE("sender: another text with the same words is not taken for the one in doubt", "[integration]") {
    World w;
    auto first = w.accept("same"), second = w.accept("same");
    w.run();
    REQUIRE(w.state(second) == "");  // both are gone, each with an id of its own
    CHECK(w.sid(first) != w.sid(second));
    auto third = w.accept("same");
    w.twilio.next = {Does::reset};
    // What came from a customer's phone, or from long ago, is none of ours.
    w.twilio.taken.push_back(
        {"SMold", kMine, kTheirs, "same", "outbound-api", "sent", system_clock().now() - std::chrono::hours(1)});
    w.twilio.taken.push_back({"SMreply", kMine, kTheirs, "same", "outbound-reply", "sent", system_clock().now()});
    w.twilio.taken.push_back({"SMother", kMine, kTheirs, "other", "outbound-api", "sent", system_clock().now()});
    w.run();
    for (int i = 0; i < 3; ++i) w.pass(61);
    CHECK(w.state(third) == "");
    CHECK(w.twilio.asked.size() == 4);
    CHECK(w.sid(third) == w.twilio.taken.back().sid);
}

TEST_CASE("sender: a trial account's words before a text, and line ends, are no other text", "[integration]") {
    World w;
    auto id = w.accept("two\nlines");
    w.twilio.next = {Does::take_and_reset};
    w.twilio.after = [&](const twilio::NewText&) {
        w.twilio.taken.back().body = "Sent from your Twilio trial account - two\r\nlines ";
    };
    w.run();
    w.pass(61);
    CHECK(w.state(id) == "");
    CHECK(w.sid(id) == w.twilio.taken.back().sid);
    CHECK(w.twilio.asked.size() == 1);
    CHECK(w.of(id, "body") == "two\nlines");
}

TEST_CASE("sender: a callback comes before the answer, in whatever order", "[integration]") {
    for (auto does : {Does::take, Does::take_and_reset}) {
        World w;
        auto id = w.accept("hello"), behind = w.accept("then");
        w.twilio.next = {does};
        w.twilio.after = [&](const twilio::NewText& t) {
            if (t.body != "hello") return;
            w.calls_back(id, w.twilio.taken.back().sid, "delivered");
            w.calls_back(id, w.twilio.taken.back().sid, "sent");
            CHECK(w.state(id) == "");  // its fate is known
        };
        w.run();
        CHECK(w.status(id) == "delivered");
        CHECK(w.sid(id) == w.twilio.taken.front().sid);
        CHECK(w.state(behind) == "");
        w.pass(61);
        w.pass(61);
        CHECK(w.twilio.times("hello") == 1);
        CHECK(w.twilio.times("then") == 1);
        CHECK(w.look("SELECT count(*)::text AS v FROM messages WHERE company_id = $1") == "2");
    }
}

TEST_CASE("sender: nothing leaves after a STOP, and what was asked before it is let be", "[integration]") {
    World w;
    auto first = w.accept("first"), second = w.accept("second");
    w.twilio.before = [&](const twilio::NewText& t) {
        if (t.body == "first") w.says("STOP", 10);
    };
    w.run();
    CHECK(w.sid(first) != "");
    CHECK(w.status(second) == "canceled");
    CHECK(w.of(second, "error_message").starts_with("opted out at 20"));
    CHECK(w.state(second) == "");
    CHECK(w.twilio.times("second") == 0);
    auto third = w.accept("third");
    w.says("START", 20);
    w.run();
    CHECK(w.sid(third) != "");
}

TEST_CASE("sender: an automatic text does not leave while a person is to read what was meant", "[integration]") {
    World w;
    w.says("stop it please", 10);
    auto automatic = w.accept("automatic", kTheirs, true, system_clock().now()), person = w.accept("person");
    w.run();
    CHECK(w.status(automatic) == "canceled");
    CHECK(w.of(automatic, "error_message").find("check_opt_out") != std::string::npos);
    CHECK(w.sid(person) != "");
}

TEST_CASE("sender: a number that is none of the company's for texts any more sends nothing", "[integration]") {
    for (int how = 0; how < 3; ++how) {
        World w;
        auto id = w.accept("hello");
        auto& number = w.terms.numbers[0];
        if (how == 0) number.to = system_clock().now() - std::chrono::seconds(1);  // released
        if (how == 1) number.text = false;
        if (how == 2) number.e164 = "+15205230000";  // it is another's
        w.run();
        CHECK(w.status(id) == "failed");
        CHECK(w.of(id, "error_message").starts_with(kMine + " is none of the company's text numbers"));
        CHECK(w.twilio.asked.empty());
        CHECK(w.state(id) == "");
    }
}

TEST_CASE("sender: what Twilio refuses for what it is is final, and who is behind it goes", "[integration]") {
    World w;
    auto id = w.accept("hello"), behind = w.accept("then");
    w.twilio.next = {Does::reject};
    w.run();
    CHECK(w.status(id) == "failed");
    CHECK(w.of(id, "error_code") == "21211");
    CHECK(w.of(id, "error_message") == "That is no number.");
    CHECK(w.sid(behind) != "");
    CHECK(w.twilio.asked.size() == 2);
}

TEST_CASE("sender: what was certainly not taken is asked for again, with pauses", "[integration]") {
    World w;
    auto id = w.accept("hello");
    w.twilio.next = {Does::busy, Does::busy};
    w.run();
    CHECK(w.state(id) == "released");
    CHECK(w.why(id) == "Twilio answered 429");
    w.pass(3);
    CHECK(w.twilio.asked.size() == 1);  // Twilio asked to be left alone for seven seconds
    w.pass(5);
    CHECK(w.twilio.asked.size() == 2);
    w.pass(8);
    CHECK(w.sid(id) != "");
    CHECK(w.twilio.times("hello") == 1);
    CHECK(w.paused() == "");
}

TEST_CASE("sender: an account that is not let in pauses its company alone, and nothing is used up", "[integration]") {
    World w, other;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(w.accept("t" + std::to_string(i), "+1202555010" + std::to_string(i)));
    w.terms.rate = 1;
    w.twilio.next = {Does::let_nobody_in, Does::let_nobody_in, Does::let_nobody_in, Does::let_nobody_in, Does::let_nobody_in};
    w.run();
    CHECK(w.paused().find("20003") != std::string::npos);
    CHECK(w.paused().find("/api/v1/onboarding/twilio/connect") != std::string::npos);
    auto tried = w.twilio.asked.size();
    CHECK(tried <= 2);  // what was on the way
    for (const auto& id : ids) CHECK(w.state(id) == "waiting");
    auto of_other = other.accept("of another");
    other.run();
    CHECK(other.sid(of_other) != "");
    w.pass(200);
    CHECK(w.twilio.asked.size() == tried);
    // The same credentials are tried again after five minutes.
    w.pass(101);
    auto tried_again = w.twilio.asked.size();
    CHECK(tried_again > tried);
    CHECK(tried_again <= tried + 2);
    // Others at once.
    w.terms.account = twilio::Account::with_token("AC1", Secret("renewed"));
    w.terms.credentials = "hash of renewed";
    w.twilio.next.clear();
    w.terms.rate = kUnpaced;
    w.pass(6);
    for (const auto& id : ids) CHECK(w.sid(id) != "");
    CHECK(w.paused() == "");
    CHECK(w.twilio.as.back() == "AC1 renewed");
    CHECK(w.twilio.taken.size() == 5);
}

TEST_CASE("sender: credentials that work again although they are the same ones end the pause", "[integration]") {
    World w;
    auto id = w.accept("hello");
    w.twilio.next = {Does::let_nobody_in};
    w.run();
    CHECK(w.state(id) == "waiting");
    w.pass(301);
    CHECK(w.sid(id) != "");
    CHECK(w.paused() == "");
}

TEST_CASE("sender: a suspended company's texts wait, and go when it is active again", "[integration]") {
    World w;
    w.terms.why_not = "The company is suspended.";
    w.terms.account.reset();
    auto id = w.accept("hello");
    w.run();
    CHECK(w.state(id) == "waiting");
    CHECK(w.paused() == "The company is suspended.");
    w.pass(3'600);
    CHECK(w.twilio.asked.empty());
    w.terms.why_not.clear();
    w.terms.account = twilio::Account::with_token("AC1", Secret("token"));
    w.pass(6);
    CHECK(w.sid(id) != "");
    CHECK(w.paused() == "");
}

TEST_CASE("sender: while the companies are not known texts wait", "[integration]") {
    World w;
    auto id = w.accept("hello");
    w.known = false;
    w.run();
    CHECK(w.state(id) == "waiting");
    CHECK(w.paused() == "");
    w.known = true;
    w.pass(2);
    CHECK(w.sid(id) != "");
}

TEST_CASE("sender: Twilio is silent for an hour", "[integration]") {
    World w;
    auto id = w.accept("hello"), behind = w.accept("then");
    w.twilio.next = {Does::take_and_reset};
    w.twilio.answers = false;
    w.run();
    for (int minute = 0; minute < 60; ++minute) w.pass(61);
    CHECK(w.state(id) == "unknown");
    CHECK(w.why(id) == "Twilio does not answer");
    CHECK(w.state(behind) == "behind");
    CHECK(w.twilio.asked.size() == 1);
    CHECK(w.twilio.questions < 20);  // ever more seldom
    for (auto& m : w.twilio.taken) m.created = system_clock().now() - std::chrono::seconds(61 * 60);
    w.twilio.answers = true;
    w.pass(601);
    CHECK(w.state(id) == "");
    CHECK(w.sid(id) == w.twilio.taken[0].sid);
    CHECK(w.twilio.times("hello") == 1);
    CHECK(w.twilio.times("then") == 1);
}

TEST_CASE("sender: only the account that was asked can tell what became of a text", "[integration]") {
    World w;
    auto id = w.accept("hello"), behind = w.accept("then");
    w.twilio.next = {Does::take_and_reset};
    w.run();
    w.terms.account = twilio::Account::with_token("AC2", Secret("token"));
    w.terms.credentials = "hash of another";
    for (int i = 0; i < 5; ++i) w.pass(600);
    CHECK(w.state(id) == "unknown");
    CHECK(w.twilio.questions == 0);
    CHECK(w.why(id).find("AC1") != std::string::npos);
    CHECK(w.twilio.asked.size() == 1);
    w.pass(86'400);
    CHECK(w.status(id) == "failed");
    CHECK(w.of(id, "error_message").starts_with("Nobody knows whether it was sent"));
    CHECK(w.sid(behind) != "");
    CHECK(w.twilio.times("hello") == 1);
}

TEST_CASE("sender: Postgres is away between the note and the answer", "[integration]") {
    World w;
    auto id = w.accept("hello");
    w.twilio.after = [&](const twilio::NewText&) {
        Db::shared().owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = "
            "'sending' AND "
            "datname = current_database()");
    };
    w.die([&] {
        try {
            w.run();
        } catch (const pg::SqlFailure&) {
        }
    });
    w.twilio.after = nullptr;
    for (int i = 0; i < 4; ++i) w.pass(61);
    CHECK(w.state(id) == "");
    CHECK(w.sid(id) == w.twilio.taken.at(0).sid);
    CHECK(w.twilio.times("hello") == 1);
}

TEST_CASE("sender: an automatic text waits out of quiet hours, and is judged anew when its time comes", "[integration]") {
    World w;
    w.terms.zone = "UTC";
    w.terms.quiet = quiet_now("UTC");
    auto id = w.accept("automatic", kTheirs, true, system_clock().now());
    auto person = w.accept("person");
    CHECK(w.status(id) == "scheduled");
    w.run();
    CHECK(w.state(id) == "scheduled");
    CHECK(w.of(id, "to_char(scheduled_at AT TIME ZONE 'UTC', 'HH24:MI')") == end_of(w.terms.quiet));
    CHECK(w.sid(person) != "");  // a person's goes at once
    w.terms.quiet = {0, 0};
    SECTION("it goes") {
        w.pass(86'400);
        CHECK(w.sid(id) != "");
        CHECK(w.of(id, "automatic::text") == "true");
    }
    SECTION("it is not wanted any more") {
        w.unwanted = [](auto&&...) { return std::optional<std::string>("nobody needs it"); };
        w.pass(86'400);
        CHECK(w.status(id) == "canceled");
        CHECK(w.of(id, "error_message") == "nobody needs it");
        CHECK(w.twilio.times("automatic") == 0);
    }
    SECTION("its customer said STOP") {
        w.says("STOP", 10);
        w.pass(86'400);
        CHECK(w.status(id) == "canceled");
        CHECK(w.twilio.times("automatic") == 0);
    }
}

TEST_CASE("sender: quiet hours begin while an automatic text waits for its number", "[integration]") {
    World w;
    auto id = w.accept("automatic", kTheirs, true, system_clock().now());
    REQUIRE(w.sending.run_one(w.pool));
    CHECK(w.state(id) == "waiting");
    auto behind = w.accept("person", kTheirs);
    w.write(
        "UPDATE text_sends SET state = CASE message_id WHEN $2::uuid THEN 'released' ELSE 'behind' END WHERE company_id = $1 AND "
        "message_id = $3::uuid",
        {w.company, id, behind});
    w.write("UPDATE text_sends SET state = 'released' WHERE company_id = $1 AND message_id = $2::uuid", {w.company, id});
    w.write("SELECT otto_want('lead-pipeline/texts', $1, $2, now())", {w.company, id});
    w.terms.zone = "UTC";
    w.terms.quiet = quiet_now("UTC");
    w.run();
    CHECK(w.state(id) == "scheduled");
    CHECK(w.sid(behind) != "");  // who was behind it is not held up
    CHECK(w.twilio.times("automatic") == 0);
}

TEST_CASE("sender: of a text that is gone nothing stays in the line", "[integration]") {
    World w;
    auto id = w.accept("hello"), behind = w.accept("then");
    w.write("DELETE FROM messages WHERE company_id = $1 AND id = $2::uuid", {w.company, id});
    w.run();
    CHECK(w.state(id) == "");
    CHECK(w.sid(behind) != "");
    CHECK(w.twilio.asked.size() == 1);
}

TEST_CASE("sender: a state names the customer's clocks", "[integration]") {
    World w;
    auto id = w.accept("automatic", kTheirs, true, system_clock().now());
    w.write("UPDATE contact_cards SET state = 'Hawaii' WHERE company_id = $1", {w.company});
    w.terms.quiet = quiet_now("Pacific/Honolulu");
    w.run();
    CHECK(w.of(id, "to_char(scheduled_at AT TIME ZONE 'Pacific/Honolulu', 'HH24:MI')") == end_of(w.terms.quiet));
}
