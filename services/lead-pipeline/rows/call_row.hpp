#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/call.hpp"

namespace otto::lead_pipeline {

/// A call as it stands in its row.
struct CallRow {
    CompanyId company;
    CallId id;
    std::string provider, provider_call_id, traceparent;
    std::int64_t version = 0;
    ContactId contact;
    LeadId lead;
    std::optional<std::string> owner_id;  ///< who took the call
    bool was_missed = false;              ///< as it stood: missed, by somebody who can be called back
    Call call;

    CallKey key() const { return {company, id}; }
    ContactKey contact_key() const { return {company, contact}; }
    LeadKey lead_key() const { return {company, lead}; }
    /// The caller's number, if somebody can be called back there.
    std::optional<NumberKey> number() const {
        return call.phone_callable && call.phone_number ? std::optional(NumberKey{company, *call.phone_number}) : std::nullopt;
    }
    bool is_missed() const { return call.missed_call() && call.phone_callable; }
};

extern const pg::Select<CallRow> lock_calls;
extern const pg::Write<CallRow> save_calls;

/// One of a provider's ids of a call.
struct Alias {
    CompanyId company;
    std::string provider, alias;
    auto operator<=>(const Alias&) const = default;
};
struct AliasRow {
    Alias alias;
    CallId call;
};

/// Those of these companies, providers and ids that lead to a call.
extern const pg::Select<AliasRow> known_aliases;
extern const pg::Write<AliasRow> add_aliases;

}  // namespace otto::lead_pipeline
