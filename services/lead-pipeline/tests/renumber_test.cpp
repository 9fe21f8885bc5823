// Rows that were made by former rules, and events that were: they end where the present ones put them.
#include <algorithm>
#include <random>

#include "handlers/renumber.hpp"
#include "steps.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

const std::string kNumber = "+12025550100";

/// Looks the company through, as often as it takes.
void renumber(const std::string& company) {
    as_owner("DELETE FROM renumbering; INSERT INTO renumbering (company_id) VALUES ('" + company + "')");
    while (lines("SELECT count(*) AS v FROM renumbering WHERE company_id = $1 AND pass = 1 AND due_at <= now()", company) ==
           "1\n")
        Renumber(Millis{0}).run(Db::shared().service);
}

/// The rows of a call whose number former rules could not read.
PlacedCall call_as_it_was(const std::string& company, const std::string& name, int started, const std::string& written) {
    auto c = call(company, name, started, "unreadable " + name);
    as_owner("UPDATE calls SET phone_number = '" + written + "' WHERE company_id = '" + company +
             "' AND call_id = " + std::to_string(c.id));
    return c;
}

/// Calls of one number that former rules took for somebody's.
void hide(const std::string& company, const std::string& phone, const std::string& spelled) {
    as_owner("UPDATE contact_cards SET primary_phone = '" + spelled + "' WHERE company_id = '" + company +
             "' AND primary_phone = '" + phone + "'; UPDATE calls SET phone_number = '" + spelled + "' WHERE company_id = '" +
             company + "' AND phone_number = '" + phone + "'");
}

/// Each call with its card and lead, as people see them.
std::string calls_of(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', c.provider_call_id, c.phone_number, coalesce(k.primary_phone, '-'), k.first_name, l.status, "
        "l.pool_status, l.assigned_rep_id, l.edited_status, l.contact_card_id = k.id) AS v "
        "FROM calls c JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id JOIN leads l ON "
        "l.company_id = c.company_id AND l.id = c.lead_id WHERE c.company_id = $1 ORDER BY 1",
        company);
}
std::string counts_of(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', (SELECT count(*) FROM contact_cards WHERE company_id = $1), (SELECT count(*) FROM leads WHERE "
        "company_id = $1)) AS v",
        company);
}
/// What is kept by triggers is what is there.
std::string miscounted(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', (SELECT coalesce(sum(pending), 0) FROM pending_leads WHERE company_id = $1) - (SELECT count(*) "
        "FROM leads WHERE company_id = $1 AND lead_is_pending(status, pool_status)), "
        "(SELECT count(*) FROM calls c LEFT JOIN call_facts f ON f.company_id = c.company_id AND f.call_id = c.call_id AND "
        "f.lead_id = c.lead_id AND f.missed = c.missed_call AND f.answered = c.answered "
        "WHERE c.company_id = $1 AND f.call_id IS NULL), (SELECT coalesce(sum(part) FILTER (WHERE list = 'leads'), 0) FROM "
        "list_totals WHERE company_id = $1) - (SELECT count(*) FROM leads WHERE company_id = $1)) AS v",
        company);
}
std::string told(const std::string& company, const std::string& type) {
    return lines("SELECT count(*) AS v FROM outbox WHERE key LIKE $1 || '%' AND headers::text LIKE '%." + type + "%'", company);
}

inbound::v1::CallReport as_it_was_read(inbound::v1::CallReport r, const std::string& text, bool callable) {
    r.set_customer_phone(text);
    r.set_customer_phone_callable(callable);
    return r;
}

/// Spellings that former rules could not read, all of kNumber.
const std::vector<std::string> kSpellings{"\u202a+12025550100\u202c",
                                          "\u2068(202) 555-0100\u2069",
                                          "(202)\u00a0555\u20110100",
                                          "+1\ufe0d-202-555-0100",
                                          "\u200b+12025550100",
                                          "202\u2009555\u20090100",
                                          "202\u2013555\u20130100",
                                          "202\u2014555\u20140100",
                                          "\uff0b\uff11\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff10\uff10",
                                          "\u0661\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0660\u0660",
                                          "tel:+12025550100",
                                          "tel:+1-202-555-0100;ext=45",
                                          "202-555-0100 x45",
                                          "202-555-0100 ext. 45",
                                          "+12025550100;ext=45",
                                          "202-555-0100 #45",
                                          "202-555-0100,45",
                                          "0012025550100",
                                          "01112025550100",
                                          "+1 \u200e202\u200e 555 0100",
                                          "202\u3000555\u30000100",
                                          "\u2067202.555.0100\u2069"};

}  // namespace

