#pragma once
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "books/opt_out_book.hpp"
#include "books/send_book.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "rows/message_row.hpp"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// A text that is to leave, as it is accepted.
struct OwnText {
    CompanyId company;
    std::string to, from;  ///< callable numbers
    std::string body;
    std::optional<std::string> by = {};  ///< who wrote it; none: Otto
    Uuid id;                             ///< whoever writes again under this id writes nothing
    bool automatic = false;
    std::optional<std::string> reason = {};  ///< of an automatic one: why
    std::optional<Instant> not_before = {};
};

/// The texts of one transaction: reports are put together by text, the customers' cards are held, rows locked in sorted order,
/// what the reports say is merged, each text gets its card and lead, what it asks for is entered, and all is written, set by set.
/// A text whose number is known by now goes from the card that it had for want of one to that number's. A text of ours is
/// written, said of and reported in the same way: there is no other door to a status. One thread.
class MessageBook {
public:
    using In = rt::In<routed::v1::MessageReported>;
    using Outgoing = std::variant<calls::v1::LeadMoved, changes::v1::RowChanged>;

    explicit MessageBook(pg::Tx& tx) : tx_(tx), contacts_(tx), leads_(tx), opt_outs_(tx), sends_(tx) {}

    void add(const In&);
    /// What the provider said to us, not to its webhook: an answer, its list. Ours is found as in a webhook, by our_message_id.
    void hear(const CompanyId&, const std::string& provider, inbound::v1::MessageReport, Instant received);
    /// A text that is to leave: on the customer's card, and in its line.
    void write(const OwnText&);
    /// What we ourselves say of a text of ours. Nothing, if there is none of that id.
    void say(const MessageKey&, const OwnWord&);
    /// A text that no report is about.
    void look_at(const MessageKey&);
    void settle();

    /// A report that speaks of a text of ours and cannot be about it; it is applied to nothing.
    struct Refused {
        const rt::Envelope* which;  ///< null: it was heard
        std::string why;
    };
    const std::vector<Refused>& refused() const { return refused_; }
    /// As it stands by now; nullptr: none of these.
    const MessageRow* at(const MessageKey&) const;
    /// What is to be told, and because of which event; null where there is none.
    void tell(const std::function<void(const rt::Envelope*, const Outgoing&)>&) const;

private:
    struct Report {
        const inbound::v1::MessageReport* message;
        Instant received;
        std::string id;            ///< of its event
        const rt::Envelope* meta;  ///< null: it was heard
        bool by_deployment = false;
    };
    struct Held {
        std::vector<Report> reports;
        std::optional<OwnText> own;
        std::vector<std::pair<OwnWord, Instant>> words;
        MessageRow row;
        bool is_new = true;
        bool written = false;  ///< a report says what was written
        bool taken = false;    ///< a text of ours that the provider has told its id of
        bool media_wanted = false, changed = false;
        std::optional<ContactId> left_contact;
        std::optional<LeadId> left_lead, moved_lead;  ///< the lead that it had; the one that came along, or went into its own
        std::vector<ChangedTask> tasks;

        bool looked_at() const { return reports.empty() && !own; }
        const rt::Envelope* cause() const { return reports.empty() ? nullptr : reports.back().meta; }
        /// The customer was written to, or has written, as far as is known by this.
        bool touches() const;
    };
    void add(const CompanyId&, const std::string& provider, Report);
    Held& held(const MessageKey&);

    // Whose report is whose (message_found.cpp).
    void hold_cards();
    void load();
    void take(std::vector<MessageRow>);
    void resolve();
    std::string misclaim(const Report&, const ProviderKey&, const MessageKey& claimed) const;
    std::optional<MessageKey> claim(std::vector<Report>&, const ProviderKey&);
    std::map<ProviderKey, MessageKey> in_doubt();
    void give(const ProviderKey&, const MessageKey&, std::vector<Report>);
    void fold(const MessageKey& from, const MessageKey& into);

    void merge(Held&);
    void settle_contacts();
    void go(Held&, const ContactRow& into);
    void settle_leads();
    void bring_leads();
    void save();
    void settle_lines();
    void leave_former();
    void take_opt_outs();

    pg::Tx& tx_;
    ContactBook contacts_;
    LeadBook leads_;
    OptOutBook opt_outs_;
    SendBook sends_;
    std::deque<inbound::v1::MessageReport> heard_;
    std::map<ProviderKey, std::vector<Report>> told_;
    std::map<MessageKey, Held> messages_;
    std::map<ProviderKey, MessageKey> known_;                         ///< which of them the provider knows so
    std::vector<std::pair<MessageKey, const rt::Envelope*>> folded_;  ///< rows that are gone
    std::vector<Refused> refused_;
};

}  // namespace otto::lead_pipeline
