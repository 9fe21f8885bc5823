#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "pg/tx.hpp"
#include "rows/contact_row.hpp"

namespace otto::lead_pipeline {

/// The cards of one transaction. They are held, that is locked, before anything of theirs is read or written: whoever works on
/// the same customer waits here, and nowhere else. The locks are taken in one order, cards of numbers first, then those that
/// callers without a number have. One thread.
class ContactBook {
public:
    explicit ContactBook(pg::Tx& tx) : tx_(tx) {}

    /// The cards of these callable numbers; where there is none, one is made.
    void hold(const std::set<NumberKey>&);
    /// Cards by their ids; what is held already is not asked for again.
    void hold(const std::set<ContactKey>&);

    /// nullptr: it is not held.
    ContactRow* find(const ContactKey&);
    ContactRow* of_number(const NumberKey&);
    /// A new card for one who has no number; `whose` names the call, so that a batch that runs again makes the same one. It
    /// stands in the database after add_new().
    ContactRow& make(const CompanyId&, const std::string& whose, std::optional<Instant> made_at);

    /// What is known of the person was changed and is to be written.
    void changed(const ContactRow& card) { changed_.insert(card.key()); }

    void add_new();
    void save();
    /// A card that stood for a caller without a number goes into another one, once nothing hangs on it.
    void fold(const ContactKey& from, const ContactId& into);

private:
    pg::Tx& tx_;
    std::map<ContactKey, ContactRow> cards_;
    std::map<NumberKey, ContactKey> of_numbers_;
    std::set<ContactKey> new_, changed_;
};

}  // namespace otto::lead_pipeline