TEST_CASE("cards of one number that was spelled in ways that could not be read become one", "[integration]") {
    const std::string company = "org_respelt";
    auto known = call(company, "K", 0);
    for (std::size_t i = 0; i < kSpellings.size(); ++i)
        call_as_it_was(company, "S" + std::to_string(i), static_cast<int>(i) + 1, kSpellings[i]);
    REQUIRE(counts_of(company) == "23 23\n");
    renumber(company);
    CHECK(counts_of(company) == "1 1\n");
    CHECK(lines("SELECT DISTINCT concat_ws(' ', phone_number, contact_card_id, lead_id) AS v FROM calls WHERE company_id = $1",
                company) == kNumber + " " + known.contact + " " + known.lead + "\n");
    CHECK(lines("SELECT concat_ws(' ', kind, count(*), count(DISTINCT into_id)) AS v FROM folded_rows WHERE company_id = $1 "
                "GROUP BY kind ORDER BY kind",
                company) == "contact 22 1\nlead 22 1\n");
    CHECK(lines("SELECT last_contacted_at::text AS v FROM leads WHERE company_id = $1", company) == "2023-11-14 22:13:42+00\n");
    CHECK(told(company, "LeadMoved") == "22\n");
    CHECK(told(company, "CallRecorded") == "22\n");
    CHECK(miscounted(company) == "0 0 0\n");
    // A second look finds nothing to do.
    auto before = lines("SELECT version AS v FROM calls WHERE company_id = $1 ORDER BY call_id", company);
    renumber(company);
    CHECK(lines("SELECT version AS v FROM calls WHERE company_id = $1 ORDER BY call_id", company) == before);
}

TEST_CASE("where nobody had that number yet, card and lead become the number's, with their past", "[integration]") {
    const std::string company = "org_respell_new";
    auto old = call_as_it_was(company, "S", 0, kSpellings[0]);
    as_owner(
        "UPDATE leads SET created_at = '2023-11-14', status = 'nurturing', edited_status = 'nurturing', status_edited_at = "
        "'2023-11-15', assigned_rep_id = 'user_rep', pool_status = 'assigned' WHERE company_id = '" +
        company + "'");
    renumber(company);
    CHECK(calls_of(company) == "S " + kNumber + " " + kNumber + " nurturing assigned user_rep nurturing t\n");
    CHECK(counts_of(company) == "1 1\n");
    CHECK(lines("SELECT id || ' ' || created_at::date AS v FROM leads WHERE company_id = $1", company) ==
          old.lead + " 2023-11-14\n");
}

