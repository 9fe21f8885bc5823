#include "commands.hpp"

#include <algorithm>
#include <cctype>

#include "api/inputs.hpp"
#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "directory.hpp"
#include "openapi.hpp"
#include "providers/call_flow.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using api::Inputs;

struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};

/// Companies that may claim one id at CallRail on their word alone.
constexpr std::int64_t kMostClaimants = 16;

struct Keys {
    std::optional<std::string> signing_key, api_key, account_id;
    bool is_explicit;
    static Keys from(const pg::Fields& f) {
        return {f.maybe_text("callrail_signing_key"), f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"),
                f.boolean("callrail_signing_key_explicit")};
    }
};

std::vector<std::string> number_fields(const Inputs& in) {
    std::vector<std::string> out;
    for (auto field : {"phone_number", "primary_tracking_number"})
        if (in.text(field)) out.emplace_back(field);
    return out;
}

void must_be_own(api::Context& c) {
    if (c.request.param("id") != c.company().value()) api::not_found("company");
}

/// An id at CallRail: it becomes part of addresses there.
std::optional<std::string> callrail_id(const Inputs& in, std::string_view name) {
    auto id = in.text(name, 100);
    auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; };
    if (id && !std::all_of(id->begin(), id->end(), plain))
        api::refuse_field(std::string(name), "takes letters, digits, - and _, as CallRail writes its ids");
    return id;
}

/// Of its members those that Otto reads must be what it can read; the others are the company's own.
std::optional<std::string> workflow_config(const Inputs& in) {
    static const JsonSchema schema(openapi_schema("WorkflowConfig"));
    constexpr std::pair<std::string_view, const char*> cures[] = {
        {"text_rate_per_second", "takes a number from 0.1 to 100: segments of texts a second that one number sends"},
        {"quiet_hours", "takes two different times of day, from and to: [\"21:00\",\"08:00\"]"}};
    auto given = in.json("workflow_config");
    if (!given) return given;
    auto parsed = JsonDocument::parse(*given).value();
    const auto misfit = schema.misfit(parsed.root());
    for (auto [name, cure] : cures)
        if (misfit && misfit->substr(1).starts_with(name)) api::refuse_field("workflow_config." + std::string(name), cure);
    if (misfit) api::refuse_field("workflow_config", "takes a JSON object");
    if (auto quiet = parsed.root()["quiet_hours"]; quiet.is_array() && quiet.at(0).string() == quiet.at(1).string())
        api::refuse_field("workflow_config.quiet_hours", cures[1].second);
    return given;
}

/// Beside what its schema says, no call may meet a flow that would record it in secret, call itself or say more than Twilio
/// reads.
std::optional<std::string> call_flow(const Inputs& in, pg::Pool& pool, const CompanyId& company) {
    static const JsonSchema schema(openapi_schema("CallFlow"));
    auto given = in.json("call_flow", schema);
    if (!given) return given;
    std::vector<std::string> own_numbers;
    auto tx = pool.begin(pg::Scope::company(company));
    tx.each(sql::numbers_that_flow, {company}, [&](const pg::Fields& f) { own_numbers.push_back(f.text("e164")); });
    tx.commit();
    if (auto fault = providers::fault_of_flow(*given, own_numbers)) api::refuse_field(fault->field, fault->cure);
    return given;
}

/// What the tables refuse although nothing else did: 422 that names the field.
template <class F>
void guarding_fields(F&& f) {
    try {
        f();
    } catch (const pg::SqlFailure& e) {
        if (e.constraint() == "companies_time_zone") api::refuse_field("timezone", kNoTimezone);
        throw;
    }
}

}  // namespace

Commands::Commands(const app::Settings& s, pg::Pool& pool, const Numbers& numbers, const CallRailNumbers& callrail)
    : keys_(s),
      key_grace_(s.get(kKeyGrace)),
      public_url_(s.get(app::kPublicUrl)),
      pool_(pool),
      numbers_(numbers),
      callrail_(callrail) {
    while (public_url_.ends_with('/')) public_url_.pop_back();
}

