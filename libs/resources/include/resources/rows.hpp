#pragma once
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "pg/query.hpp"

/// How rows are shown: each resource has its columns, the same wherever it stands and whoever answers with it.
namespace otto::resources {

/// Who looks. A sales rep is shown of another's lead nothing but its id, wherever it stands beside something of the rep's own.
struct Viewer {
    std::string user;
    bool rep = false;
};

/// How much of a text of people's or providers' is shown: the first kBrief bytes of it in lists, all of it in a detail.
enum class Texts { whole, cut };
inline constexpr std::size_t kBrief = 1'024;
std::string brief(std::string_view text);

/// A call's own columns and booking_status; our own address for its recording (the provider's may carry a key). Of tags a list has as many as fit into kBrief.
void call_columns(JsonWriter&, const pg::Fields&, Texts);
void lead_columns(JsonWriter&, const pg::Fields&, Texts);
void contact_columns(JsonWriter&, const pg::Fields&, Texts);
/// Member "contact" from contact_card_id, contact_phone, contact_first_name, contact_last_name; null without a card. Always brief.
void nested_contact(JsonWriter&, const pg::Fields&);
/// Member "lead" from lead_id, lead_state, lead_rep; null without a lead, and for a rep whose lead it is not.
void nested_lead(JsonWriter&, const pg::Fields&, const Viewer&);
void appointment_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
void task_value(JsonWriter&, const pg::Fields&, const Viewer&, Texts);
/// "Kaylah Mills" from contact_first_name and contact_last_name; null if neither is known.
void customer_name(JsonWriter&, const pg::Fields&);

}  // namespace otto::resources
