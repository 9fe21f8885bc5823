#include "numbers.hpp"

#include <algorithm>

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "base/json.hpp"
#include "base/phone.hpp"
#include "company-service/sql.hpp"
#include "directory.hpp"
#include "telemetry/log.hpp"
#include "words.hpp"

namespace otto::company_service {
namespace {

using api::Changeable;
using api::Inputs;
using Fields = std::vector<std::pair<std::string, std::string>>;

struct Id {
    std::string id;
    static Id from(const pg::Fields& f) { return {f.text("id")}; }
};
struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};

constexpr const char* kApiKeyCure =
    "If it is yours, set the CallRail API key and account id of your company (POST /api/v1/company/set-callrail-api-key/{id}, "
    "POST /api/v1/company/set-callrail-account-id/{id}), or its Twilio account (POST /api/v1/onboarding/twilio/connect): once "
    "the "
    "list of your account shows the number, it can be registered.";

std::string number_json(const api::Context& c, const pg::Fields& f) {
    JsonWriter w;
    resources::company_number_value(w, f, c.viewer(), api::Texts::whole);
    return w.take();
}

std::optional<std::string> purposes_json(const Inputs& in) {
    auto given = in.json("purposes");
    if (!given) return std::nullopt;
    auto parsed = JsonDocument::parse(*given);
    auto root = parsed->root();
    if (!root.is_array() || root.size() == 0) api::refuse_field("purposes", "takes an array of voice and text");
    for (std::size_t i = 0; i < root.size(); ++i)
        if (auto p = root.at(i).string(); p != "voice" && p != "text") api::refuse_field("purposes", "takes voice and text only");
    return root.dump();
}

[[noreturn]] void refuse_own(const std::vector<std::string>& fields, const std::string& id) {
    Fields named;
    for (const auto& field : fields) named.emplace_back(field, "is registered for your company already");
    api::refuse(409, "Number registered already",
                "This number is yours already" +
                    (id.empty() ? "" : ": it is the number " + id + ". Change it with PATCH /api/v1/numbers/" + id) + ".",
                std::move(named));
}

/// What stands against a claim, in words (number_obstacle() in the database, or its constraint on owners); what is none of it
/// goes on as it is.
void refuse_for(std::string_view obstacle, const std::vector<std::string>& fields) {
    if (obstacle == "own") refuse_own(fields, "");
    if (obstacle == "check")
        api::refuse_field("valid_to", "lies before the number is yours; give a valid_from before it, from when on it was free");
    const bool of_a_time = std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.starts_with("valid_"); });
    const char* other_time = of_a_time ? " Or give other times: it may be free before or after." : "";
    Fields named;
    for (const auto& field : fields) named.emplace_back(field, "belongs to another company");
    if (obstacle == "final")
        api::refuse(409, "Number taken",
                    "This number belongs to another company, as the provider itself says. Give another one; if it has become "
                    "yours, have it released there, or ask whoever runs this Otto." +
                        std::string(other_time),
                    std::move(named));
    if (obstacle == "proven")
        api::refuse(409, "Number taken",
                    std::string("Calls or texts of another company come in on this number. ") + kApiKeyCure + other_time,
                    std::move(named));
    if (obstacle == "claimed" || obstacle == "voice_owner" || obstacle == "text_owner")
        api::refuse(409, "Number taken",
                    std::string("Another company registered this number first. ") + kApiKeyCure +
                        " So it can once a webhook that your signing key proves has come for it." + other_time,
                    std::move(named));
}

/// What a change may make of a number.
struct Values {
    std::string purposes;
    std::optional<std::string> provider, provider_sid;
    bool is_active, voicemail_enabled;
    std::optional<Instant> valid_from, valid_to;
    static Values from(const pg::Fields& f) {
        return {f.text("purposes"),     f.maybe_text("provider"),       f.maybe_text("provider_sid"),
                f.boolean("is_active"), f.boolean("voicemail_enabled"), f.time("valid_from"),
                f.time("valid_to")};
    }
};

rt::Changes changes_of(const Values& was, const Values& is) {
    return rt::Changes()
        .add("purposes", was.purposes, is.purposes)
        .add("provider", was.provider, is.provider)
        .add("provider_sid", was.provider_sid, is.provider_sid)
        .add("is_active", was.is_active, is.is_active)
        .add("voicemail_enabled", was.voicemail_enabled, is.voicemail_enabled)
        .add("valid_from", was.valid_from, is.valid_from)
        .add("valid_to", was.valid_to, is.valid_to);
}

}  // namespace

Numbers::Numbers(const app::Settings& s, pg::Pool& pool, std::vector<const NumberList*> lists)
    : most_unproven_(s.get(kUnprovenNumbers)), pool_(pool), lists_(std::move(lists)) {}

void Numbers::consult(api::Context& c, const CompanyId& company, const std::vector<std::string>& numbers) const {
    bool contested = false;
    auto tx = pool_.begin(pg::Scope::company(company));
    for (const auto& number : numbers)
        if (!number.empty())
            tx.each(sql::number_obstacle, {company, number}, [&](const pg::Fields& f) {
                contested = contested || f.text("obstacle") == "claimed" || f.text("obstacle") == "proven";
            });
    tx.commit();
    if (!contested) return;
    for (const auto* list : lists_) list->consult(pool_, company, c.request.trace);
}

void Numbers::must_be_free(pg::Tx& tx, const std::string& company, const std::string& field, const std::string& number) {
    tx.each(sql::number_obstacle, {company, number}, [&](const pg::Fields& f) {
        if (auto obstacle = f.maybe_text("obstacle")) refuse_for(*obstacle, {field});
    });
}

