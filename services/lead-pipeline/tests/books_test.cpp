// Books and rows by themselves, as a further consumer would use them.
#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "rows/call_row.hpp"
#include "steps.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// What a message of this number would do.
std::pair<ContactKey, LeadKey> message(const CompanyId& company, const std::string& number, const std::string& name,
                                       std::size_t* statements = nullptr) {
    auto tx = Db::shared().service.begin(pg::Scope::company(company));
    ContactBook contacts(tx);
    LeadBook leads(tx);
    const NumberKey key{company, number};
    contacts.hold(std::set{key});
    auto& card = *contacts.of_number(key);
    leads.find({card.key()}, {});
    auto lead = leads.open_lead(card.key(), LeadId{Uuid::v7(system_clock().now())}, {});
    leads.touch(lead, "text", at(0), name);
    leads.save();
    contacts.save();
    if (statements) *statements = tx.statements();
    tx.commit();
    return {card.key(), lead};
}

}  // namespace

TEST_CASE("whoever writes has one card and one open lead, with the books alone", "[integration]") {
    const CompanyId company{"org_books"};
    std::size_t first_took = 0, second_took = 0;
    auto first = message(company, "+12025550100", "M1", &first_took),
         again = message(company, "+12025550100", "M2", &second_took);
    auto other = message(company, "+12025550101", "M3");
    CHECK(first == again);
    CHECK((other.first != first.first && other.second != first.second));
    CHECK(first_took == 4);   // the card is there, is held; the lead is looked for, and made
    CHECK(second_took == 3);  // nothing of it is new
    // The same card and lead that a call of that number has.
    auto called = call(company.value(), "C1", 5);
    CHECK((called.contact == first.first.second.value().to_string() && called.lead == first.second.second.value().to_string()));
    Db::shared().owner.execute("UPDATE leads SET status = 'closed_won', pool_status = 'closed' WHERE company_id = 'org_books'");
    auto later = message(company, "+12025550100", "M4");
    CHECK((later.first == first.first && later.second != first.second));
    CHECK(lines("SELECT status || ' ' || coalesce(source, '-') AS v FROM leads WHERE company_id = $1 AND contact_card_id = '" +
                    first.first.second.value().to_string() + "' ORDER BY 1",
                company.value()) == "closed_won text\nnew text\n");
}

TEST_CASE("rows that are read and written again are the same rows", "[integration]") {
    const std::string company = "org_rows";
    auto said_all = report("R1", "completed", 1);
    said_all.set_answered(true);
    said_all.set_duration_s(61);
    said_all.set_recording_url("https://example.com/r.mp3");
    said_all.set_tracking_number("+12025550101");
    said_all.set_source("Ads, \"Google\"");
    said_all.set_campaign("roofs {2026}");
    said_all.set_keywords("roof");
    said_all.set_note("a\\b\n");
    said_all.set_value("900");
    said_all.set_lead_status("good_lead");
    said_all.set_first_call(true);
    said_all.set_customer_name("KAYLAH MILLS");
    said_all.set_customer_city("Phoenix");
    said_all.set_customer_state("AZ");
    said_all.set_has_tags(true);
    for (auto tag : {"roof", "q\"\\,{} '", ""}) said_all.add_tags(tag);
    said_all.set_ended_at_us(to_micros(at(62)));
    said_all.set_sequence(4);
    said_all.set_consent_notice_sha256("5ha");
    said_all.set_consent_notice_played(true);
    auto& recording = *said_all.mutable_recording();
    recording.set_sid("RE\"1");
    recording.set_url("https://example.com/RE1");
    recording.set_status("completed");
    recording.set_started_at_us(to_micros(at(2)));
    record(company, said_all);
    auto absent = report("R1", "", 1);
    absent.mutable_recording()->set_status("absent");
    record(company, absent);
    call(company, "R2", 2, "anonymous");
    // As somebody writes one with SQL.
    Db::shared().owner.execute(
        "INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, direction, status, missed_call, "
        "answered, contact_card_id, lead_id, "
        "received_at, merge_state) SELECT company_id, nextval('call_id_seq'), provider, 'R3', phone_number, 'outbound', "
        "'missed', false, false, "
        "contact_card_id, lead_id, now(), '' FROM calls WHERE company_id = 'org_rows' AND provider_call_id = 'R1'");
    auto seen = [&] {
        return lines(
                   "SELECT (to_jsonb(c) - 'version' - 'updated_at' - 'merge_state')::text AS v FROM calls c WHERE company_id = "
                   "$1 ORDER BY call_id",
                   company) +
               lines(
                   "SELECT (to_jsonb(k) - 'version' - 'updated_at' - 'merge_state')::text AS v FROM contact_cards k WHERE "
                   "company_id = $1 ORDER "
                   "BY id",
                   company) +
               lines("SELECT (to_jsonb(l) - 'version' - 'updated_at')::text AS v FROM leads l WHERE company_id = $1 ORDER BY id",
                     company);
    };
    auto before = seen(),
         states =
             lines("SELECT merge_state AS v FROM calls WHERE company_id = $1 AND merge_state <> '' ORDER BY call_id", company);
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    std::set<CallKey> keys;
    for (auto id : tx.values<CallId>({"ids", "SELECT call_id FROM calls"})) keys.emplace(CompanyId{company}, id);
    REQUIRE(keys.size() == 3);
    auto calls = lock_calls(tx, keys);
    std::set<ContactKey> contacts;
    for (const auto& c : calls) contacts.insert(c.contact_key());
    auto cards = lock_cards(tx, contacts);
    auto leads = lock_leads_of_contacts(tx, contacts);
    REQUIRE((cards.size() == 2 && leads.size() == 2));
    save_calls(tx, calls);
    name_cards(tx, cards);
    touch_leads(tx, leads);
    settle_leads(tx, leads);
    assign_leads(tx, leads);
    tx.commit();
    CHECK(seen() == before);
    CHECK(lines("SELECT merge_state AS v FROM calls WHERE company_id = $1 AND provider_call_id <> 'R3' ORDER BY call_id",
                company) == states);
    CHECK(lines("SELECT DISTINCT version AS v FROM leads WHERE company_id = $1", company) == "4\n");
}
