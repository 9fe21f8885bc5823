#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/uuid.hpp"
#include "rules/contact.hpp"
#include "pg/tx.hpp"

namespace otto::lead_pipeline {

/// A contact card as it stands in its row.
struct ContactRow {
    std::string company;
    Uuid id;
    std::optional<std::string> phone;
    Contact contact;
    static ContactRow from(const pg::Fields&);
};

/// Writes what is known of the people behind some cards.
void save_cards(pg::Tx&, const std::vector<const ContactRow*>&);

}  // namespace otto::lead_pipeline
