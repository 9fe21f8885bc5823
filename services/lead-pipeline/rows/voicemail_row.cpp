#include "rows/voicemail_row.hpp"

namespace otto::lead_pipeline {
namespace {

const pg::Table<VoicemailRow> kVoicemails("lead_pipeline", "voicemail_messages",
                                          {
                                              pg::col("company_id", &VoicemailRow::company).key(),
                                              pg::col("id", &VoicemailRow::id).key(),
                                              pg::col("call_id", &VoicemailRow::call),
                                              pg::col("recording_sid", &VoicemailRow::recording_sid),
                                              pg::col("recording_url", &VoicemailRow::recording_url),
                                              pg::col("duration", &VoicemailRow::duration_s),
                                              pg::col("created_at", &VoicemailRow::created_at),
                                          });

}  // namespace

VoicemailRow VoicemailRow::of(const CompanyId& company, CallId call, const std::string& sid, const Recording& r) {
    return {
        company,      voicemail_id(company, sid), call, sid, r.url.empty() ? std::nullopt : std::optional(r.url), r.duration_s,
        r.recorded_at};
}

Uuid voicemail_id(const CompanyId& company, const std::string& recording_sid) {
    static const Uuid space = *Uuid::parse("6f74746f-766d-5361-a473-000000000001");
    return Uuid::v5(space, company.value() + "\n" + recording_sid);
}

const pg::Write<VoicemailRow> save_voicemails = kVoicemails.insert(
    "save_voicemails",
    "ORDER BY company_id, id ON CONFLICT (company_id, recording_sid) DO UPDATE SET recording_url = excluded.recording_url, "
    "duration "
    "= excluded.duration, created_at = excluded.created_at, version = t.version + 1, updated_at = now() WHERE t.call_id = "
    "excluded.call_id AND (t.recording_url, t.duration, t.created_at) IS DISTINCT FROM (excluded.recording_url, "
    "excluded.duration, excluded.created_at) RETURNING company_id, id, version");

}  // namespace otto::lead_pipeline
