#pragma once
#include <string_view>

#include "base/json.hpp"
#include "pg/query.hpp"

/// How rows are shown: each resource has its columns, the same wherever it stands and whoever answers with it.
namespace otto::resources {

/// A call's own columns and booking_status; our own address for its recording (the provider's may carry a key).
void call_columns(JsonWriter&, const pg::Fields&);
void lead_columns(JsonWriter&, const pg::Fields&);
void contact_columns(JsonWriter&, const pg::Fields&);
/// Member "contact" from contact_card_id, contact_phone, contact_first_name, contact_last_name; null without a card.
void nested_contact(JsonWriter&, const pg::Fields&);
/// Member "lead" from lead_id, lead_state, lead_rep; null without a lead.
void nested_lead(JsonWriter&, const pg::Fields&);
/// An appointment as `user` sees it.
void appointment_value(JsonWriter&, const pg::Fields&, std::string_view user);
void task_value(JsonWriter&, const pg::Fields&);
/// "Kaylah Mills" from contact_first_name and contact_last_name; null if neither is known.
void customer_name(JsonWriter&, const pg::Fields&);

}  // namespace otto::resources
