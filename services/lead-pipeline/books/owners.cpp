#include "books/owners.hpp"

#include <map>

#include "base/text.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

void find_owners(pg::Tx& tx, std::span<const NamedAgent> agents) {
    std::map<std::pair<std::string, std::string>, std::string> users;
    for (const auto& a : agents) users.emplace(std::pair{a.company, lower(a.email)}, "");
    if (users.empty()) return;
    pg::Columns asked(2);
    for (const auto& [key, id] : users) asked.row({key.first, key.second});
    tx.each(sql::users_of_emails, asked.params(), [&](const pg::Fields& f) { users[{f.text("company_id"), f.text("email")}] = f.text("id"); });
    for (const auto& a : agents)
        if (const auto& id = users.at({a.company, lower(a.email)}); !id.empty()) *a.owner_id = id;
}

}  // namespace otto::lead_pipeline
