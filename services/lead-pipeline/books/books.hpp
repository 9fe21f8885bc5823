#pragma once
#include <functional>
#include <set>
#include <variant>

#include "books/call_book.hpp"
#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "books/voicemail_book.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"

namespace otto::lead_pipeline {

using Outgoing = std::variant<calls::v1::CallRecorded, calls::v1::CallFolded, calls::v1::LeadMoved, changes::v1::RowChanged>;

/// What one transaction makes of calls that are reported, or looked at anew: put into `calls`, settled, told. Which card a call's
/// caller has and which lead it is follow from the present rules, whatever former ones made of it; what hung on a card or lead
/// that a call leaves goes along. One thread.
class Books {
public:
    /// `grace`: how long what follows from a missed call waits for a report that says otherwise.
    Books(pg::Tx& tx, Millis grace) : calls(tx), contacts_(tx), leads_(tx), voicemails_(tx), grace_(grace) {}

    CallBook calls;
    void settle();
    /// What is to be told, and because of which event; null where a call was looked at.
    void tell(const std::function<void(const rt::Envelope*, const Outgoing&)>&) const;

private:
    void find_shared_cards();
    void settle_contacts();
    ContactRow& stay(HeldCall&, ContactRow& card);
    ContactRow& go(HeldCall&, const ContactRow* former, ContactRow& into);
    ContactRow& part(HeldCall&, const ContactRow* former);
    void settle_leads();
    void leave_former();

    ContactBook contacts_;
    LeadBook leads_;
    VoicemailBook voicemails_;
    Millis grace_;
};

}  // namespace otto::lead_pipeline
