// Texts that leave: their line, what we and the provider say of them, and that none leaves after its customer said STOP.
#include <algorithm>
#include <barrier>
#include <numeric>
#include <random>
#include <thread>

#include "handlers/renumber.hpp"
#include "sender/queues.hpp"
#include "sends.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// The company's lines: each text by its words, with its place.
std::string line(const std::string& company) {
    return lines(
        "SELECT m.body || ' ' || s.state AS v FROM text_sends s JOIN messages m ON m.company_id = s.company_id AND m.id = "
        "s.message_id WHERE s.company_id = $1 ORDER BY s.to_number, s.state = 'scheduled', s.state = 'behind', s.automatic, "
        "s.accepted_at, s.message_id",
        company);
}
/// The texts with their provider's id, who sent them, and how they stand.
std::string texts(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', coalesce(provider_message_id, '-'), body, status, error_code, coalesce(sent_by, 'nobody'), CASE "
        "WHEN asked_at IS NOT NULL THEN 'asked' END) AS v FROM messages WHERE company_id = $1 ORDER BY 1",
        company);
}
std::string wanted(const std::string& company, std::string_view queue) {
    return lines("SELECT key AS v FROM work WHERE company_id = $1 AND queue = '" + std::string(queue) + "' ORDER BY key",
                 company);
}
void nothing_wanted(const std::string& company) { as_owner("DELETE FROM work WHERE company_id = '" + company + "'"); }

void set_state(const std::string& company, const Uuid& id, const char* state) {
    in_line(company, id, [&](SendBook& sends, Send& s) {
        s.state = state;
        if (s.in_doubt()) s.asked_at = system_clock().now();
        sends.save(s);
    });
}
void leave(const std::string& company, const Uuid& id) {
    in_line(company, id, [](SendBook& sends, Send& s) { sends.leave(s); });
}

}  // namespace

TEST_CASE("any order of what we say of a text and what the provider reports ends in the same text") {
    auto swept = sent_text("SM1", "On our way", 70, 22);
    swept.report.set_segments(2);
    auto failed = status("SM1", "undelivered", 40, "30003");
    failed.report.set_error_message("Unreachable");
    for (bool delivered : {false, true}) {
        std::vector<std::function<void(Message&)>> said;
        said.emplace_back([](Message& m) {
            merge(m, Written{kCustomer, kOurs, "On our way", "user_office", {}, false, 1, {}}, at(5));
        });
        for (int asked : {10, 20})
            said.emplace_back([=](Message& m) { merge(m, OwnWord{.status = "sending", .asked_at = at(asked)}, at(asked)); });
        said.emplace_back([](Message& m) { merge(m, OwnWord{.status_unknown = true}, at(90)); });
        for (auto& t : {status("SM1", "queued", 21), swept, delivered ? failed : status("SM1", "sent", 30)})
            said.emplace_back([t](Message& m) { merge(m, t.report, at(t.received), t.id); });
        std::vector<std::size_t> order(said.size());
        std::iota(order.begin(), order.end(), 0u);
        auto applied = [&] {
            Message m;
            for (auto i : order) said[i](m);
            return m;
        };
        const auto wanted = applied();
        CHECK((wanted.ours() && wanted.body == "On our way" && wanted.agent == "user_office" && wanted.segments == 2));
        CHECK((wanted.asked_at == at(20) && wanted.sent_at == at(20)));
        CHECK(wanted.status == (delivered ? "undelivered" : "sent"));
        CHECK(wanted.status_unknown == !delivered);
        do {
            REQUIRE(applied() == wanted);
        } while (std::next_permutation(order.begin(), order.end()));
        // Two rows of it that each heard a part are one.
        for (std::size_t cut = 0; cut < said.size(); ++cut) {
            Message a, b;
            for (std::size_t i = 0; i < said.size(); ++i) said[i](i < cut ? a : b);
            merge(a, b);
            CHECK(a == wanted);
        }
    }
    Message later;
    merge(later, Written{kCustomer, kOurs, "x", {}, "a reminder", true, 1, at(50)}, at(5));
    CHECK((later.status == "scheduled" && later.scheduled_at == at(50) && later.automatic && later.sent_at == at(5)));
    merge(later, OwnWord{.status = "canceled", .error_message = "opted out at noon"}, at(50));
    merge(later, OwnWord{.status = "queued"}, at(50));
    CHECK((later.status == "canceled" && later.error_message == "opted out at noon" && !later.error_code));
}