void Numbers::registering(pg::Tx& tx, const CompanyId& company, const std::vector<std::string>& fields,
                          const std::function<void(pg::Tx&)>& write) const {
    try {
        write(tx);
        tx.flush();
    } catch (const pg::SqlFailure& e) {
        constexpr std::string_view prefix = "company_numbers_";
        if (e.constraint().starts_with(prefix)) refuse_for(std::string_view(e.constraint()).substr(prefix.size()), fields);
        throw;
    }
    // The rows of a company's directory are locked by now: no claim of the same company runs beside this one.
    if (fields.empty() || tx.one<Count>(sql::count_unproven, {company}).n <= most_unproven_) return;
    Fields named;
    for (const auto& field : fields) named.emplace_back(field, "is one unproven number too many");
    api::refuse(409, "Too many unproven numbers",
                "A company may have " + std::to_string(most_unproven_) +
                    " numbers that nothing has proven yet. A number is proven by a webhook that your signing key signed for it, "
                    "or all at once by the list of your "
                    "account: set CallRail's API key (POST /api/v1/company/set-callrail-api-key/{id}), or connect Twilio "
                    "(POST /api/v1/onboarding/twilio/connect). Or end some with DELETE "
                    "/api/v1/numbers/{id}.",
                std::move(named));
}

http::Response Numbers::add(api::Context& c) const {
    auto in = Inputs::of(c.request, {"e164", "phone_number", "purposes", "provider", "provider_sid", "is_active",
                                     "voicemail_enabled", "valid_from", "valid_to"});
    const std::string field = in.has("phone_number") ? "phone_number" : "e164";
    in.alias("phone_number", "e164");
    auto number = in.phone("e164");
    if (!number) api::refuse_field("e164", "is missing");
    auto purposes = purposes_json(in).value_or(R"(["voice","text"])");
    bool active = in.truth("is_active").value_or(true);
    auto from = in.time("valid_from"), to = in.time("valid_to");
    if (from && to && *to <= *from) api::refuse_field("valid_to", "must lie after valid_from");
    std::vector<std::string> claimed{field};
    if (from) claimed.emplace_back("valid_from");
    if (to) claimed.emplace_back("valid_to");
    pg::Params params{c.company(),
                      *number,
                      purposes,
                      in.one_of("provider", words::call_provider),
                      in.text("provider_sid", 100),
                      active,
                      in.truth("voicemail_enabled").value_or(true),
                      from,
                      to};
    if (active) consult(c, c.company(), {*number});
    if (active)
        if (auto own = c.tx().maybe<Id>(sql::own_number, {c.company(), *number, purposes, from, to}))
            refuse_own(claimed, own->id);
    std::string row;
    registering(c.tx(), c.company(), claimed,
                [&](pg::Tx& tx) { tx.each(sql::add_number, params, [&](const pg::Fields& f) { row = number_json(c, f); }); });
    must_fit_directory(c, c.company(), field);
    c.audit("number.add", *number);
    return c.ok(row, 201);
}

http::Response Numbers::change(api::Context& c) const {
    auto id = c.id("id", "number");
    auto in = Inputs::change(
        c.request, {.lasting = {"purposes", "provider", "is_active", "voicemail_enabled", "valid_from"},
                    .clearable = {"provider_sid", "valid_to"},
                    .besides = {},
                    .fixed = {{{"e164", "phone_number"},
                               "stays what it is; end this number with DELETE and add another with POST /api/v1/numbers"}}});
    auto from = in.time("valid_from"), to = in.time("valid_to");
    if (from && to && *to <= *from) api::refuse_field("valid_to", "must lie after valid_from");
    std::vector<std::string> claimed;
    for (auto field : {"valid_from", "valid_to"})
        if (in.has(field)) claimed.emplace_back(field);
    if (claimed.empty()) claimed.emplace_back("e164");
    pg::Params params{c.company(),
                      id,
                      purposes_json(in),
                      in.one_of("provider", words::call_provider),
                      in.text("provider_sid", 100),
                      in.clears("provider_sid"),
                      in.truth("is_active"),
                      in.truth("voicemail_enabled"),
                      from,
                      to,
                      in.clears("valid_to")};
    const auto former = c.tx().maybe<Values>(sql::number_values, {c.company(), id});
    std::string row;
    registering(c.tx(), c.company(), claimed,
                [&](pg::Tx& tx) { tx.each(sql::change_number, params, [&](const pg::Fields& f) { row = number_json(c, f); }); });
    if (row.empty()) api::not_found("number");
    c.audit("number.change", id.to_string(), in.changed(),
            changes_of(*former, c.tx().one<Values>(sql::number_values, {c.company(), id})));
    return c.ok(row);
}

http::Response Numbers::end(api::Context& c) const {
    auto id = c.id("id", "number");
    Inputs::of(c.request, {});
    std::string row;
    c.tx().each(sql::end_number, {c.company(), id}, [&](const pg::Fields& f) { row = number_json(c, f); });
    if (row.empty()) api::not_found("number");
    c.audit("number.end", id.to_string());
    return c.ok(row);
}

rt::Outcome Numbers::note_proof(rt::Intent<changes::v1::NumberProven> call, rt::Out<>&) const {
    call.then([event = call.event](pg::Tx& tx) {
        const char* standing = event.final_proof() ? "final" : "proven";
        auto number = normalize_phone(event.e164()).text;  // a former version may have read it otherwise
        if (tx.write_counted(sql::raise_number, {event.company_id(), number, standing}) > 0)
            tel::info("a number is proven",
                      {{"company_id", event.company_id()}, tel::phone("number", number), {"standing", standing}});
    });
    return rt::Outcome::done();
}

}  // namespace otto::company_service
