#include "commands/opt_outs.hpp"

#include <set>

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "rows/contact_row.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr std::size_t kLongestReason = 500;

struct Entry {
    std::string entered_as;  ///< "": no person has entered it
    bool revoked;
    static Entry from(const pg::Fields& f) { return {f.text("entered_as"), f.boolean("revoked")}; }
};

}  // namespace

http::Response OptOuts::enter(api::Context& c) const {
    auto in = api::Inputs::of(c.request, {"phone", "reason"});
    in.required("phone", 100);
    auto phone = *in.phone("phone");
    auto reason = in.required("reason", kLongestReason);
    auto id = Uuid::v7(c.request.received_at);
    // Who is about to ask the provider for a text to this number holds its card; where there is none, no text is under way.
    lock_cards_of_numbers.queue(c.tx(), std::set{NumberKey{c.company(), phone}});
    if (c.tx().write_counted(sql::enter_opt_out, {c.company(), id, phone, c.who.user, identity::to_text(*c.who.role), reason}) ==
        0)
        api::refuse(409, "Opted out already", "Somebody has entered this number already, and nobody has taken it back.",
                    {{"phone", "is entered already; GET /api/v1/opt-outs?phone= shows the entry"}});
    return c.changed({"opt_out", id.to_string(), "opt_out.enter", {"phone", "reason"}}, sql::opt_out, resources::opt_out_value,
                     201);
}

http::Response OptOuts::take_back(api::Context& c) const {
    auto id = c.id("opt_out_id", "opt-out");
    auto in = api::Inputs::of(c.request, {"reason"});
    auto reason = in.required("reason", kLongestReason);
    auto entry = c.tx().maybe<Entry>(sql::lock_opt_out, {c.company(), id});
    if (!entry) api::not_found("opt-out");
    if (c.who.role == identity::Role::csr && entry->entered_as != identity::to_text(identity::Role::csr))
        api::refuse(403, "Not yours to take back",
                    "No csr has entered it; a manager may take it back, or the customer does by texting START.");
    if (entry->revoked) return c.row(id.to_string(), sql::opt_out, resources::opt_out_value);
    c.tx().write(sql::take_opt_out_back, {c.company(), id, c.who.user});
    // Why is on record where nothing is ever changed: the row itself takes no more than that it was taken back.
    JsonWriter detail;
    detail.begin_object().member("reason", reason);
    c.audit("opt_out.take_back", id.to_string(), std::move(detail));
    rt::Emitter<changes::v1::RowChanged>("lead-pipeline")
        .emit(c.tx(), events::row_changed(c.company(), "opt_out", id.to_string(), 0), c.request.trace);
    return c.row(id.to_string(), sql::opt_out, resources::opt_out_value);
}

}  // namespace otto::lead_pipeline
