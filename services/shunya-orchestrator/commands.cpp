#include "commands.hpp"

#include "api/analysis.hpp"
#include "api/inputs.hpp"
#include "base/json.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "events/changes.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "words.hpp"

namespace otto::shunya_orchestrator {
namespace {

const tel::Counters kCorrections{
    "otto_corrections_total", "What people said otherwise than Shunya, by field of the analysis.", {"field"}};

/// A time as people and Shunya write it: RFC 3339, or without a zone, which is then the company's.
std::optional<std::string> appointment_date(const api::Inputs& in, Instant received) {
    auto text = in.text("appointment_date", 40);
    if (!text) return std::nullopt;
    auto said = parse_spoken_time(*text);
    if (!said || said->by_name || (!said->moment && said->clock.empty()))
        api::refuse_field("appointment_date", "takes a time, as 2026-11-21T14:00:00 (the company's) or with an offset");
    if (!credible(parse_time(*text), received))
        api::refuse_field("appointment_date", "lies before 2000 or more than ten years ahead");
    return text;
}

Corrections corrections_in(const http::Request& request) {
    auto in = api::Inputs::change(request, {.clearable = {"booking_status", "lead_quality", "call_outcome_category", "summary",
                                                          "appointment_date", "service_type", "address"}});
    Corrections out;
    auto give = [&](std::string_view field, std::optional<std::string> value) {
        if (in.has(field)) out.emplace(field, std::move(value));
    };
    give("booking_status", in.one_of("booking_status", words::booking_status));
    give("lead_quality", in.one_of("lead_quality", words::lead_quality));
    give("call_outcome_category", in.one_of("call_outcome_category", words::call_outcome));
    give("summary", in.text("summary", 10'000));
    give("appointment_date", appointment_date(in, request.received_at));
    give("service_type", in.text("service_type", 500));
    give("address", in.text("address", 500));
    return out;
}

struct Stored {
    std::string raw, provider;
    Instant received_at;
    static Stored from(const pg::Fields& f) { return {f.text("raw"), f.text("provider"), *f.time("received_at")}; }
};

}  // namespace

http::Response Commands::correct(api::Context& c) const {
    auto id = c.call_id();
    auto given = corrections_in(c.request);
    auto& tx = c.tx();
    auto call = Call::lock(tx, c.company(), id);
    if (!call) api::not_found("call with a recording");
    auto stored = tx.maybe<Stored>(sql::analysis_of, {c.company(), id});
    Corrections all;
    tx.each(sql::corrections_of, {c.company(), id}, [&](const pg::Fields& f) { all[f.text("field")] = f.maybe_text("value"); });

    // The machine's own values stand in `raw`; where it has said nothing yet, the person's word is all there is.
    auto raw = stored ? stored->raw : std::string("{}");
    auto parsed = JsonDocument::parse(raw);
    auto machine = parsed ? read_analysis(parsed->root()) : Analysis{};
    auto former = corrected(machine, all);
    std::vector<std::string> fields;
    rt::Changes changes;
    for (const auto& [field, value] : given) {
        if (field != "summary" && field != "address") changes.add(field, value_of(former, field), value);
        tx.write(sql::add_correction, {c.company(), id, field, value, value_of(former, field), c.who.user});
        tx.on_commit([field = field] { kCorrections({field}).inc(); });
        all[field] = value;
        fields.push_back(field);
    }
    c.audit("analysis.correct", std::to_string(id.value()), fields, std::move(changes));
    std::vector<Outgoing> events;
    call->publish_analysis(tx, machine, raw, stored ? stored->provider : "person", stored ? stored->received_at : call->now, all,
                           events);
    for (const auto& event : events) std::visit([&](const auto& m) { emitter_.emit(tx, m, c.request.trace); }, event);
    tel::info("an analysis was corrected", {{"company_id", c.company().value()},
                                            {"call_id", id.value()},
                                            {"user_id", c.who.user.value()},
                                            {"fields", given.size()}});
    JsonWriter w;  // as GET of the same path has it, without Shunya's whole answer
    resources::write_analysis(w, tx, c.company(), id);
    return c.ok(w.take());
}

http::Response Commands::retry(api::Context& c) const {
    struct Standing {
        std::string state, why;
        std::optional<std::string> cure;
        std::optional<Instant> since;
        static Standing from(const pg::Fields& f) {
            return {f.text("state"), f.text("why"), f.maybe_text("cure"), f.time("since")};
        }
    };
    struct Began {
        std::string what;
        static Began from(const pg::Fields& f) { return {f.text("began")}; }
    };
    auto id = c.call_id();
    api::Inputs::of(c.request, {});
    auto& tx = c.tx();
    if (auto call = Call::lock(tx, c.company(), id)) id = call->id;
    auto state = tx.maybe<Standing>(sql::state_of, {c.company(), id});
    if (!state) api::not_found("call");
    auto began = tx.one<Began>(sql::retry_call, {c.company(), id}).what;
    if (began.empty())
        api::refuse(409, "Nothing failed",
                    "Call " + std::to_string(id.value()) + " is " + state->state + ": " + state->why +
                        " Only a recording that cannot be had, and a transcription or analysis that failed, is tried again.");
    state = tx.one<Standing>(sql::state_of, {c.company(), id});
    JsonWriter detail;
    detail.begin_object().member("began", began);
    c.audit("analysis.retry", std::to_string(id.value()), std::move(detail));
    emitter_.emit(tx, events::row_changed(c.company(), "analysis", std::to_string(id.value()), 0), c.request.trace);
    tel::info("a call is tried again",
              {{"company_id", c.company().value()}, {"call_id", id.value()}, {"user_id", c.who.user.value()}, {"began", began}});
    JsonWriter w;
    w.begin_object()
        .member("call_id", id.value())
        .member("began", began)
        .key("analysis_state")
        .begin_object()
        .member("state", state->state);
    w.member("since", state->since ? std::optional(to_rfc3339(*state->since)) : std::nullopt)
        .member("why", state->why)
        .member("cure", state->cure)
        .end_object()
        .end_object();
    return c.ok(w.take(), 202);
}

}  // namespace otto::shunya_orchestrator