TEST_CASE("the provider's copy of a text is known by its words") {
    CHECK(is_copy("On our way", "On our way"));
    CHECK(is_copy("On our way \n", " On our way"));
    CHECK(is_copy("a\r\nb", "a\nb"));
    CHECK(is_copy("Sent from your Twilio trial account - On our way", "On our way"));
    CHECK(is_copy("Sent from your Twilio trial account - x", "Sent from your Twilio trial account - x"));
    CHECK_FALSE(is_copy("on our way", "On our way"));
    CHECK_FALSE(is_copy("a b", "a\nb"));
    CHECK_FALSE(is_copy("", "On our way"));
}

TEST_CASE("of a pair one text is at the head, people's texts go before automatic ones, then the oldest", "[integration]") {
    const std::string company = "org_line";
    auto reminder = accept(company, "reminder", {.automatic = true});
    CHECK(line(company) == "reminder waiting\n");
    CHECK(wanted(company, kTextNumbers) == kOurs + "\n");
    // It only waits, so that a person's goes first.
    auto first = accept(company, "first");
    accept(company, "late reminder", {.automatic = true});
    auto second = accept(company, "second");
    accept(company, "to another", {.to = "+12025550101"});
    CHECK(line(company) == "first waiting\nsecond behind\nreminder behind\nlate reminder behind\nto another waiting\n");
    // What was released stays where it is, whoever comes.
    nothing_wanted(company);
    set_state(company, first, "released");
    leave(company, first);
    CHECK(wanted(company, kTextNumbers) == kOurs + "\n");
    leave(company, second);
    CHECK(line(company) == "reminder waiting\nlate reminder behind\nto another waiting\n");
    set_state(company, reminder, "released");
    auto third = accept(company, "third");
    CHECK(line(company) == "reminder released\nthird behind\nlate reminder behind\nto another waiting\n");
    set_state(company, reminder, "asked");
    CHECK(line(company).starts_with("reminder asked\nthird behind\n"));
    // What certainly was not taken waits again, and then a person's is first.
    nothing_wanted(company);
    set_state(company, reminder, "waiting");
    CHECK(wanted(company, kTextNumbers) == kOurs + "\n");
    CHECK(line(company) == "third waiting\nreminder behind\nlate reminder behind\nto another waiting\n");
    leave(company, third);
    set_state(company, reminder, "asked");
    set_state(company, reminder, "unknown");
    {
        auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
        SendBook sends(tx);
        auto doubt = sends.in_doubt(CompanyId{company}, kOurs, kCustomer);
        CHECK((doubt && doubt->message == reminder && doubt->in_doubt() && doubt->asked_at));
        CHECK_FALSE(sends.in_doubt(CompanyId{company}, kOurs, "+12025550101"));
    }
    leave(company, reminder);
    CHECK(line(company) == "late reminder waiting\nto another waiting\n");
}

TEST_CASE("a scheduled text is in no line until its time has come", "[integration]") {
    const std::string company = "org_line_scheduled";
    auto noon = system_clock().now() + std::chrono::hours(3);
    auto reminder = accept(company, "reminder", {.automatic = true, .not_before = noon});
    CHECK(line(company) == "reminder scheduled\n");
    CHECK(wanted(company, kTextNumbers).empty());
    CHECK(lines("SELECT key = '" + reminder.to_string() +
                    "' AND due_at > now() + interval '2 hours' AS v FROM work WHERE "
                    "company_id = $1 AND queue = 'lead-pipeline/texts'",
                company) == "t\n");
    CHECK(lines("SELECT concat_ws(' ', status, automatic, reason, sent_by, scheduled_at > now()) AS v FROM messages WHERE "
                "company_id = $1",
                company) == "scheduled t a reminder t\n");
    accept(company, "hello");
    CHECK(line(company) == "hello waiting\nreminder scheduled\n");
    in_line(company, reminder, [](SendBook& sends, Send& s) { sends.step_in(s); });
    CHECK(line(company) == "hello waiting\nreminder behind\n");
}