TEST_CASE("what people did to either card's lead stays", "[integration]") {
    auto lead_of = [](const std::string& id) { return " WHERE id = '" + id + "'"; };
    SECTION("a rep and a status go along; the later word counts") {
        for (bool theirs_is_later : {false, true}) {
            auto company = std::string("org_respell_hand") + (theirs_is_later ? "1" : "0");
            auto known = call(company, "K", 0), old = call_as_it_was(company, "S", 5, kSpellings[1]);
            as_owner("UPDATE leads SET status = 'dormant', edited_status = 'dormant', status_edited_at = '2024-01-02'" +
                     lead_of(known.lead));
            as_owner(
                "UPDATE leads SET status = 'nurturing', edited_status = 'nurturing', status_edited_by = 'user_a', "
                "status_edited_at = '2024-01-0" +
                std::string(theirs_is_later ? "3" : "1") + "', assigned_rep_id = 'user_rep', pool_status = 'assigned'" +
                lead_of(old.lead));
            renumber(company);
            CHECK(lines("SELECT concat_ws(' ', id, status, assigned_rep_id, pool_status, edited_status, status_edited_by) AS v "
                        "FROM leads WHERE company_id = $1",
                        company) == known.lead + (theirs_is_later ? " nurturing user_rep assigned nurturing user_a\n"
                                                                  : " dormant user_rep assigned dormant\n"));
        }
    }
    SECTION("one that a person closed stays closed beside the open one") {
        const std::string company = "org_respell_closed";
        auto known = call(company, "K", 0), old = call_as_it_was(company, "S", 5, kSpellings[2]);
        as_owner(
            "UPDATE leads SET status = 'closed_won', edited_status = 'closed_won', status_edited_at = '2024-01-02', pool_status "
            "= 'closed'" +
            lead_of(old.lead));
        renumber(company);
        CHECK(calls_of(company) == "K " + kNumber + " " + kNumber + " new in_pool t\nS " + kNumber + " " + kNumber +
                                       " closed_won closed closed_won t\n");
        CHECK(counts_of(company) == "1 2\n");
        CHECK(known.lead != old.lead);
    }
    SECTION("tasks, also those that people made for the lead or the card") {
        const std::string company = "org_respell_tasks";
        auto known = call(company, "K", 0), old = call_as_it_was(company, "S", 5, kSpellings[3]);
        as_owner("INSERT INTO tasks (company_id, id, description, unique_key, contact_card_id, lead_id) VALUES ('" + company +
                 "', gen_random_uuid(), 'of the lead', 'a', '" + old.contact + "', '" + old.lead + "'), ('" + company +
                 "', gen_random_uuid(), 'of the card', 'b', '" + old.contact + "', NULL)");
        renumber(company);
        CHECK(lines("SELECT concat_ws(' ', description, contact_card_id, lead_id) AS v FROM tasks WHERE company_id = $1 ORDER BY "
                    "1 DESC",
                    company) == "of the lead " + known.contact + " " + known.lead + "\nof the card " + known.contact + "\n");
    }
}

TEST_CASE("an analysis that was under way under the former card and lead is one of the lead that stays", "[integration]") {
    const std::string company = "org_respell_way";
    auto known = call(company, "K", 0), old = call_as_it_was(company, "S", 5, kSpellings[4]);
    auto before = said(company, old, 5, "not_booked", "hot"), after = said(company, old, 5, "booked", "hot", 2);
    for (auto* e : {&before, &after}) add_action(*e, "send_quote", "the quote");
    before.set_address("1 Main St");
    analyse({before});
    renumber(company);
    analyse({after});
    CHECK(lines("SELECT concat_ws(' ', l.id, l.status, k.address, (SELECT concat_ws(' ', count(*), min(lead_id::text), "
                "min(contact_card_id::text)) FROM tasks t WHERE t.company_id = $1)) AS v FROM leads l "
                "JOIN contact_cards k ON k.company_id = l.company_id AND k.id = l.contact_card_id WHERE l.company_id = $1",
                company) == known.lead + " qualified_booked 1 Main St 1 " + known.lead + " " + known.contact + "\n");
}

