#pragma once
#include <optional>
#include <span>
#include <string>

#include "pg/tx.hpp"

namespace otto::lead_pipeline {

/// A call whose agent the provider names by e-mail, and where the user's id goes.
struct NamedAgent {
    std::string company, email;
    std::optional<std::string>* owner_id;
};

/// Who took the calls: the user of that company with that e-mail. What is no user's stays as it was. One statement for all, none if nobody is named.
void find_owners(pg::Tx&, std::span<const NamedAgent>);

}  // namespace otto::lead_pipeline