http::Response Commands::update(api::Context& c) const {
    static const JsonSchema service_area(openapi_schema("ServiceArea"));
    must_be_own(c);
    auto in = Inputs::change(
        c.request, {.lasting = {"name", "timezone"},
                    .clearable = {"phone_number", "primary_tracking_number", "address", "callrail_company_id", "service_area",
                                  "call_flow", "workflow_config"},
                    .besides = {},
                    .fixed = {{{"callrail_account_id"}, "is set by POST /api/v1/company/set-callrail-account-id/{id}"},
                              {{"callrail_api_key"}, "is set by POST /api/v1/company/set-callrail-api-key/{id}"},
                              {{"callrail_signing_key"}, "is set by POST /api/v1/company/set-callrail-signing-key/{id}"}}});
    std::vector<std::string> cleared;
    for (const auto& field : in.changed())
        if (in.clears(field)) cleared.push_back(field);
    pg::Params params{c.company(),
                      in.text("name", 200),
                      in.phone("phone_number"),
                      in.phone("primary_tracking_number"),
                      in.text("address"),
                      in.text("timezone", 100),
                      callrail_id(in, "callrail_company_id"),
                      in.json("service_area", service_area),
                      call_flow(in, pool_, c.company()),
                      workflow_config(in),
                      pg::Param::array(cleared)};
    if (auto id = callrail_id(in, "callrail_company_id")) {
        Credentials claimed;
        claimed.company_id = id;
        ask_callrail(c, claimed);
    }
    numbers_.consult(c, c.company(), {in.phone("phone_number").value_or(""), in.phone("primary_tracking_number").value_or("")});
    std::optional<std::vector<std::string>> changed;
    rt::Changes values;
    guarding_fields([&] {
        numbers_.registering(c.tx(), c.company(), number_fields(in), [&](pg::Tx& tx) {
            tx.each(sql::update_company, params, [&](const pg::Fields& f) {
                changed = split_list(f.text("names"));
                for (std::string field : {"name", "timezone", "phone_number", "primary_tracking_number", "callrail_company_id"})
                    values.add(field, f.maybe_text("old_" + field), f.maybe_text("new_" + field));
            });
        });
    });
    if (!changed) api::not_found("company");
    if (!changed->empty()) must_fit_directory(c, c.company(), in.has("workflow_config") ? "workflow_config" : changed->front());
    if (!changed->empty()) c.audit("company.update", c.company().value(), *changed, std::move(values));
    JsonWriter w;
    w.begin_object().member("company_id", c.company().value()).key("changed").begin_array();
    for (const auto& f : *changed) w.value(f);
    return c.ok(w.end_array().end_object().take());
}

std::optional<Listing> Commands::ask_callrail(api::Context& c, const Credentials& given) const {
    if (!given.api_key && !given.account_id && !given.company_id) return std::nullopt;
    std::optional<CallRailNumbers::Account> account;
    std::int64_t claimants = 0, company_claimants = 0;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        account = callrail_.account_of(tx, c.company(), {given.api_key, given.account_id, given.company_id});
        if (given.account_id) claimants = tx.one<Count>(sql::callrail_claimants, {*given.account_id, c.company()}).n;
        if (given.company_id) company_claimants = tx.one<Count>(sql::callrail_claimants, {*given.company_id, c.company()}).n;
        tx.commit();
    }
    std::optional<Listing> listing;
    if (account) listing = callrail_.ask(*account, c.request.trace);
    const auto end = listing ? listing->end : Listing::End::no_answer;
    if (given.api_key && end == Listing::End::refused_key)
        api::refuse_field("api_key",
                          "is refused by CallRail (" + listing->why + "); make one in CallRail under Settings, API access");
    if (given.account_id && end == Listing::End::no_account)
        api::refuse_field("account_id", "is no account that CallRail shows this API key (" + listing->why + ")");
    if (given.api_key && end == Listing::End::no_account)
        api::refuse_field("api_key", "does not see the account " + account->id + " (" + listing->why +
                                         "); to change both at once use POST /api/v1/onboarding/callrail/connect");
    // An id that many claim holds every webhook that names it against the key of each of them.
    for (const auto& [field, n] : {std::pair{"account_id", claimants}, std::pair{"callrail_company_id", company_claimants}})
        if (n >= kMostClaimants && end != Listing::End::good)
            api::refuse(409, "Claimed by many",
                        "So many companies claim this id already that a further one must show that it can read the account: give "
                        "API key and account id together (POST /api/v1/onboarding/callrail/connect).",
                        {{field, "is claimed by many companies; give a working API key with it"}});
    return listing;
}

