#pragma once
#include <optional>
#include <string>

#include "pg/tx.hpp"
#include "rows/keys.hpp"

namespace otto::lead_pipeline {

/// Why a number is not texted, in words for people ("opted out at 2026-11-30T09:00:00Z"); nullopt: it may be. An automatic text
/// does not leave either while a person is to ask the customer first (task check_opt_out). With the number's card held
/// (ContactBook) the answer holds until the commit: whoever says STOP waits for that card.
std::optional<std::string> closed_to(pg::Tx&, const NumberKey&, bool automatic);

}  // namespace otto::lead_pipeline