TEST_CASE("who hides the number is not one person: a card and a lead a call, and what people did stays with the oldest",
          "[integration]") {
    const std::string company = "org_hidden";
    for (int i = 1; i <= 3; ++i) {
        auto r = report("H" + std::to_string(i), "completed", i);
        r.set_customer_name(std::string("Caller") + static_cast<char>('A' + i) + " Smith");
        record(company, r);
    }
    auto third = placed(company, "H3");
    auto wants = said(company, third, 3, "not_booked", "hot");
    add_action(wants, "call_back", "call her");
    analyse({wants});
    as_owner(
        "UPDATE leads SET status = 'closed_won', edited_status = 'closed_won', status_edited_at = now(), pool_status = 'closed', "
        "assigned_rep_id = 'user_one' WHERE company_id = '" +
        company + "'");
    call(company, "H4", 4);
    auto fifth = call(company, "H5", 5);
    REQUIRE(fifth.lead != third.lead);
    auto booked = said(company, fifth, 5, "booked", "hot");
    booked.set_customer_name("Eve Fifth");
    analyse({booked});
    as_owner("UPDATE leads SET assigned_rep_id = 'user_two', pool_status = 'assigned' WHERE id = '" + fifth.lead + "'");
    as_owner(
        "INSERT INTO tasks (company_id, id, description, unique_key, contact_card_id, lead_id, call_id, source, action_type) "
        "VALUES ('" +
        company + "', gen_random_uuid(), 'Call back', 'otto', '" + fifth.contact + "', '" + fifth.lead + "', " +
        std::to_string(fifth.id) + ", 'otto', 'call_back')");
    hide(company, kNumber, "+266696687");
    renumber(company);
    CHECK(counts_of(company) == "5 5\n");
    CHECK(calls_of(company) ==
          "H1 +266696687 - CallerB closed_won closed user_one closed_won t\nH2 +266696687 - CallerC new in_pool t\nH3 +266696687 "
          "- CallerD qualified_unbooked in_pool t\n"
          "H4 +266696687 - new assigned user_two t\nH5 +266696687 - Eve qualified_booked in_pool t\n");
    CHECK(lines("SELECT concat_ws(' ', t.description, t.status, t.call_id = c.call_id, t.lead_id = c.lead_id, t.contact_card_id "
                "= c.contact_card_id) AS v FROM tasks t JOIN calls c ON c.company_id = t.company_id "
                "AND c.call_id = t.call_id WHERE t.company_id = $1 ORDER BY 1",
                company) == "Call back cancelled t t t\ncall her open t t t\n");
    CHECK(lines("SELECT count(DISTINCT created_at) AS v FROM contact_cards WHERE company_id = $1 AND created_at < '2023-12-01'",
                company) == "1\n");  // those that parted are as old as their calls
    CHECK(miscounted(company) == "0 0 0\n");
}

TEST_CASE("each spelling of a hidden caller parts its card", "[integration]") {
    for (const char* spelled :
         {"+7378742833", "+86282452253", "+8656696", "+2562533", "+15555555555", "+10255501000", "+120255501001"}) {
        auto company = "org_hidden" + std::string(spelled);
        call(company, "A", 1);
        call(company, "B", 2);
        hide(company, kNumber, spelled);
        renumber(company);
        INFO(spelled);
        CHECK(counts_of(company) == "2 2\n");
        CHECK(lines("SELECT count(*) AS v FROM contact_cards WHERE company_id = $1 AND primary_phone IS NOT NULL", company) ==
              "0\n");
    }
}

TEST_CASE("a number that is read otherwise keeps its card, unless there is one of that number", "[integration]") {
    for (bool there : {false, true}) {
        auto company = std::string("org_abroad") + (there ? "1" : "0");
        auto old = call(company, "A", 1, "+12025550199");
        call(company, "B", 2, "+12025550199");
        hide(company, "+12025550199", "+01112025550100");
        auto now = there ? call(company, "C", 3) : old;
        renumber(company);
        CHECK(counts_of(company) == "1 1\n");
        CHECK(lines("SELECT DISTINCT concat_ws(' ', phone_number, contact_card_id) AS v FROM calls WHERE company_id = $1",
                    company) == kNumber + " " + now.contact + "\n");
        CHECK(lines("SELECT concat_ws(' ', primary_phone, id) AS v FROM contact_cards WHERE company_id = $1", company) ==
              kNumber + " " + now.contact + "\n");
    }
}

