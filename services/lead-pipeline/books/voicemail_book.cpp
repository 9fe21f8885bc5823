#include "books/voicemail_book.hpp"

#include <algorithm>

#include "lead-pipeline/sql.hpp"
#include "rows/voicemail_row.hpp"

namespace otto::lead_pipeline {
namespace {

/// Whether what is known of its recordings may be otherwise than its rows have it.
bool may_have_changed(const HeldCall& c) {
    if (!c.folded.empty()) return true;
    return std::any_of(c.reports.begin(), c.reports.end(), [&](const auto* in) {
        const auto& r = in->event.call();
        // Which of several recordings counts follows from whether somebody answered.
        return r.has_recording() || r.has_recording_url() || (r.answered() && !c.row.call.recordings.empty());
    });
}

}  // namespace

std::map<CallKey, std::vector<ChangedVoicemail>> fill_voicemails(pg::Tx& tx, const std::vector<CallKey>& calls) {
    std::map<CallKey, std::vector<ChangedVoicemail>> changed;
    if (calls.empty()) return changed;
    tx.each(sql::fill_voicemails, pg::arrays(calls), [&](const pg::Fields& f) {
        changed[{CompanyId{f.text("company_id")}, CallId{f.integer("asked")}}].push_back({f.uuid("id"), f.integer("version")});
    });
    return changed;
}

void VoicemailBook::save(const CallBook& calls) {
    std::vector<VoicemailRow> rows;
    std::vector<CallKey> theirs;
    std::map<CallKey, std::map<Uuid, std::int64_t>> changed;
    std::map<std::pair<CompanyId, Uuid>, CallKey> call_of;
    for (const auto& c : calls) {
        if (!may_have_changed(c)) continue;
        const auto key = c.row.key();
        bool any = false;
        for (const auto& [sid, recording] : c.row.call.recordings) {
            if (!recording.voicemail) continue;
            any = true;
            const auto& row = rows.emplace_back(VoicemailRow::of(c.row.company, c.row.id, sid, recording));
            // Two calls that claim one recording: one row.
            if (!call_of.emplace(std::pair(row.company, row.id), key).second)
                rows.pop_back();
            else if (!c.folded.empty())
                changed[key][row.id] = 0;  // the fold has moved it
        }
        if (any) theirs.push_back(key);
    }
    if (theirs.empty()) return;
    save_voicemails.returning(tx_, rows, [&](const pg::Fields& f) {
        auto id = f.uuid("id");
        changed[call_of.at({CompanyId{f.text("company_id")}, id})][id] = f.integer("version");
    });
    for (const auto& [key, filled] : fill_voicemails(tx_, theirs))
        for (const auto& v : filled) changed[key][v.id] = v.version;
    for (const auto& [key, versions] : changed)
        for (const auto& [id, version] : versions) changed_[key].push_back({id, version});
}

const std::vector<ChangedVoicemail>& VoicemailBook::changed_of(const CallKey& key) const {
    static const std::vector<ChangedVoicemail> none;
    auto found = changed_.find(key);
    return found == changed_.end() ? none : found->second;
}

}  // namespace otto::lead_pipeline
