// Texts: any order of what is reported of them ends in the same rows.
#include "rules/message.hpp"

#include <algorithm>
#include <numeric>
#include <random>

#include "handlers/renumber.hpp"
#include "lead-pipeline/sql.hpp"
#include "rows/message_row.hpp"
#include "texts.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// All that may be reported of a text that we sent.
std::vector<Told> life(const std::string& sid) {
    auto swept = sent_text(sid, "We are on our way 🚚", 70, 4);
    swept.report.set_segments(2);
    auto posted = sent_text(sid, "We are on our way 🚚", 60, 5);
    posted.id += " posted";
    posted.report.set_agent("Ann");
    auto failed = status(sid, "undelivered", 11, "30003");
    failed.report.set_error_message("Unreachable destination handset");
    auto again = failed;
    again.id += " again";
    again.received = 13;
    again.report.clear_error_code();
    auto nobodys = status(sid, "queued", 7);
    nobodys.report.clear_customer_phone();
    nobodys.report.clear_company_number();
    return {nobodys, status(sid, "sending", 8), failed, again, status(sid, "delivered", 9), posted, swept};
}

Message applied(const std::vector<Told>& all, const std::vector<std::size_t>& order) {
    Message m;
    for (auto i : order) merge(m, all[i].report, at(all[i].received), all[i].id);
    return m;
}

/// Everything that people see of the company's texts, cards and leads.
std::string seen(const std::string& company) {
    return lines(
               "SELECT concat_ws(' ', m.provider_message_id, m.direction, m.from_number, m.to_number, m.body, m.status, "
               "m.error_code, m.error_message, m.segments, m.sent_by, extract(epoch FROM m.sent_at)::bigint - 1700000000, "
               "m.media, k.primary_phone, l.status, extract(epoch FROM l.last_contacted_at)::bigint - 1700000000) AS v "
               "FROM messages m JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id "
               "LEFT JOIN leads l ON l.company_id = m.company_id AND l.id = m.lead_id WHERE m.company_id = $1 ORDER BY 1",
               company) +
           lines(
               "SELECT concat_ws(' ', (SELECT count(*) FROM contact_cards WHERE company_id = $1), (SELECT count(*) FROM leads "
               "WHERE company_id = $1)) AS v",
               company);
}

}  // namespace

