#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/call.hpp"

namespace otto::lead_pipeline {

/// A voicemail as it is reported. What people do with it, and what it says in words, stands beside it in the row.
struct VoicemailRow {
    CompanyId company;
    Uuid id;
    CallId call;
    std::string recording_sid;
    std::optional<std::string> recording_url;
    std::optional<std::int64_t> duration_s;
    std::optional<Instant> created_at;  ///< when it was recorded

    static VoicemailRow of(const CompanyId&, CallId, const std::string& sid, const Recording&);
};

/// A name: whoever hears of the recording makes the same row.
Uuid voicemail_id(const CompanyId&, const std::string& recording_sid);

/// Those that are new or otherwise than they stand, and only these are returned (company_id, id, version). One that another call
/// of the company has already stays that call's.
extern const pg::Write<VoicemailRow> save_voicemails;

}  // namespace otto::lead_pipeline
