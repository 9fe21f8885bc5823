#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "otto/routed/v1/routed.pb.h"
#include "pg/tx.hpp"
#include "rows/call_row.hpp"
#include "rows/task_row.hpp"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// One call of a transaction: what is said of it, its row, and what its row's change leaves behind.
struct HeldCall {
    using In = rt::In<routed::v1::CallReported>;
    std::vector<const In*> reports;  ///< none: no report is about it, its row is looked at anew
    std::set<Alias> aliases;         ///< its ids with the provider
    std::set<std::string> names;     ///< those of its ids that it may be known by: not a dialled leg's
    std::set<Alias> recorded;        ///< of them those that lead to a row already
    std::set<CallId> known;          ///< rows that it has already; more than one: they are one call
    std::set<std::string> numbers;   ///< callable ones of its reports, or of its row
    CallRow row;

    /// Of a card without a number that several calls share the oldest keeps it; each other gets one of its own, and either takes
    /// the lead along that is its own or leaves it.
    enum class Share { alone, keeps_card, parts, parts_with_lead };
    Share share = Share::alone;

    std::vector<CallId> folded;  ///< rows that went into this one
    std::set<ContactId> left_contacts;
    std::set<LeadId> left_leads;
    /// What hung on a lead is another's now; or the lead, whole, has another contact.
    struct Move {
        LeadId from, into;
        bool whole;  ///< else only what came of the call
    };
    std::vector<Move> moves;
    std::vector<ChangedTask> tasks;
    bool contact_changed = false;  ///< what people see of the card
    bool verdict_dropped = false;

    bool looked_at() const { return reports.empty(); }
    bool parts() const { return share == Share::parts || share == Share::parts_with_lead; }
    /// All that it is known under, its own id first.
    std::vector<std::int64_t> ids() const;
};

/// The calls of one transaction: reports are put together by call, rows are found, locked in sorted order and folded where two
/// prove to be one call, what the reports say is merged, and written. A batch that meets another at work throws 40001 and runs
/// again. One thread.
class CallBook {
public:
    explicit CallBook(pg::Tx& tx) : tx_(tx) {}

    void add(const HeldCall::In&);
    /// A call that no report is about.
    void look_at(const CallKey&);

    /// Which rows the reports are about; new ones get an id.
    void find();
    /// The callers' numbers, whose cards must be held before load().
    std::set<NumberKey> numbers() const;
    void load();
    /// The cards that the rows have, whose cards must be held before fold().
    std::set<ContactKey> contacts() const;
    void fold();
    /// Which calls hang on a card, for want of a number: counted, the oldest of all and of each lead.
    struct Sharing {
        std::int64_t calls = 0;
        CallId oldest;
        LeadId lead_of_oldest;
        std::map<LeadId, CallId> oldest_of_lead;
    };
    std::map<ContactKey, Sharing> sharings(const std::set<ContactKey>&);
    void merge();
    /// `grace`: how long what follows from a missed call waits for a report that says otherwise.
    void save(Millis grace);

    auto begin() { return calls_.begin(); }
    auto end() { return calls_.end(); }
    auto begin() const { return calls_.begin(); }
    auto end() const { return calls_.end(); }
    /// Those that part from a shared card come before the one that keeps it: who leaves takes its name along before the card
    /// forgets it.
    void let_those_who_part_go_first();

private:
    void join(HeldCall& into, HeldCall* other);
    void join_by_rows();
    void number_new();
    void find_numbers();
    void fold(HeldCall&, const CallRow& other);
    void watch_missed(Millis grace);

    pg::Tx& tx_;
    std::list<HeldCall> calls_;
    std::map<Alias, HeldCall*> by_alias_;
    std::vector<std::pair<HeldCall*, CallRow>> twins_;  ///< younger rows of a call that has an older one
};

}  // namespace otto::lead_pipeline
