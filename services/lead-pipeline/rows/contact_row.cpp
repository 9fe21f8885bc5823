#include "rows/contact_row.hpp"

#include "rows/origins_value.hpp"

namespace otto::lead_pipeline {
namespace {

const pg::Table<ContactRow> kCards("lead_pipeline", "contact_cards",
                                   {
                                       pg::col("company_id", &ContactRow::company).key(),
                                       pg::col("id", &ContactRow::id).key(),
                                       pg::col("primary_phone", &ContactRow::phone),
                                       pg::col("first_name", &ContactRow::contact, &Contact::first_name),
                                       pg::col("last_name", &ContactRow::contact, &Contact::last_name),
                                       pg::col("address", &ContactRow::contact, &Contact::address),
                                       pg::col("city", &ContactRow::contact, &Contact::city),
                                       pg::col("state", &ContactRow::contact, &Contact::state),
                                       pg::col("merge_state", &ContactRow::contact, &Contact::origins),
                                       pg::col("created_at", &ContactRow::made_at).once().unread().otherwise("now()"),
                                   });

}  // namespace

// All who write or lock cards do so in one order, so that two batches never wait for each other crosswise: cards with a number by
// it, then the others by id.
const pg::Write<ContactRow> ensure_cards = kCards.insert(
    "ensure_cards", {"company_id", "id", "primary_phone"},
    "ORDER BY company_id, primary_phone ON CONFLICT (company_id, primary_phone) WHERE primary_phone IS NOT NULL DO NOTHING");
const pg::Write<ContactRow> ensure_own_cards =
    kCards.insert("ensure_own_cards", {"company_id", "id", "created_at"}, "ORDER BY company_id, id ON CONFLICT DO NOTHING");
const pg::Select<ContactRow> lock_cards_of_numbers =
    kCards.by("lock_cards_of_numbers", {"company_id", "primary_phone"}, "ORDER BY company_id, primary_phone FOR UPDATE");
const pg::Select<ContactRow> lock_cards =
    kCards.by("lock_cards", {"company_id", "id"}, "ORDER BY primary_phone IS NULL, company_id, primary_phone, id FOR UPDATE");
const pg::Write<ContactRow> name_cards =
    kCards.update("name_cards", {"first_name", "last_name", "address", "city", "state", "merge_state"});

}  // namespace otto::lead_pipeline
