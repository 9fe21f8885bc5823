#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/uuid.hpp"
#include "rules/lead.hpp"
#include "pg/tx.hpp"

namespace otto::lead_pipeline {

/// Company and id of a row.
using Key = std::pair<std::string, Uuid>;

/// The leads of some contacts with their calls' verdicts, within one transaction: read and locked together, settled by the rules of lead.hpp, written back. The
/// contacts must be locked before, so that nobody else works on their leads. One thread.
class LeadBook {
public:
    explicit LeadBook(pg::Tx& tx) : tx_(tx) {}

    /// Reads and locks all leads of these contacts.
    void load(const std::set<Key>& contacts);
    /// One call's analysis; `lead` is the call's. An older one than is there changes nothing.
    void take(const std::string& company, const Uuid& lead, const Verdict&);
    /// A lead whose verdicts came to it from elsewhere is looked at anew, or one that lost a verdict to another.
    enum class Lost { nothing, a_verdict };
    void review(const std::string& company, const Uuid& lead, Lost = Lost::nothing);
    /// Writes what changed; the leads whose rows did.
    std::set<Key> save();

    /// Whose lead it is, if it is one of these.
    std::optional<std::string> rep(const std::string& company, const Uuid& lead) const;
    /// The contact of one of these.
    Uuid contact(const std::string& company, const Uuid& lead) const { return leads_.at({company, lead}).contact; }

private:
    struct Entry {
        Uuid contact;
        std::string status;
        std::optional<std::string> rep;
        std::optional<Edit> edit;
        std::optional<Instant> last_qualified_at;
        std::vector<Verdict> verdicts;
        bool changed = false;
    };
    Entry* holder(const std::string& company, std::int64_t call);
    void settle(const Key&, Entry&, const std::optional<std::string>& before);

    pg::Tx& tx_;
    std::map<Key, Entry> leads_;
    std::set<std::pair<std::string, std::int64_t>> said_;   ///< calls whose verdicts are to be written
};

}  // namespace otto::lead_pipeline
