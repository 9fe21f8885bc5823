#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/message.hpp"

namespace otto::lead_pipeline {

/// The id of a text: a name, so that whoever speaks of it first makes the same one.
Uuid message_id(const CompanyId&, std::string_view provider, std::string_view provider_message_id);

/// A text as it stands in its row.
struct MessageRow {
    CompanyId company;
    Uuid id;
    std::string provider, provider_message_id;  ///< the latter "" until the provider has told it of a text of ours
    ContactId contact;
    std::optional<LeadId> lead;  ///< none: of one who has no callable number, who is nobody's customer
    std::string media = "[]";    ///< with what became of each (handlers/media.hpp)
    std::int64_t version = 0;
    Message message;

    MessageKey key() const { return {company, id}; }
    ContactKey contact_key() const { return {company, contact}; }
    ProviderKey provider_key() const { return {company, provider, provider_message_id}; }
    /// The customer's number as numbers are read now, if somebody can be reached there.
    std::optional<NumberKey> number() const;
};

/// Media that are to be fetched, as they stand in the row's column.
std::string pending(const std::vector<Medium>&);

extern const pg::Select<MessageRow> find_messages;
extern const pg::Select<MessageRow> lock_messages;
/// Those of these ids, and those that the provider knows so.
extern const pg::Select<MessageRow> lock_messages_told;
extern const pg::Write<MessageRow> add_messages;
extern const pg::Write<MessageRow> change_messages;

}  // namespace otto::lead_pipeline
