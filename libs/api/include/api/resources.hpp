#pragma once
#include <string>
#include <string_view>

#include "api/viewer.hpp"
#include "base/json.hpp"
#include "pg/query.hpp"

/// How rows are shown: each resource has its columns, the same wherever it stands and whoever answers with it. A sales rep is
/// shown of another's lead nothing but its id, wherever it stands beside something of the rep's own.
namespace otto::resources {

using api::Texts;
using api::Viewer;

/// How much of a text a list shows.
inline constexpr std::size_t kBrief = 1'024;
std::string brief(std::string_view text);

/// Whole rows, as lists and details have them (api::Show). A call's value has its contact and lead, a lead's its contact.
void call_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void lead_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void contact_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void appointment_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void task_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void message_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void opt_out_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
/// A voicemail with the contact and the lead of its call.
void voicemail_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
/// A telephone number of a company, registered or only seen.
void company_number_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
/// One of a company's people.
void user_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);

/// Columns of a row, into an object that is open.
/// A call's own columns and booking_status; our own address for its recording (the provider's may carry a key). Of tags a list
/// has as many as fit into kBrief.
void call_columns(JsonWriter&, const pg::Fields&, Texts);
void lead_columns(JsonWriter&, const pg::Fields&, Texts);
void contact_columns(JsonWriter&, const pg::Fields&, Texts);
/// Of what came with a text our own address, once it is stored; the provider's may carry a key.
void message_columns(JsonWriter&, const pg::Fields&, Texts);
/// Of its recording our own address, which is the call's, if it is that one; the provider's may carry a key.
void voicemail_columns(JsonWriter&, const pg::Fields&, Texts);
/// Member "contact" from contact_card_id, contact_phone, contact_first_name, contact_last_name; null without a card. Always
/// brief.
void nested_contact(JsonWriter&, const pg::Fields&);
/// Member "lead" from lead_id, lead_state, lead_rep; null without a lead, and for a rep whose lead it is not.
void nested_lead(JsonWriter&, const pg::Fields&, const Viewer&);
/// "Kaylah Mills" from contact_first_name and contact_last_name; null if neither is known.
void customer_name(JsonWriter&, const pg::Fields&);

}  // namespace otto::resources
