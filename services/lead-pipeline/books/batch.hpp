#pragma once
// What one transaction makes of reports of calls, or of calls that are looked at anew. Between the pure rules (call.hpp, contact.hpp, lead.hpp) and the rows; only the handlers of this service use it.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "rows/call_row.hpp"
#include "rows/contact_row.hpp"
#include "rules/lead.hpp"
#include "books/lead_book.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

using Outgoing = std::variant<calls::v1::CallRecorded, calls::v1::CallFolded, calls::v1::LeadMoved, changes::v1::RowChanged>;

/// One of a provider's ids of a call.
struct Alias {
    std::string company, provider, alias;
    auto operator<=>(const Alias&) const = default;
};

/// Reports, or calls, of one transaction: their cards exist and are locked first, in sorted order; then the calls, folded where two rows prove to be one; then who calls is settled, and which lead it is;
/// then all of it is written, and what hung on former cards and leads goes along. A batch that meets another at work throws 40001 and runs again. One thread.
class Batch {
public:
    using In = rt::In<routed::v1::CallReported>;

    Batch(pg::Tx& tx, Millis grace) : tx_(tx), grace_(grace) {}
    void add(const In&);
    /// A call of this company that no report is about: what follows from its row is settled by the present rules. Of calls without a number that share a card, the oldest keeps it.
    void look_at(const std::string& company, std::int64_t call);
    void run();
    /// What is to be told, and because of which event; null where calls were looked at.
    void tell(const std::function<void(const rt::Envelope*, const Outgoing&)>&) const;

private:
    struct LeadRow {
        std::string company;
        Uuid id, contact;
        std::string status = "new";
        Lead lead;
        bool fresh = false, changed = false;
        std::optional<Instant> made_at;   ///< of a fresh one: long ago, where it parts from an old one
        static LeadRow from(const pg::Fields&);
    };
    /// What hung on a lead is another's now; or the lead, whole, has another contact.
    struct Move {
        Uuid from, into;
        bool whole;                       ///< else only what came of the call
    };
    /// The reports of one batch that are about one call.
    struct Group {
        std::vector<const In*> reports;
        std::set<std::string> phones;     ///< callable ones that its reports name, or its row
        std::set<Alias> aliases;
        std::set<Alias> recorded;         ///< of the aliases, those that a row has already
        std::set<std::int64_t> known;     ///< rows that it has already; more than one: they are one call
        CallRow row;
        ContactRow* contact = nullptr;
        bool contact_changed = false, verdict_dropped = false;
        std::set<Uuid> left_contacts, left_leads;
        std::vector<std::int64_t> folded; ///< rows that went into this one
        std::vector<std::pair<Uuid, std::int64_t>> changed_tasks;  ///< because of that, with their versions
        std::vector<Move> moves;
        bool apart = false;               ///< of a card that it shared without a number: it gets one of its own
        bool keeps_card = false;          ///< of those that shared it, the one that stays
        bool takes_lead = false;          ///< apart, and the lead is its own
        bool looked_at() const { return reports.empty(); }
    };

    void join(Group& into, Group* other);
    void find_calls();
    void find_phones();
    void lock_contacts();
    void load_calls();
    void fold(Group&, const CallRow& other);
    void sort_out_shared_cards();
    void merge_reports();
    void settle_contacts();
    void leave_card(Group&, const ContactRow& former, ContactRow& into);
    ContactRow& own_card(Group&, pg::Columns& made);
    void settle_leads();
    void save();
    void watch_missed_calls();
    void leave_former();
    ContactRow* contact_of(const std::string& company, const std::string& phone) {
        auto found = by_phone_.find({company, phone});
        return found == by_phone_.end() ? nullptr : found->second;
    }

    pg::Tx& tx_;
    Millis grace_;
    std::vector<std::unique_ptr<Group>> groups_;
    std::map<Alias, Group*> by_alias_;
    std::map<Key, ContactRow> contacts_;
    std::map<std::pair<std::string, std::string>, ContactRow*> by_phone_;
    std::map<Key, LeadRow> leads_;
    std::set<Key> resettled_;   ///< leads whose status changed because a call came to them with its verdict, or left
};

}  // namespace otto::lead_pipeline