TEST_CASE("a card of hundreds of hidden calls is parted in pieces, and one that cannot be written holds up nothing",
          "[integration]") {
    const std::string company = "org_hidden_many";
    call(company, "first", 0);
    as_owner(
        "INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, direction, status, missed_call, "
        "answered, contact_card_id, lead_id, received_at, merge_state) "
        "SELECT c.company_id, nextval('call_id_seq'), 'callrail', 'many' || i, c.phone_number, 'inbound', 'completed', false, "
        "true, c.contact_card_id, c.lead_id, now(), '' FROM calls c, generate_series(1, 330) i "
        "WHERE c.company_id = '" +
        company + "'");
    call("org_hidden_other", "O", 0, "+12025550111");
    call_as_it_was("org_hidden_other", "P", 1, "\u200b+12025550111");
    hide(company, kNumber, "+266696687");
    as_owner(
        "CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.provider_call_id = 'many7' THEN RAISE "
        "EXCEPTION 'not this'; END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER refuse_many BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION refuse_many()");
    renumber(company);
    CHECK(lines("SELECT pass || ' ' || (due_at > now()) AS v FROM renumbering WHERE company_id = $1", company) ==
          "1 true\n");  // again, in a while
    renumber("org_hidden_other");
    CHECK(counts_of("org_hidden_other") == "1 1\n");
    as_owner("DROP FUNCTION refuse_many() CASCADE");
    renumber(company);
    CHECK(counts_of(company) == "331 331\n");
    CHECK(lines("SELECT count(DISTINCT contact_card_id) || ' ' || count(DISTINCT lead_id) AS v FROM calls WHERE company_id = $1",
                company) == "331 331\n");
    CHECK(lines("SELECT pass || ' ' || (due_at > now() + interval '50 minutes') AS v FROM renumbering WHERE company_id = $1",
                company) == "2 true\n");
    as_owner("UPDATE renumbering SET due_at = now()");
    Renumber(Millis{0}).run(Db::shared().service);
    CHECK(lines("SELECT count(*) AS v FROM renumbering WHERE company_id = $1", company) == "0\n");
}

TEST_CASE(
    "events that former rules made and that are under way end in the same rows, in any order and with rows looked through in "
    "between",
    "[integration]") {
    std::mt19937 dice(17);
    std::string wanted;
    for (int round = 0; round < 40; ++round) {
        auto company = "org_keyed" + std::to_string(round);
        struct Told {
            inbound::v1::CallReport report;
            int received;
        };
        std::vector<Told> all;
        for (int i = 0; i < 4; ++i) {
            auto name = "S" + std::to_string(i);
            auto first = report(name, "in_progress", i), last = report(name, "completed", i);
            // Each report as it was read, or as it is read now.
            auto old = [&](inbound::v1::CallReport r) {
                return round == 0 || dice() % 2 ? r : as_it_was_read(r, kSpellings[dice() % kSpellings.size()], false);
            };
            all.push_back({old(first), 10 + i});
            all.push_back({old(last), 20 + i});
        }
        for (int i = 0; i < 3; ++i) {
            auto r = report("H" + std::to_string(i), "completed", 10 + i, "+266696687");
            all.push_back({as_it_was_read(r, "+266696687", round > 0 && dice() % 2), 30 + i});
        }
        if (round > 0) std::shuffle(all.begin(), all.end(), dice);
        auto half = dice() % all.size();
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (i == half) renumber(company);
            record(company, all[i].report, Millis{0}, all[i].received);
        }
        INFO("round " << round);
        auto rows = calls_of(company) + counts_of(company) + miscounted(company);
        if (round == 0) wanted = rows;
        REQUIRE(rows == wanted);
    }
    CHECK(wanted.ends_with("4 4\n0 0 0\n"));
}

TEST_CASE("flags that contradict their status on record are made to follow from it", "[integration]") {
    const std::string company = "org_flags";
    int n = 0;
    for (const char* status : {"ringing", "in_progress", "completed", "missed", "voicemail", "failed"}) {
        ++n;
        call(company, status, n, "+1202555013" + std::to_string(n));
    }
    call(company, "right", 9);
    as_owner(
        "UPDATE calls SET missed_call = false, answered = status <> 'completed' WHERE company_id = '" + company +
        "' AND provider_call_id <> 'right'; UPDATE calls SET status = provider_call_id, merge_state = '' WHERE company_id = '" +
        company + "' AND provider_call_id <> 'right'");
    auto before = lines("SELECT version AS v FROM calls WHERE company_id = $1 AND provider_call_id = 'right'", company);
    renumber(company);
    CHECK(lines("SELECT concat_ws(' ', status, missed_call, answered) AS v FROM calls WHERE company_id = $1 AND provider_call_id "
                "<> 'right' ORDER BY call_id",
                company) == "ringing f f\nin_progress f f\ncompleted f t\nmissed t f\nvoicemail t f\nfailed t f\n");
    CHECK(lines("SELECT version AS v FROM calls WHERE company_id = $1 AND provider_call_id = 'right'", company) == before);
    CHECK(miscounted(company) == "0 0 0\n");
}
