#pragma once
#include <map>
#include <vector>

#include "books/call_book.hpp"
#include "pg/tx.hpp"
#include "rows/keys.hpp"

namespace otto::lead_pipeline {

/// A voicemail that is new or changed, and the version that it has now; 0: it was not read.
struct ChangedVoicemail {
    Uuid id;
    std::int64_t version;
};

/// What the voicemails of these calls say in words, as far as the voicemail is what was transcribed and analysed: the call has no
/// other recording. A call may go by the id of a row that was folded into it. Returned by the ids that were asked for. One
/// statement; the same again changes nothing.
std::map<CallKey, std::vector<ChangedVoicemail>> fill_voicemails(pg::Tx&, const std::vector<CallKey>&);

/// The voicemails that the calls of a transaction have, a row each (voicemail_messages). They follow from their calls, whose rows
/// are held; batches that hear of none cost nothing. One thread.
class VoicemailBook {
public:
    explicit VoicemailBook(pg::Tx& tx) : tx_(tx) {}

    /// After the calls are saved.
    void save(const CallBook&);
    const std::vector<ChangedVoicemail>& changed_of(const CallKey&) const;

private:
    pg::Tx& tx_;
    std::map<CallKey, std::vector<ChangedVoicemail>> changed_;
};

}  // namespace otto::lead_pipeline
