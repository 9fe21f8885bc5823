#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "books/opt_out_book.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "rows/message_row.hpp"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// The texts of one transaction: reports are put together by text, the customers' cards are held, rows locked in sorted order,
/// what the reports say is merged, each text gets its card and lead, what it asks for is entered, and all is written, set by set.
/// A text whose number is known by now goes from the card that it had for want of one to that number's. One thread.
class MessageBook {
public:
    using In = rt::In<routed::v1::MessageReported>;
    using Outgoing = std::variant<calls::v1::LeadMoved, changes::v1::RowChanged>;

    explicit MessageBook(pg::Tx& tx) : tx_(tx), contacts_(tx), leads_(tx), opt_outs_(tx) {}

    void add(const In&);
    /// A text that no report is about.
    void look_at(const MessageKey&);
    void settle();
    /// What is to be told, and because of which event; null where a text was looked at.
    void tell(const std::function<void(const rt::Envelope*, const Outgoing&)>&) const;

private:
    struct Held {
        std::vector<const In*> reports;
        std::set<NumberKey> numbers;  ///< callable ones of its reports, or of its row
        MessageRow row;
        bool is_new = true;
        bool written = false;  ///< a report says what was written
        bool media_wanted = false, changed = false;
        std::optional<ContactId> left_contact;
        std::optional<LeadId> left_lead, moved_lead;  ///< the lead that it had; the one that came along, or went into its own
        std::vector<ChangedTask> tasks;
    };
    void hold_cards();
    void load();
    void merge(Held&);
    void settle_contacts();
    void go(Held&, const ContactRow& into);
    void settle_leads();
    void bring_leads();
    void write();
    void leave_former();
    void take_opt_outs();

    pg::Tx& tx_;
    ContactBook contacts_;
    LeadBook leads_;
    OptOutBook opt_outs_;
    std::map<MessageKey, Held> messages_;
};

}  // namespace otto::lead_pipeline
