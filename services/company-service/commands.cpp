#include "commands.hpp"

#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "identity/inputs.hpp"
#include "openapi.hpp"
#include "pg/json.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using identity::Inputs;

struct Name {
    std::string name;
    static Name from(const pg::Fields& f) { return {f.text("name")}; }
};

struct Keys {
    std::optional<std::string> signing_key, api_key, account_id;
    bool is_explicit;
    static Keys from(const pg::Fields& f) { return {f.maybe_text("callrail_signing_key"), f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"), f.boolean("callrail_signing_key_explicit")}; }
};

/// Runs what may violate the numbers' constraints; says which field is taken, never by whom.
template <class F>
void guarding_numbers(std::vector<std::string> fields, F&& f) {
    try {
        f();
    } catch (const pg::SqlFailure& e) {
        if (!e.constraint().starts_with("company_numbers_")) throw;
        std::vector<std::pair<std::string, std::string>> named;
        for (auto& field : fields) named.emplace_back(std::move(field), "belongs to another company");
        identity::refuse(409, "Number taken", "This number belongs to another company. Give another one, or have it released there.", std::move(named));
    }
}

std::vector<std::string> number_fields(const Inputs& in) {
    std::vector<std::string> out;
    for (auto field : {"phone_number", "primary_tracking_number"})
        if (in.text(field)) out.emplace_back(field);
    return out;
}

void must_be_own(identity::Context& c) {
    if (c.request.param("id") != c.company().value()) identity::not_found("company");
}

void check_timezone(pg::Tx& tx, const std::optional<std::string>& timezone) {
    if (timezone && !tx.maybe<Name>(sql::valid_timezone, {timezone})) identity::refuse_field("timezone", "is no time zone; write it as America/Phoenix");
}

void audit(identity::Context& c, const CompanyId& company, const char* action, const std::string& target, const std::vector<std::string>& fields = {}) {
    JsonWriter w;
    w.begin_object().key("fields").begin_array();
    for (const auto& f : fields) w.value(f);
    w.end_array().end_object();
    c.tx().write(sql::audit, {company, c.who.user, action, target, w.take()});
}

std::string number_json(const pg::Fields& f) {
    JsonWriter w;
    w.begin_object();
    texts(w, f, {"id", "company_id", "e164"});
    json_value(w.key("purposes"), f, "purposes");
    texts(w, f, {"provider", "provider_sid"});
    w.member("is_active", f.boolean("is_active")).member("voicemail_enabled", f.boolean("voicemail_enabled"));
    times(w, f, {"valid_from", "valid_to", "created_at", "updated_at"});
    w.member("state", "registered");
    return w.end_object().take();
}

std::optional<std::string> purposes_json(const Inputs& in) {
    auto given = in.json("purposes");
    if (!given) return std::nullopt;
    auto parsed = JsonDocument::parse(*given);
    auto root = parsed->root();
    if (!root.is_array() || root.size() == 0) identity::refuse_field("purposes", "takes an array of voice and text");
    for (std::size_t i = 0; i < root.size(); ++i)
        if (auto p = root.at(i).string(); p != "voice" && p != "text") identity::refuse_field("purposes", "takes voice and text only");
    return root.dump();
}

std::optional<std::string> provider(const Inputs& in) {
    auto p = in.text("provider", 20);
    if (p && *p != "callrail" && *p != "twilio") identity::refuse_field("provider", "takes callrail or twilio");
    return p;
}

void refuse_validity(const Inputs& in) {
    for (auto field : {"valid_from", "valid_to"}) in.refuse(field, "is set by POST (since the number is free) and DELETE (from now on)");
}

Uuid number_id(const identity::Context& c) {
    auto id = Uuid::parse(c.request.param("id"));
    if (!id) identity::not_found("number");
    return *id;
}

}  // namespace

Commands::Commands(const app::Settings& s, http::Client& client)
    : keys_(KeyRing::parse(s.get(app::kSecretKeys)).value()),
      key_grace_(s.get(kKeyGrace)),
      clerk_api_(s.get(kClerkApi)),
      public_url_(s.get(app::kPublicUrl)),
      clerk_key_(s.get(kClerkSecretKey)),
      client_(client) {
    while (public_url_.ends_with('/')) public_url_.pop_back();
}

std::string Commands::organisation_at_clerk(const identity::Context& c, const std::string& name) const {
    JsonWriter w;
    w.begin_object().member("name", clip_utf8(name, 250)).member("created_by", c.who.user.value()).end_object();
    http::ClientRequest request{http::Method::post, clerk_api_ + "/v1/organizations", {}, w.take(), c.request.trace};
    request.headers.add("Content-Type", "application/json");
    request.headers.add("Authorization", "Bearer " + clerk_key_.reveal());
    auto answer = client_.send(request);
    std::string why = answer ? "it answered " + std::to_string(answer->status) : answer.error().message;
    if (answer && answer->status / 100 == 2)
        if (auto parsed = JsonDocument::parse(answer->body))
            if (auto id = parsed->root()["id"].string(); id && !id->empty()) return std::string(*id);
    tel::error("an organisation could not be made at Clerk", {{"user_id", c.who.user.value()}, {"why", why}});
    identity::refuse(502, "Identity provider unavailable", "The organisation could not be made at the identity provider; try again.");
}

/// An organisation whose company could not be made must not stay behind.
void Commands::drop_organisation(const identity::Context& c, const std::string& id) const {
    http::ClientRequest request{http::Method::del, clerk_api_ + "/v1/organizations/" + percent_encode(id), {}, "", c.request.trace};
    request.headers.add("Authorization", "Bearer " + clerk_key_.reveal());
    auto answer = client_.send(request);
    if (!answer || answer->status / 100 != 2) tel::error("an organisation without a company stays behind at Clerk", {{"organisation", id}});
}

http::Response Commands::create(identity::Context& c) const {
    if (c.who.company && c.who.role != identity::Role::manager) identity::refuse(403, "Not allowed", "Only a manager may create the organisation's company.");
    auto in = Inputs::of(c.request);
    auto name = in.required("name", 200);
    auto phone = in.phone("phone_number"), tracking = in.phone("primary_tracking_number");
    auto address = in.text("address");
    auto timezone = in.text("timezone", 100);
    std::string id;
    bool made = false;
    if (c.who.company) {
        id = c.who.company->value();
        if (c.tx().maybe<Name>(sql::company_exists, {id})) identity::refuse(409, "Company exists", "This organisation has its company already; change it with PUT /api/v1/company/{id}.", {{"company", "exists already"}});
    } else {
        id = organisation_at_clerk(c, name);
        made = true;
    }
    try {
        auto& tx = c.tx_as(CompanyId{id});
        check_timezone(tx, timezone);
        guarding_numbers(number_fields(in), [&] {
            tx.write(sql::create_company, {id, name, phone, tracking, address, timezone.value_or("America/New_York")});
            tx.write(sql::add_user, {id, c.who.user, "manager"});
            tx.write(sql::audit, {id, c.who.user, "company.create", id, "{}"});
            tx.flush();
        });
    } catch (const pg::SqlFailure& e) {
        if (made) drop_organisation(c, id);
        if (e.constraint() == "companies_pkey") identity::refuse(409, "Company exists", "This organisation has its company already.", {{"company", "exists already"}});
        throw;
    } catch (const identity::Refusal&) {
        if (made) drop_organisation(c, id);
        throw;
    }
    tel::info("a company was created", {{"company_id", id}, {"user_id", c.who.user.value()}});
    JsonWriter w;
    w.begin_object().member("status", "success").member("company_id", id).member("clerk_org_id", id).end_object();
    return http::Response::json(200, w.take());
}

http::Response Commands::update(identity::Context& c) const {
    static const JsonSchema service_area(openapi_schema("ServiceArea")), call_flow(openapi_schema("CallFlow")), any_object(R"({"type":"object"})");
    must_be_own(c);
    auto in = Inputs::of(c.request);
    auto timezone = in.text("timezone", 100);
    std::vector<std::string> fields;
    for (auto f : {"name", "phone_number", "primary_tracking_number", "address", "timezone", "callrail_company_id", "service_area", "call_flow", "workflow_config"})
        if (in.has(f)) fields.emplace_back(f);
    if (fields.empty()) identity::refuse_field("body", "names nothing to change");
    pg::Params params{c.company(), in.text("name", 200), in.phone("phone_number"), in.phone("primary_tracking_number"), in.text("address"), timezone, in.text("callrail_company_id", 100),
                      in.json("service_area", service_area), in.json("call_flow", call_flow), in.json("workflow_config", any_object)};
    check_timezone(c.tx(), timezone);
    guarding_numbers(number_fields(in), [&] {
        if (c.tx().write_counted(sql::update_company, params) == 0) identity::not_found("company");
    });
    audit(c, c.company(), "company.update", c.company().value(), fields);
    JsonWriter w;
    w.begin_object().member("company_id", c.company().value()).key("changed").begin_array();
    for (const auto& f : fields) w.value(f);
    return c.ok(w.end_array().end_object().take());
}

void Commands::store(identity::Context& c, const Credentials& given, bool connects) const {
    auto& tx = c.tx();
    const auto& company = c.company().value();
    auto seal = [&](const std::optional<std::string>& secret, const char* column) { return secret ? std::optional(keys_.seal(Secret(*secret), seal_place(company, column))) : std::nullopt; };
    auto last4 = [](const std::optional<std::string>& secret) { return secret ? std::optional(Secret(*secret).last4()) : std::nullopt; };
    guarding_numbers({"primary_tracking_number"}, [&] {
        auto n = tx.write_counted(sql::connect_callrail, {c.company(), seal(given.api_key, "callrail_api_key"), last4(given.api_key), given.account_id, given.company_id, given.tracking_number, connects});
        if (n == 0) identity::not_found("company");
    });
    auto keys = tx.one<Keys>(sql::signing_key, {c.company()});
    if (given.signing_key) {
        bool same = false;
        if (keys.signing_key)
            if (auto open = keys_.open(*keys.signing_key, seal_place(company, "callrail_signing_key"))) same = constant_time_equal(open->reveal(), *given.signing_key);
        tx.write(sql::set_signing_key, {c.company(), seal(given.signing_key, "callrail_signing_key"), last4(given.signing_key), true, static_cast<std::int64_t>(key_grace_.count()), !same && keys.signing_key.has_value()});
    } else if (!keys.is_explicit && keys.api_key && keys.account_id) {
        // The seeds' own set-up gives no signing key: it is read from CallRail, outside of this request.
        changes::v1::CallRailConnected event;
        event.set_company_id(company);
        event.set_version(to_micros(c.request.received_at));
        emitter_.emit(tx, event, c.request.trace);
    }
    std::vector<std::string> fields;
    if (given.api_key) fields.emplace_back("callrail_api_key");
    if (given.account_id) fields.emplace_back("callrail_account_id");
    if (given.signing_key) fields.emplace_back("callrail_signing_key");
    if (given.company_id) fields.emplace_back("callrail_company_id");
    if (given.tracking_number) fields.emplace_back("primary_tracking_number");
    audit(c, c.company(), "callrail.credentials", company, fields);
}

http::Response Commands::set_api_key(identity::Context& c) const {
    must_be_own(c);
    auto key = Inputs::of(c.request).required("api_key");
    store(c, {key, {}, {}, {}, {}}, false);
    JsonWriter w;
    w.begin_object().member("status", "success").member("company_id", c.company().value()).member("callrail_api_key_set", true).member("callrail_api_key_last4", Secret(key).last4());
    return c.ok(w.end_object().take());
}

http::Response Commands::set_account_id(identity::Context& c) const {
    must_be_own(c);
    auto account = Inputs::of(c.request).required("account_id", 100);
    store(c, {{}, account, {}, {}, {}}, false);
    JsonWriter w;
    w.begin_object().member("status", "success").member("company_id", c.company().value()).member("callrail_account_id", account);
    return c.ok(w.end_object().take());
}

http::Response Commands::set_signing_key(identity::Context& c) const {
    must_be_own(c);
    auto key = Inputs::of(c.request).required("signing_key");
    store(c, {{}, {}, {}, {}, key}, false);
    JsonWriter w;
    w.begin_object().member("status", "success").member("company_id", c.company().value()).member("callrail_signing_key_set", true).member("callrail_signing_key_last4", Secret(key).last4());
    return c.ok(w.end_object().take());
}

http::Response Commands::connect_callrail(identity::Context& c) const {
    auto in = Inputs::of(c.request);
    Credentials given{in.required("api_key"), in.required("account_id", 100), in.text("callrail_company_id", 100), in.phone("primary_tracking_number"), in.text("signing_key")};
    store(c, given, true);
    JsonWriter w;
    w.begin_object().member("success", true).member("provider", "callrail").member("webhook_url", public_url_ + "/api/v1/callrail/call.completed").key("webhook_urls").begin_object();
    for (auto event : {"call.incoming", "call.answered", "call.completed", "call.missed", "call.modified"}) w.member(event, public_url_ + "/api/v1/callrail/" + event);
    w.member("sms", public_url_ + "/sms/callrail-webhook").end_object().member("onboarding_step", "callrail_connected").end_object();
    return http::Response::json(200, w.take());
}

http::Response Commands::add_number(identity::Context& c) const {
    auto in = Inputs::of(c.request);
    refuse_validity(in);
    auto field = in.has("e164") ? "e164" : "phone_number";
    auto number = in.phone(field);
    if (!number) identity::refuse_field("e164", "is missing");
    pg::Params params{c.company(), *number, purposes_json(in).value_or(R"(["voice","text"])"), provider(in).value_or("callrail"), in.text("provider_sid", 100), in.truth("is_active").value_or(true),
                      in.truth("voicemail_enabled").value_or(true)};
    std::string row;
    guarding_numbers({field}, [&] { c.tx().each(sql::add_number, params, [&](const pg::Fields& f) { row = number_json(f); }); });
    audit(c, c.company(), "number.add", *number);
    return c.ok(row, 201);
}

http::Response Commands::change_number(identity::Context& c) const {
    auto id = number_id(c);
    auto in = Inputs::of(c.request);
    for (auto field : {"e164", "phone_number"}) in.refuse(field, "stays what it is; end this number with DELETE and add another with POST /api/v1/numbers");
    refuse_validity(in);
    pg::Params params{c.company(), id, purposes_json(in), provider(in), in.text("provider_sid", 100), in.truth("is_active"), in.truth("voicemail_enabled")};
    std::string row;
    guarding_numbers({"e164"}, [&] { c.tx().each(sql::change_number, params, [&](const pg::Fields& f) { row = number_json(f); }); });
    if (row.empty()) identity::not_found("number");
    audit(c, c.company(), "number.change", id.to_string());
    return c.ok(row);
}

http::Response Commands::end_number(identity::Context& c) const {
    auto id = number_id(c);
    std::string row;
    c.tx().each(sql::end_number, {c.company(), id}, [&](const pg::Fields& f) { row = number_json(f); });
    if (row.empty()) identity::not_found("number");
    audit(c, c.company(), "number.end", id.to_string());
    return c.ok(row);
}

}  // namespace otto::company_service