TEST_CASE("all permutations and repeats of a text's reports end in the same text") {
    auto all = life("SM1");
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), 0u);
    auto wanted = applied(all, order);
    CHECK((wanted.status == "delivered" && !wanted.error_code && !wanted.error_message));
    CHECK((wanted.body == "We are on our way 🚚" && wanted.agent == "Ann" && wanted.segments == 2));
    CHECK(wanted.sent_at == at(4));
    std::mt19937 dice(3);
    do {
        REQUIRE(applied(all, order) == wanted);
        auto repeated = order;
        for (int n = 0; n < 3; ++n)
            repeated.insert(repeated.begin() + static_cast<long>(dice() % repeated.size()), order[dice() % order.size()]);
        REQUIRE(applied(all, repeated) == wanted);
    } while (std::next_permutation(order.begin(), order.end()));
    // Whoever posts again what he kept says nothing new.
    auto later = wanted;
    for (const auto& t : all) merge(later, t.report, at(90 * 86'400 + t.received), t.id);
    CHECK(later == wanted);
}

TEST_CASE("statuses only climb, and an error is of the status that stands") {
    const std::vector<std::string> climbing{"scheduled", "queued",      "sending",   "sent", "canceled",
                                            "failed",    "undelivered", "delivered", "read"};
    for (std::size_t i = 0; i + 1 < climbing.size(); ++i) {
        INFO(climbing[i]);
        for (bool forward : {true, false}) {
            Message m;
            auto low = status("SM1", climbing[i], 1, "30001"), high = status("SM1", climbing[i + 1], 2);
            for (const auto& t : forward ? std::vector{low, high} : std::vector{high, low})
                merge(m, t.report, at(t.received), t.id);
            CHECK((m.status == climbing[i + 1] && !m.error_code));
        }
    }
    Message m;
    merge(m, status("SM1", "a word of tomorrow", 1).report, at(1), "e");
    CHECK((!m.status && m.status_or() == "queued" && !m.written()));
    merge(m, text("SM1", "", 2).report, at(2), "f");
    CHECK((m.status == "received" && m.body == "" && m.inbound()));
}

TEST_CASE("a text's time is what the provider says of it, and never after it was received") {
    auto time_of = [](std::optional<Instant> stated) {
        auto t = text("SM1", "x", 10);
        if (stated) t.report.set_sent_at_us(to_micros(*stated));
        Message m;
        merge(m, t.report, at(10), "e");
        return m.sent_at;
    };
    CHECK(time_of({}) == at(10));
    CHECK(time_of(at(7)) == at(7));
    CHECK(time_of(at(12)) == at(10));
    CHECK(time_of(Instant{}) == at(10));
}

TEST_CASE("what cannot stand in a row is left out of it") {
    auto t = text("SM1", std::string("a\0b", 3) + std::string(200'000, 'x'), 1);
    for (int i = 0; i < 150; ++i) t.report.add_media()->set_url("https://example.com/" + std::to_string(i));
    Message m;
    merge(m, t.report, at(1), "e");
    CHECK((m.body->starts_with("abx") && m.body->size() == 64 * 1024 && m.media.size() == 100));
}

TEST_CASE("whatever order texts and statuses come in, over however many transactions, the rows are the same", "[integration]") {
    std::vector<Told> all;
    for (const auto& sid : {"SM1", "SM2"})
        for (auto& t : life(sid)) all.push_back(t);
    auto picture = text("SM3", "", 30);
    picture.report.add_media()->set_url("https://example.com/a");
    all.push_back(picture);
    std::mt19937 dice(11);
    std::string wanted;
    for (int round = 0; round < 60; ++round) {
        auto company = "org_texts" + std::to_string(round);
        if (round > 0) std::shuffle(all.begin(), all.end(), dice);
        for (std::size_t i = 0; i < all.size();) {
            auto n = std::min<std::size_t>(1 + dice() % 6, all.size() - i);
            record(company, {all.begin() + static_cast<long>(i), all.begin() + static_cast<long>(i + n)});
            i += n;
        }
        auto shown = seen(company);
        if (round == 0) wanted = shown;
        INFO("round " << round);
        REQUIRE(shown == wanted);
    }
    CHECK(wanted ==
          "SM1 outbound +15205232772 +12025550100 We are on our way 🚚 delivered 2 Ann 4 [] +12025550100 new 30\n"
          "SM2 outbound +15205232772 +12025550100 We are on our way 🚚 delivered 2 Ann 4 [] +12025550100 new 30\n"
          "SM3 inbound +12025550100 +15205232772  received 30 [{\"n\": 0, \"url\": \"https://example.com/a\", \"state\": "
          "\"pending\"}] +12025550100 new 30\n1 1\n");
}

TEST_CASE("who calls and writes has one card and one lead, and a batch is a handful of statements", "[integration]") {
    const std::string company = "org_text_call";
    auto first = record(company, {text("SM1", "Hello", 10)});
    CHECK(first.told == std::multiset<std::string>{"lead", "message"});
    auto called = call(company, "C1", 20);
    CHECK(lines("SELECT contact_card_id || ' ' || lead_id AS v FROM messages WHERE company_id = $1", company) ==
          called.contact + " " + called.lead + "\n");
    std::vector<Told> many;
    for (int i = 0; i < 200; ++i)
        many.push_back(text("SMm" + std::to_string(i), "Hello", 30 + i, "+1202555" + std::to_string(1000 + i)));
    CHECK(record(company, many).statements == 6);  // cards are made, held; rows looked for; leads looked for, made; rows made
    CHECK(record(company, {status("SM9", "queued", 1), status("SM9", "sent", 2)}).told == std::multiset<std::string>{"message"});
    CHECK(record(company, {status("SM9", "sent", 2)}).told.empty());  // nothing new: nothing is written
    CHECK(lines("SELECT extract(epoch FROM last_contacted_at)::bigint - 1700000000 AS v FROM leads WHERE company_id = $1 AND "
                "contact_card_id = '" +
                    called.contact + "'",
                company) == "20\n");
    as_owner("UPDATE leads SET status = 'closed_won', pool_status = 'closed' WHERE company_id = 'org_text_call'");
    record(company, {text("SM2", "Once more", 40)});
    CHECK(lines("SELECT l.status AS v FROM messages m JOIN leads l ON l.company_id = m.company_id AND l.id = m.lead_id WHERE "
                "m.company_id = $1 AND m.provider_message_id IN ('SM1', 'SM2') ORDER BY m.sent_at",
                company) == "closed_won\nnew\n");
}

TEST_CASE("of one batch each company has its own, whatever ids they share", "[integration]") {
    std::vector<std::pair<std::string, Told>> both{{"org_text_a", text("SM1", "to a", 1)},
                                                   {"org_text_b", text("SM1", "to b", 2)}};
    auto callrail = text("SM1", "by CallRail", 3);
    callrail.provider = "callrail";
    both.emplace_back("org_text_a", callrail);
    record(both);
    CHECK(lines("SELECT provider || ' ' || body AS v FROM messages WHERE company_id = $1 ORDER BY sent_at", "org_text_a") ==
          "twilio to a\ncallrail by CallRail\n");
    CHECK(lines("SELECT body AS v FROM messages WHERE company_id = $1", "org_text_b") == "to b\n");
}

TEST_CASE("who has no callable number has a card for each text and is nobody's lead, until the number is known",
          "[integration]") {
    const std::string company = "org_text_short";
    record(company, {text("SM1", "Your code is 1234", 1, "72975"), text("SM2", "Your code is 5678", 2, "72975"),
                     text("SM3", "x", 3, "+266696687"), text("SM4", "x", 4, "Anonymous")});
    CHECK(seen(company).ends_with("\n4 0\n"));
    auto nobodys = status("SM5", "sent", 5);
    nobodys.report.clear_customer_phone();
    nobodys.report.clear_company_number();
    record(company, {nobodys});
    CHECK(seen(company).ends_with("\n5 0\n"));
    auto told = record(company, {sent_text("SM5", "Now we know", 7, 6)}).told;
    CHECK(told == std::multiset<std::string>{"contact", "lead", "message"});
    auto shown = seen(company);
    CHECK(shown.find("SM5 outbound +15205232772 +12025550100 Now we know sent 6 [] +12025550100 new 6\n") != std::string::npos);
    CHECK(shown.ends_with("\n5 1\n"));  // the card that it had for want of a number is gone
}

TEST_CASE("media are wanted once, and what became of them stays", "[integration]") {
    const std::string company = "org_text_media";
    auto picture = text("SM1", "", 1);
    for (auto url : {"https://example.com/a", "https://example.com/b"}) {
        auto& m = *picture.report.add_media();
        m.set_url(url);
        m.set_content_type("image/png");
    }
    record(company, {picture});
    auto media = [&] { return lines("SELECT media AS v FROM messages WHERE company_id = $1", company); };
    CHECK(
        media() ==
        R"([{"n": 0, "url": "https://example.com/a", "state": "pending", "content_type": "image/png"}, {"n": 1, "url": "https://example.com/b", "state": "pending", "content_type": "image/png"}])"
        "\n");
    CHECK(
        lines("SELECT w.key = m.id::text AS v FROM work w JOIN messages m ON m.company_id = w.company_id WHERE w.company_id = $1 "
              "AND w.queue = 'lead-pipeline/media'",
              company) == "t\n");
    as_owner(
        "DELETE FROM work WHERE company_id = 'org_text_media'; UPDATE messages SET media = jsonb_set(media, '{0,state}', "
        "'\"stored\"') WHERE company_id = 'org_text_media'");
    auto stored = media();
    auto again = picture;
    again.id += " again";
    again.received = 0;
    record(company, {again, status("SM1", "delivered", 3)});
    CHECK(media() == stored);
    CHECK(lines("SELECT count(*) AS v FROM work WHERE company_id = $1", company) == "0\n");
    // By whose account it came is remembered, for that one's credentials alone are shown for it.
    auto guests = text("SM2", "", 4);
    guests.report.add_media()->set_url("https://example.com/c");
    guests.by_deployment = true;
    record(company, {guests});
    record(company, {status("SM2", "received", 5)});
    CHECK(lines("SELECT media AS v FROM messages WHERE company_id = $1 AND provider_message_id = 'SM2'", company) ==
          R"([{"n": 0, "url": "https://example.com/c", "state": "pending", "of_deployment": true}])"
          "\n");
}

TEST_CASE("rows of texts that are read and written again are the same rows", "[integration]") {
    const std::string company = "org_text_rows";
    record(company, life("SM1"));
    auto unsaid = status("SM2", "", 1);
    unsaid.report.clear_direction();
    record(company, {text("SM3", "q\"\\,{} '\n", 2, "72975"), unsaid});
    auto shown = [&] {
        return lines("SELECT (to_jsonb(m) - 'updated_at')::text AS v FROM messages m WHERE company_id = $1 ORDER BY id", company);
    };
    auto before = shown();
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    std::set<MessageKey> keys;
    for (auto id : tx.values<Uuid>({"message ids", "SELECT id FROM messages"})) keys.emplace(CompanyId{company}, id);
    REQUIRE(keys.size() == 3);
    auto rows = lock_messages(tx, keys);
    change_messages(tx, rows);
    tx.commit();
    CHECK(shown() == before);
    // What nobody has stated yet, a later report states.
    record(company, {text("SM2", "came in", 9)});
    CHECK(lines("SELECT concat_ws(' ', direction, status, from_number) AS v FROM messages WHERE company_id = $1 AND "
                "provider_message_id = 'SM2'",
                company) == "inbound received +12025550100\n");
}

TEST_CASE("where cards become one the texts go along, with their leads and tasks", "[integration]") {
    for (bool called : {false, true}) {
        auto company = std::string("org_text_renumber") + (called ? "1" : "0");
        INFO(company);
        record(company, {text("SM1", "stop it please", 1, "+12025550199"), text("SM2", "Hello", 2, "+12025550199")});
        if (called) call(company, "C1", 3, "+12025550199");
        // As rules left it that could not read the number, beside the card that it should be on.
        as_owner("UPDATE contact_cards SET primary_phone = '12025550100' WHERE company_id = '" + company +
                 "'; UPDATE calls SET phone_number = '12025550100' WHERE company_id = '" + company + "'");
        record(company, {text("SM3", "Hello again", 4)});
        as_owner("UPDATE messages SET from_number = '12025550100' WHERE company_id = '" + company +
                 "' AND provider_message_id <> 'SM3'");
        as_owner("DELETE FROM renumbering; INSERT INTO renumbering (company_id) VALUES ('" + company + "')");
        while (lines("SELECT count(*) AS v FROM renumbering WHERE company_id = $1 AND pass = 1 AND due_at <= now()", company) ==
               "1\n")
            Renumber(Millis{0}).run(Db::shared().service);
        CHECK(
            lines("SELECT concat_ws(' ', m.provider_message_id, k.primary_phone, l.contact_card_id = k.id) AS v FROM messages m "
                  "JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id JOIN leads l ON "
                  "l.company_id = m.company_id AND l.id = m.lead_id WHERE m.company_id = $1 ORDER BY 1",
                  company) == "SM1 +12025550100 t\nSM2 +12025550100 t\nSM3 +12025550100 t\n");
        CHECK(seen(company).ends_with("\n1 1\n"));
        CHECK(lines("SELECT t.lead_id = l.id AND t.contact_card_id = l.contact_card_id AS v FROM tasks t JOIN leads l ON "
                    "l.company_id = t.company_id WHERE t.company_id = $1",
                    company) == "t\n");
        CHECK(lines("SELECT count(*) AS v FROM folded_rows WHERE company_id = $1", company) == "2\n");  // a card and a lead
    }
}