TEST_CASE("a text is accepted on its customer's card, in a lead, and once under its id", "[integration]") {
    const std::string company = "org_accept";
    record(company, {text("SM0", "Hello?", 10)});
    auto id = accept(company, "Hello 🚚");
    accept(company, "something else", {.id = id});
    CHECK(lines("SELECT concat_ws(' ', k.primary_phone, m.provider, coalesce(m.provider_message_id, '-'), m.direction, "
                "m.from_number, m.to_number, m.body, m.segments, m.status, m.sent_by, m.lead_id = l.id, m.asked_at IS NULL) AS v "
                "FROM messages m JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id JOIN leads l "
                "ON l.company_id = m.company_id AND l.contact_card_id = k.id WHERE m.company_id = $1 AND m.direction = "
                "'outbound'",
                company) == "+12025550100 twilio - outbound +15205232772 +12025550100 Hello 🚚 1 queued user_office t t\n");
    CHECK(line(company) == "Hello 🚚 waiting\n");
    auto contacted = [&] {
        return lines("SELECT extract(epoch FROM last_contacted_at)::bigint - 1700000000 AS v FROM leads WHERE company_id = $1",
                     company);
    };
    CHECK(contacted() == "10\n");  // it has not left
    REQUIRE(note(company, id));
    CHECK(contacted() != "10\n");
    CHECK(
        lines("SELECT status || ' ' || (sent_at = asked_at) AS v FROM messages WHERE company_id = $1 AND direction = 'outbound'",
              company) == "sending true\n");
}

TEST_CASE("ten thousand texts to one number cost the same each", "[integration]") {
    const std::string company = "org_line_long";
    auto& db = Db::shared().service;
    auto tx = db.begin(pg::Scope::company(CompanyId{company}));
    // Rows of its tables and indexes that this transaction has read.
    auto rows_read = [&] {
        return tx
            .value<std::int64_t>({"rows read",
                                  "SELECT (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint FROM "
                                  "pg_stat_xact_user_tables WHERE relname = 'text_sends'"})
            .value_or(0);
    };
    SendBook sends(tx);
    Send s{CompanyId{company}, {}, kOurs, kCustomer, false, 1, "", {}, {}, {}, 0, 0, at(0)};
    std::vector<Uuid> ids;
    constexpr int kMany = 10'000;
    for (int i = 0; i < kMany; ++i) {
        s.message = Uuid::v7(system_clock().now());
        s.accepted_at = at(i);
        ids.push_back(s.message);
        sends.enter(s);
    }
    auto entered = rows_read();
    CHECK(entered < 5 * kMany);
    for (int i = 0; i < kMany / 10; ++i) {
        auto head = sends.lock(MessageKey{s.company, ids[static_cast<std::size_t>(i)]});
        REQUIRE((head && head->state == "waiting"));
        sends.leave(*head);
    }
    CHECK(rows_read() - entered < 10 * kMany / 10);
    tx.rollback();
}

