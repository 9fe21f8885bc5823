#pragma once
#include <optional>
#include <string>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/contact.hpp"

namespace otto::lead_pipeline {

/// A contact card as it stands in its row.
struct ContactRow {
    CompanyId company;
    ContactId id;
    std::optional<std::string> phone;  ///< none: a caller without a callable number
    Contact contact;
    std::optional<Instant> made_at;  ///< of a new one: long ago, where it parts from an old one

    ContactKey key() const { return {company, id}; }
};

/// Cards of callable numbers, where there are none yet.
extern const pg::Write<ContactRow> ensure_cards;
/// A call's own cards, for want of a number.
extern const pg::Write<ContactRow> ensure_own_cards;
extern const pg::Select<ContactRow> lock_cards_of_numbers;
extern const pg::Select<ContactRow> lock_cards;
/// What is known of the people behind them.
extern const pg::Write<ContactRow> name_cards;

}  // namespace otto::lead_pipeline
