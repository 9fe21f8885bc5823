#include "handlers/voicemails.hpp"

#include <map>

#include "books/voicemail_book.hpp"
#include "events/changes.hpp"

namespace otto::lead_pipeline {

void Voicemails::transcribed(std::span<const rt::In<analysis::v1::TranscriptReady>> ins, pg::Tx& tx,
                             rt::Out<changes::v1::RowChanged>& out) const {
    std::map<CallKey, const rt::Envelope*> causes;
    for (const auto& in : ins) causes[{CompanyId{in.event.company_id()}, CallId{in.event.call_id()}}] = &in.meta;
    std::vector<CallKey> calls;
    for (const auto& [call, cause] : causes) calls.push_back(call);
    for (const auto& [call, changed] : fill_voicemails(tx, calls))
        for (const auto& v : changed)
            out.emit(*causes.at(call), events::row_changed(call.first, "voicemail", v.id.to_string(), v.version));
}

}  // namespace otto::lead_pipeline
