#include "commands.hpp"

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "appointment-service/sql.hpp"
#include "appointment.hpp"
#include "moves.hpp"
#include "words.hpp"

namespace otto::appointment_service {
namespace {

using api::Inputs;

struct LeadRow {
    Uuid contact;
    static LeadRow from(const pg::Fields& f) { return {f.uuid("contact_card_id")}; }
};

struct Row {
    std::optional<Instant> start, end;
    std::string status, outcome;
    std::optional<std::string> rep;
    static Row from(const pg::Fields& f) {
        return {f.time("scheduled_start"), f.time("scheduled_end"), f.text("status"), f.text("outcome"),
                f.maybe_text("assigned_rep_id")};
    }
};
struct Taken {
    Uuid id;
    Instant start;
    static Taken from(const pg::Fields& f) { return {f.uuid("id"), *f.time("scheduled_start")}; }
};

std::optional<std::string> status_of(const Inputs& in) { return in.one_of("status", words::appointment_status); }
std::optional<std::string> outcome_of(const Inputs& in) { return in.one_of("outcome", words::appointment_outcome); }
std::optional<std::string> type_of(const Inputs& in) { return in.one_of("appointment_type", words::appointment_type); }
void check_order(Instant start, Instant end) {
    if (end <= start) api::refuse_field("scheduled_end", "must be after scheduled_start");
    if (end - start > std::chrono::hours(24)) api::refuse_field("scheduled_end", "must be within a day of scheduled_start");
}

bool holds_a_slot(std::string_view status) { return status == "scheduled" || status == "confirmed"; }

}  // namespace

/// 409 on `scheduled_start` if the rep has another appointment then, unless the caller allows it.
void Commands::refuse_conflict(api::Context& c, const Slot& slot) {
    c.tx().each(sql::lock_rep, {c.company(), slot.rep}, [](const pg::Fields&) {});
    auto taken = c.tx().maybe<Taken>(sql::conflict, {c.company(), slot.rep, slot.appointment, slot.start, slot.end});
    if (!taken) return;
    api::refuse(409, "Time taken",
                "The rep has another appointment at that time (" + taken->id.to_string() + ", " + to_rfc3339(taken->start) +
                    "). Choose another time or rep, or send allow_conflict: true.",
                {{"scheduled_start", "overlaps appointment " + taken->id.to_string()}});
}

http::Response Commands::create(api::Context& c) const {
    auto in =
        Inputs::of(c.request, {"lead_id", "scheduled_start", "scheduled_end", "status", "assigned_rep_id", "location_address",
                               "location", "service_type", "appointment_type", "notes", "deal_size_cents", "allow_conflict"});
    in.alias("location", "location_address");  // the seed's word
    auto lead_id = in.uuid("lead_id");
    if (!lead_id) api::refuse_field("lead_id", "is missing");
    auto start = in.time("scheduled_start");
    if (!start) api::refuse_field("scheduled_start", "is missing; write it as 2026-03-01T10:00:00-07:00");
    auto rep = in.text("assigned_rep_id", 200);
    auto status = in.one_of("status", words::new_appointment_status).value_or("scheduled");
    auto type = type_of(in);
    auto service = in.text("service_type", 200), location = in.text("location_address", 500), notes = in.text("notes", 4'000);
    auto deal = in.integer("deal_size_cents", 0, 100'000'000'000);
    bool allowed = in.truth("allow_conflict").value_or(false);
    auto company = companies_.find(c.company());
    auto end =
        in.time("scheduled_end").value_or(*start + std::chrono::minutes(minutes_of(company ? company->workflow_config : "")));
    check_order(*start, end);
    hold_lead(c.tx(), c.company().value(), *lead_id);
    auto lead = c.tx().maybe<LeadRow>(sql::lead, {c.company(), *lead_id});
    if (!lead) api::refuse_field("lead_id", "is no lead of this company");
    if (rep) c.must_be_member("assigned_rep_id", *rep);
    auto id = Uuid::v7(c.request.received_at);
    if (rep && !allowed) refuse_conflict(c, {*rep, id, *start, end});
    c.tx().write(sql::create, {c.company(), id, *lead_id, lead->contact, *start, end, status, location, service, type, rep, notes,
                               deal, c.who.user});
    return c.changed({"appointment", id.to_string(), "appointment.create"}, sql::shown, resources::appointment_value, 201,
                     {c.viewer().own()});
}

http::Response Commands::change(api::Context& c) const {
    auto id = c.id("appointment_id", "appointment");
    auto in = Inputs::change(
        c.request,
        {.lasting = {"scheduled_end", "status", "outcome", "appointment_type"},
         .clearable = {"scheduled_start", "assigned_rep_id", "location_address", "location", "service_type", "notes",
                       "deal_size_cents"},
         .besides = {"allow_conflict"},
         .fixed = {{{"lead_id", "contact_card_id", "call_id"}, "stays what it is; cancel this appointment and make another"}}});
    auto only = c.viewer().only();
    if (only)
        for (const auto& field : in.changed())
            if (field != "outcome" && field != "notes" && field != "deal_size_cents")
                api::refuse(403, "Not yours to change",
                            "A sales rep sets the outcome, deal_size_cents and notes of own appointments; ask a CSR or a manager "
                            "for the rest.",
                            {{field, "cannot be changed by a sales rep"}});
    in.alias("location", "location_address");

    auto row = c.tx().maybe<Row>(sql::locked, {c.company(), id});
    if (!row || (only && row->rep != only)) api::not_found("appointment");
    auto start = row->start, end = row->end;
    if (in.clears("scheduled_start")) {
        start = end = std::nullopt;
    } else if (auto given = in.time("scheduled_start")) {
        auto company = companies_.find(c.company());
        auto lasts = row->start && row->end ? *row->end - *row->start
                                            : std::chrono::minutes(minutes_of(company ? company->workflow_config : ""));
        start = given;
        end = *given + lasts;
    }
    if (auto given = in.time("scheduled_end")) {
        if (!start) api::refuse_field("scheduled_end", "needs scheduled_start");
        end = given;
    }
    if (start && end) check_order(*start, *end);
    auto rep = in.change("assigned_rep_id", in.text("assigned_rep_id", 200)).after(row->rep);
    if (rep && rep != row->rep) c.must_be_member("assigned_rep_id", *rep);
    auto status = status_of(in).value_or(row->status);
    auto outcome = outcome_of(in).value_or(row->outcome);
    // A visit that was won, lost or missed is over; an explicit status beats that.
    if (in.has("outcome") && !in.has("status")) {
        if (outcome == "won" || outcome == "lost") status = "completed";
        if (outcome == "no_show") status = "no_show";
    }
    bool moved =
        start != row->start || end != row->end || rep != row->rep || (holds_a_slot(status) && !holds_a_slot(row->status));
    if (moved && rep && start && holds_a_slot(status) && !in.truth("allow_conflict").value_or(false))
        refuse_conflict(c, {*rep, id, *start, *end});
    c.tx().write(sql::change, {c.company(), id, start, end, status, outcome, rep, c.who.user, pg::Param::array(in.changed()),
                               in.text("location_address", 500), in.text("service_type", 200), type_of(in),
                               in.text("notes", 4'000), in.integer("deal_size_cents", 0, 100'000'000'000)});
    rt::Changes changes;
    changes.add("status", row->status, status)
        .add("outcome", row->outcome, outcome)
        .add("assigned_rep_id", row->rep, rep)
        .add("scheduled_start", row->start, start)
        .add("scheduled_end", row->end, end);
    return c.changed({"appointment", id.to_string(), "appointment.change", in.changed(), std::move(changes)}, sql::shown,
                     resources::appointment_value, 200, {c.viewer().own()});
}

}  // namespace otto::appointment_service
