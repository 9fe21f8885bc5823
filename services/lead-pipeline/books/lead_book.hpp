#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "pg/tx.hpp"
#include "rows/lead_row.hpp"
#include "rows/task_row.hpp"

namespace otto::lead_pipeline {

/// The leads of one transaction, with what their calls' analyses say: read, settled by the rules of lead.hpp, written back. Their
/// contacts must be held before (ContactBook), so that nobody else works on them. One thread.
class LeadBook {
public:
    explicit LeadBook(pg::Tx& tx) : tx_(tx) {}

    /// One lead for a person's command, its contact held first; nullopt: there is none. What the command makes of it is written
    /// with the statements of LeadRow.
    std::optional<LeadRow> hold(const LeadKey&);
    /// Of these leads the open ones that are still this person's are nobody's from now on; which they are.
    std::set<LeadKey> release(const std::set<LeadKey>&, const std::string& rep);

    /// The open leads of these contacts, and these leads: for what calls are to say of them.
    void find(const std::set<ContactKey>& contacts, const std::set<LeadKey>& leads);
    /// The contact's open lead, a new one of that id if it has none.
    LeadKey open_lead(const ContactKey&, const LeadId& if_new, std::optional<Instant> made_at);
    /// What a call says of its lead: where it comes from, and when somebody last spoke to the customer.
    void touch(const LeadKey&, const std::optional<std::string>& source, Instant started_at, const std::string& provider_call_id);

    /// All leads of these contacts with their calls' verdicts, locked: for what analyses say of them. Whatever was found before
    /// must be saved: the book begins anew.
    void load(const std::set<ContactKey>& contacts);
    /// One call's analysis; the lead is the call's. An older analysis than is there changes nothing.
    void take(const LeadKey&, const Verdict&);
    /// A lead whose verdicts came to it from elsewhere is settled anew, or one that lost a verdict to another.
    enum class Lost { nothing, a_verdict };
    void review(const LeadKey&, Lost = Lost::nothing);

    /// A call's lead goes with it to another contact, with its tasks, unless other calls hang on it: where that contact has no
    /// open lead, or a person has closed this one. `always`: in any case. False: it stays.
    enum class Adopt { if_free, always };
    bool adopt(const LeadKey&, const ContactId& into, const CallId&, Adopt);
    /// What hung on a lead because of a call that has another one now goes along: tasks, the verdict; the lead itself, if no call
    /// is left.
    struct Left {
        std::vector<ChangedTask> tasks;
        bool verdict = false, whole = false;
        std::optional<ContactKey> contact;  ///< of a lead that stays and has forgotten the call
    };
    Left leave(const LeadKey&, const LeadId& into, const CallId&, const ContactId& contact_of_into);

    /// Writes what is new or changed.
    void save();
    /// Leads whose rows did, with all that was saved.
    const std::set<LeadKey>& changed() const { return changed_; }

    /// nullptr: it is none of these.
    const LeadRow* at(const LeadKey&) const;

private:
    struct Entry {
        LeadRow row;
        std::vector<Verdict> verdicts;
        bool is_new = false, touched = false, settled = false;
    };
    Entry* with_verdict_of(const CompanyId&, std::int64_t call);
    void settle(const LeadKey&, Entry&, const std::optional<std::string>& before);

    pg::Tx& tx_;
    std::map<LeadKey, Entry> leads_;
    std::map<ContactKey, LeadKey> open_;
    std::set<std::pair<CompanyId, std::int64_t>> said_;  ///< calls whose verdicts are to be written
    std::set<LeadKey> changed_;
};

}  // namespace otto::lead_pipeline