void Commands::store(api::Context& c, const Credentials& given, bool connects) const {
    auto listing = ask_callrail(c, given);
    if (!listing && given.tracking_number) numbers_.consult(c, c.company(), {*given.tracking_number});
    auto& tx = c.tx();
    const auto& company = c.company().value();
    auto seal = [&](const std::optional<std::string>& secret, const char* column) {
        return secret ? std::optional(keys_.seal(Secret(*secret), seal_place(company, column))) : std::nullopt;
    };
    auto last4 = [](const std::optional<std::string>& secret) {
        return secret ? std::optional(Secret(*secret).last4()) : std::nullopt;
    };
    std::vector<std::string> naming;
    if (given.tracking_number) naming.emplace_back("primary_tracking_number");
    numbers_.registering(c.tx(), c.company(), naming, [&](pg::Tx& t) {
        if (listing) callrail_.keep(t, c.company(), *listing);  // first: it may be what proves the number
        if (given.tracking_number) t.write(sql::keep_other_providers, {c.company(), "callrail"});
        auto n =
            t.write_counted(sql::connect_callrail, {c.company(), seal(given.api_key, "callrail_api_key"), last4(given.api_key),
                                                    given.account_id, given.company_id, given.tracking_number, connects});
        if (n == 0) api::not_found("company");
    });
    auto keys = tx.one<Keys>(sql::signing_key, {c.company()});
    if (given.signing_key) {
        bool same = false;
        if (keys.signing_key)
            if (auto open = keys_.open(*keys.signing_key, seal_place(company, "callrail_signing_key")))
                same = constant_time_equal(open->reveal(), *given.signing_key);
        tx.write(sql::set_signing_key,
                 {c.company(), seal(given.signing_key, "callrail_signing_key"), last4(given.signing_key), true,
                  static_cast<std::int64_t>(key_grace_.count()), !same && keys.signing_key.has_value()});
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
    c.audit("callrail.credentials", company, fields);
}

http::Response Commands::set_api_key(api::Context& c) const {
    must_be_own(c);
    auto key = Inputs::of(c.request, {"api_key"}).required("api_key");
    store(c, {key, {}, {}, {}, {}}, false);
    JsonWriter w;
    w.begin_object()
        .member("status", "success")
        .member("company_id", c.company().value())
        .member("callrail_api_key_set", true)
        .member("callrail_api_key_last4", Secret(key).last4());
    return c.ok(w.end_object().take());
}

http::Response Commands::set_account_id(api::Context& c) const {
    must_be_own(c);
    auto in = Inputs::of(c.request, {"account_id"});
    in.required("account_id", 100);
    auto account = callrail_id(in, "account_id");
    store(c, {{}, account, {}, {}, {}}, false);
    JsonWriter w;
    w.begin_object()
        .member("status", "success")
        .member("company_id", c.company().value())
        .member("callrail_account_id", *account);
    return c.ok(w.end_object().take());
}

http::Response Commands::set_signing_key(api::Context& c) const {
    must_be_own(c);
    auto key = Inputs::of(c.request, {"signing_key"}).required("signing_key");
    store(c, {{}, {}, {}, {}, key}, false);
    JsonWriter w;
    w.begin_object()
        .member("status", "success")
        .member("company_id", c.company().value())
        .member("callrail_signing_key_set", true)
        .member("callrail_signing_key_last4", Secret(key).last4());
    return c.ok(w.end_object().take());
}

http::Response Commands::connect_callrail(api::Context& c) const {
    auto in = Inputs::of(c.request, {"api_key", "account_id", "callrail_company_id", "primary_tracking_number", "signing_key"});
    Credentials given{in.required("api_key"), in.required("account_id", 100), callrail_id(in, "callrail_company_id"),
                      in.phone("primary_tracking_number"), in.text("signing_key")};
    callrail_id(in, "account_id");
    store(c, given, true);
    JsonWriter w;
    w.begin_object()
        .member("success", true)
        .member("provider", "callrail")
        .member("webhook_url", public_url_ + "/api/v1/callrail/call.completed")
        .key("webhook_urls")
        .begin_object();
    for (auto event : {"call.incoming", "call.answered", "call.completed", "call.missed", "call.modified"})
        w.member(event, public_url_ + "/api/v1/callrail/" + event);
    w.member("sms", public_url_ + "/sms/callrail-webhook")
        .end_object()
        .member("onboarding_step", "document_ingestion")
        .end_object();
    return http::Response::json(200, w.take());
}

}  // namespace otto::company_service
