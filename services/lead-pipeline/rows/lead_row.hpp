#pragma once
#include <optional>
#include <string>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/lead.hpp"

namespace otto::lead_pipeline {

/// A lead as it stands in its row.
struct LeadRow {
    CompanyId company;
    LeadId id;
    ContactId contact;
    std::string status = "new";
    std::optional<std::string> rep;
    Lead lead;                                 ///< what it knows from its calls
    std::optional<std::string> edited_status;  ///< a person's word on the status, and when it was said
    std::optional<Instant> edited_at;
    std::optional<Instant> last_qualified_at;
    std::optional<Instant> made_at;  ///< of a new one: long ago, where it parts from an old one

    LeadKey key() const { return {company, id}; }
    ContactKey contact_key() const { return {company, contact}; }
    std::optional<Edit> edit() const {
        return edited_status && edited_at ? std::optional(Edit{*edited_status, *edited_at}) : std::nullopt;
    }
};

/// The open leads of contacts, and the leads of these ids.
extern const pg::Select<LeadRow> find_leads;
extern const pg::Select<LeadRow> lock_leads;
extern const pg::Select<LeadRow> lock_leads_of_contacts;
extern const pg::Write<LeadRow> add_leads;
/// What they know from their calls.
extern const pg::Write<LeadRow> touch_leads;
/// Their status, and what follows from it.
extern const pg::Write<LeadRow> settle_leads;
/// Whose they are.
extern const pg::Write<LeadRow> assign_leads;

/// What the newest analysis of a call says, as it stands in its row.
struct VerdictRow {
    CompanyId company;
    LeadId lead;
    Verdict verdict;
};

extern const pg::Select<VerdictRow> verdicts_of_leads;
extern const pg::Write<VerdictRow> save_verdicts;

}  // namespace otto::lead_pipeline