TEST_CASE("what the provider lists of a pair is the text in doubt, whoever hears of it first", "[integration]") {
    auto asked = [](const std::string& company) {
        auto id = accept(company, "On our way");
        accept(company, "next");
        REQUIRE(note(company, id));
        nothing_wanted(company);
        return id;
    };
    const auto now = system_clock().now();
    SECTION("the sweep, before the answer") {
        const std::string company = "org_doubt_sweep";
        auto id = asked(company);
        auto batch = record(company, {listed("SM1", "On our way", now)});
        CHECK(batch.told == std::multiset<std::string>{"message"});
        CHECK(texts(company) == "- next queued user_office\nSM1 On our way sending user_office asked\n");
        CHECK(line(company) == "next waiting\n");
        CHECK(wanted(company, kTextNumbers) == kOurs + "\n");
        CHECK(wanted(company, kTextStatuses) == id.to_string() + "\n");
        // The answer comes behind it, and a callback after nine days.
        auto answer = listed("SM1", "On our way", now);
        answer.id += " answer";
        answer.report.set_our_message_id(id.to_string());
        CHECK(record(company, {answer}).told.empty());
        CHECK(record(company, {callback("SM1", "delivered", answer.received + 9 * 86'400, id)}).told.count("message") == 1);
        CHECK(texts(company) == "- next queued user_office\nSM1 On our way delivered user_office asked\n");
    }
    SECTION("the callback, before the answer, statuses in any order") {
        const std::string company = "org_doubt_callback";
        auto id = asked(company);
        record(company, {callback("SM1", "delivered", 10, id), callback("SM1", "sent", 20, id)});
        CHECK(texts(company) == "- next queued user_office\nSM1 On our way delivered user_office asked\n");
        CHECK(line(company) == "next waiting\n");
        CHECK(wanted(company, kTextStatuses).empty());  // it is known how it ended
        record(company, {status("SM1", "read", 30)});   // one that names it no more
        CHECK(texts(company).ends_with("SM1 On our way read user_office asked\n"));
    }
    SECTION("who was asked hears it") {
        const std::string company = "org_doubt_answer";
        auto id = asked(company);
        auto report = listed("SM1", "On our way", now).report;
        report.set_our_message_id(id.to_string());
        auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
        MessageBook book(tx);
        book.hear(CompanyId{company}, "twilio", report, now);
        book.settle();
        CHECK((book.refused().empty() && book.at({CompanyId{company}, id})->provider_message_id == "SM1"));
        tx.commit();
        CHECK(line(company) == "next waiting\n");
    }
    SECTION("others' texts are none of ours") {
        const std::string company = "org_doubt_others";
        asked(company);
        auto elsewhere = listed("SM4", "On our way", now);
        elsewhere.report.set_customer_phone("+12025550101");
        auto unread = listed("SM5", "On our way", now);
        unread.report.set_has_body(false);
        auto by_another = listed("SM0", "On our way", now);
        by_another.provider = "callrail";
        record(company, {by_another, listed("SM1", "on our way", now), listed("SM2", "On our way", now - Millis{60'000}),
                         listed("SM3", "next", now), elsewhere});
        CHECK(texts(company) ==
              "- On our way sending user_office asked\n- next queued user_office\nSM0 On our way queued nobody\nSM1 on our way "
              "queued nobody\nSM2 On our way "
              "queued nobody\nSM3 next queued nobody\nSM4 On our way queued nobody\n");
        CHECK(line(company) == "On our way asked\nnext behind\n");
        // Of two that fit one is it, also where a trial account is made to say something first.
        record(company,
               {listed("SM6", "Sent from your Twilio trial account - On our way", now), listed("SM7", "On our way", now)});
        CHECK(
            lines("SELECT count(*) AS v FROM messages WHERE company_id = $1 AND body = 'On our way' AND sent_by IS NOT NULL AND "
                  "provider_message_id IN ('SM6', 'SM7')",
                  company) == "1\n");
        CHECK(line(company) == "next waiting\n");
    }
    SECTION("a row that was made for want of knowing better goes into it") {
        const std::string company = "org_doubt_fold";
        auto id = asked(company);
        auto changed = listed("SM1", "On our way.", now);  // as if the provider had changed its words
        changed.report.set_segments(3);
        record(company, {changed, status("SM1", "sent", 5)});
        CHECK(texts(company).find("SM1 On our way. sent nobody\n") != std::string::npos);
        auto batch = record(company, {callback("SM1", "sending", 10, id)});
        CHECK(batch.told.count("message") == 2);
        CHECK(texts(company) == "- next queued user_office\nSM1 On our way sent user_office asked\n");
        CHECK(lines("SELECT segments AS v FROM messages WHERE company_id = $1 AND provider_message_id = 'SM1'", company) ==
              "3\n");
        CHECK(line(company) == "next waiting\n");
    }
}

TEST_CASE("a report that names a text which it cannot be about is held, and the others of its batch go on", "[integration]") {
    const std::string company = "org_forged";
    auto id = accept(company, "On our way"), next = accept(company, "next");
    REQUIRE(note(company, id));
    auto theirs = accept("org_forged_other", "theirs");
    record(company, {text("SM8", "Hello", 1)});
    auto came_in = message_id(CompanyId{company}, "twilio", "SM8");
    const auto before = texts(company);
    auto elsewhere = callback("SM1", "delivered", 10, id), by_other = callback("SM2", "delivered", 10, id);
    elsewhere.report.set_customer_phone("+12025550102");
    by_other.report.set_company_number("+15205550000");
    auto nobodys = callback("SM4", "delivered", 10, id);
    nobodys.report.clear_customer_phone();
    auto no_id = callback("SM5", "delivered", 10, id);
    no_id.report.set_our_message_id("x");
    auto callrail = callback("SM6", "delivered", 10, id);
    callrail.provider = "callrail";
    auto batch = record(company, {elsewhere, by_other, callback("SM3", "delivered", 10, theirs), nobodys, no_id, callrail,
                                  callback("SM7", "delivered", 10, came_in), text("SM9", "Still here", 11)});
    CHECK(batch.refused.size() == 7);
    CHECK(batch.told.count("message") == 1);
    CHECK(texts(company) == before + "SM9 Still here received nobody\n");
    CHECK(line("org_forged_other") == "theirs waiting\n");
    CHECK(lines("SELECT count(*) AS v FROM contact_cards WHERE company_id = $1", company) == "1\n");
    // The provider knows a text by one id, and one text by an id.
    record(company, {callback("SM1", "sent", 20, id)});
    CHECK(record(company, {callback("SMx", "sent", 21, id)})
              .refused.count("the provider has told another id of the text that it names: it may have been sent twice") == 1);
    REQUIRE(note(company, next));
    CHECK(record(company, {callback("SM1", "delivered", 22, next)})
              .refused.count("another text of ours has the id by which the provider names it") == 1);
    CHECK(record(company, {callback("SM1", "delivered", 23, id)}).refused.empty());
}

TEST_CASE("who has told the provider to let nothing through has opted out, wherever it is heard of", "[integration]") {
    auto ledger = [](const std::string& company) {
        return lines(
            "SELECT concat_ws(' ', o.phone, o.source, m.body, o.opted_out_at = m.sent_at, o.revoked_source) AS v FROM opt_outs o "
            "JOIN messages m ON m.company_id = o.company_id AND m.id = o.message_id WHERE o.company_id = $1",
            company);
    };
    SECTION("by a callback") {
        const std::string company = "org_21610_callback";
        auto id = accept(company, "On our way");
        REQUIRE(note(company, id));
        auto refused = callback("SM1", "failed", 10, id, "21610");
        CHECK(record(company, {refused}).told == std::multiset<std::string>{"message", "opt_out"});
        auto again = refused;
        again.id += " again";
        record(company, {again, callback("SM1", "sent", 5, id)});
        CHECK(ledger(company) == "+12025550100 provider On our way t\n");
        auto start = text("SM2", "START", 0);
        start.received = static_cast<int>((system_clock().now() - at(0)) / std::chrono::seconds(1)) + 60;
        record(company, {start});
        CHECK(ledger(company) == "+12025550100 provider On our way t keyword\n");
    }
    SECTION("by the answer") {
        const std::string company = "org_21610_answer";
        auto id = accept(company, "On our way");
        REQUIRE(note(company, id));
        say(company, id, {.status = "failed", .error_code = "21610", .error_message = "no"});
        CHECK(ledger(company) == "+12025550100 provider On our way t\n");
        auto next = accept(company, "next");
        in_line(company, id, [](SendBook& sends, Send& s) { sends.leave(s); });
        CHECK_FALSE(note(company, next));
        CHECK(texts(company).find("- next canceled user_office\n") != std::string::npos);
    }
    SECTION("of a text that others sent, and not of another failure") {
        const std::string company = "org_21610_others";
        record(company, {status("SM1", "failed", 10, "30003"), status("SM2", "undelivered", 11, "21610")});
        CHECK(lines("SELECT source AS v FROM opt_outs WHERE company_id = $1", company) == "provider\n");
    }
}

TEST_CASE("an automatic text does not leave while somebody is to ask whether texts are wanted", "[integration]") {
    const std::string company = "org_unclear";
    record(company, {text("SM1", "stop it please", 1)});
    auto reminder = accept(company, "reminder", {.automatic = true}), hello = accept(company, "hello");
    CHECK(note(company, hello));
    leave(company, hello);
    CHECK_FALSE(note(company, reminder));
    as_owner("UPDATE tasks SET status = 'completed' WHERE company_id = 'org_unclear'");
    CHECK(note(company, accept(company, "another reminder", {.automatic = true})));
}

TEST_CASE("a text and STOP in the same instant, a thousand times: none is noted after the STOP", "[integration]") {
    const std::string company = "org_instant";
    constexpr int kTimes = 1'000;
    pg::Connection sender(Db::shared().service_url(), "test"), looker(Db::shared().url, "test");
    std::vector<Uuid> ids(kTimes);
    auto number = [](int i) { return "+1202555" + std::to_string(1000 + i); };
    for (int i = 0; i < kTimes; ++i)
        ids[static_cast<std::size_t>(i)] = accept(company, "text " + std::to_string(i), {.to = number(i)});
    int noted = 0, after_stop = 0, for_nothing = 0, failed = 0;
    std::barrier start(2);
    std::thread notes([&] {
        for (int i = 0; i < kTimes; ++i) {
            start.arrive_and_wait();
            bool stopped = false;
            // Just before the commit: has the STOP been committed?
            auto look = [&] {
                auto tx = looker.begin(pg::Scope::none());
                stopped = tx.value<bool>({"stopped", "SELECT EXISTS (SELECT FROM opt_outs WHERE company_id = $1 AND phone = $2)"},
                                         {company, number(i)})
                              .value_or(false);
            };
            try {
                bool is_noted = note(sender, company, ids[static_cast<std::size_t>(i)], number(i), look);
                noted += is_noted;
                after_stop += is_noted && stopped;
                for_nothing += !is_noted && !stopped;
            } catch (const std::exception&) {
                ++failed;
            }
        }
    });
    for (int i = 0; i < kTimes; ++i) {
        start.arrive_and_wait();
        record(company, {text("SM" + std::to_string(i), "STOP", i, number(i))});
    }
    notes.join();
    CHECK((failed == 0 && after_stop == 0 && for_nothing == 0));
    CHECK(lines("SELECT concat_ws(' ', count(*) FILTER (WHERE status = 'sending'), count(*) FILTER (WHERE status = 'canceled'), "
                "count(*)) AS v FROM messages WHERE company_id = $1 AND direction = 'outbound'",
                company) == std::to_string(noted) + " " + std::to_string(kTimes - noted) + " 1000\n");
    CHECK(lines("SELECT count(*) AS v FROM opt_outs WHERE company_id = $1", company) == "1000\n");
}

TEST_CASE("where cards become one, what waits for them is in one line", "[integration]") {
    const std::string company = "org_line_renumber";
    accept(company, "first", {.to = "+12025550199"});
    auto asked = accept(company, "asked", {.to = "+12025550198"});
    REQUIRE(note(company, asked, "+12025550198"));
    accept(company, "later",
           {.to = "+12025550199", .automatic = true, .not_before = system_clock().now() + std::chrono::hours(1)});
    // As rules left them that could not read the number.
    as_owner(
        "UPDATE contact_cards SET primary_phone = '12025550100' WHERE company_id = 'org_line_renumber' AND primary_phone = "
        "'+12025550199'; UPDATE messages SET to_number = '12025550100' WHERE company_id = 'org_line_renumber' AND to_number = "
        "'+12025550199'; UPDATE text_sends SET to_number = '12025550100' WHERE company_id = 'org_line_renumber' AND to_number = "
        "'+12025550199'");
    accept(company, "second");
    as_owner("DELETE FROM renumbering; INSERT INTO renumbering (company_id) VALUES ('" + company + "')");
    while (lines("SELECT count(*) AS v FROM renumbering WHERE company_id = $1 AND pass = 1 AND due_at <= now()", company) ==
           "1\n")
        Renumber(Millis{0}).run(Db::shared().service);
    CHECK(lines("SELECT concat_ws(' ', s.to_number, m.body, s.state) AS v FROM text_sends s JOIN messages m ON m.company_id = "
                "s.company_id AND m.id = s.message_id WHERE s.company_id = $1 ORDER BY 1",
                company) ==
          "+12025550100 first behind\n+12025550100 later scheduled\n+12025550100 second waiting\n+12025550198 asked asked\n");
    CHECK(lines("SELECT count(DISTINCT contact_card_id) AS v FROM messages WHERE company_id = $1 AND body <> 'asked'", company) ==
          "1\n");
}
