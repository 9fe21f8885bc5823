#include "sender/from.hpp"

#include <algorithm>

#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

std::vector<std::string> text_numbers(const std::vector<directory::Number>& all, Instant now) {
    std::vector<const directory::Number*> numbers;
    for (const auto& n : all)
        if (n.text && n.provider == "twilio" && n.covers(now)) numbers.push_back(&n);
    std::sort(numbers.begin(), numbers.end(), [](const auto* a, const auto* b) {
        return std::pair(a->from.value_or(Instant::min()), a->e164) < std::pair(b->from.value_or(Instant::min()), b->e164);
    });
    std::vector<std::string> out;
    for (const auto* n : numbers) out.push_back(n->e164);
    return out;
}

std::string usual_number(pg::Tx& tx, const CompanyId& company, const std::optional<ContactId>& contact,
                         const std::vector<std::string>& numbers) {
    if (contact)
        for (const auto& used : tx.values<std::optional<std::string>>(sql::numbers_of_thread, {company, *contact}))
            if (used && std::find(numbers.begin(), numbers.end(), *used) != numbers.end()) return *used;
    return numbers.empty() ? "" : numbers.front();
}

}  // namespace otto::lead_pipeline
