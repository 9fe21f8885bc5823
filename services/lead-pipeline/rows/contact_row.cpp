#include "rows/contact_row.hpp"

#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

ContactRow ContactRow::from(const pg::Fields& f) {
    ContactRow r{f.text("company_id"), f.uuid("id"), f.maybe_text("primary_phone"), {}};
    r.contact = {f.maybe_text("first_name"), f.maybe_text("last_name"), f.maybe_text("address"), f.maybe_text("city"), f.maybe_text("state"), Origins::parse(f.text("merge_state"))};
    return r;
}

void save_cards(pg::Tx& tx, const std::vector<const ContactRow*>& cards) {
    if (cards.empty()) return;
    pg::Columns rows(8);
    for (const auto* card : cards) {
        const auto& c = card->contact;
        rows.row({card->company, card->id, c.first_name, c.last_name, c.address, c.city, c.state, c.origins.text()});
    }
    tx.write(sql::name_contacts, rows.params());
}

}  // namespace otto::lead_pipeline
