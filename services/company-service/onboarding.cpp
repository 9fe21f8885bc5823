#include "onboarding.hpp"

#include <algorithm>

#include "api/inputs.hpp"
#include "app/common.hpp"
#include "base/json.hpp"
#include "company-service/sql.hpp"
#include "providers/settings.hpp"

namespace otto::company_service {
namespace {

using api::Inputs;
namespace twilio = providers::twilio;

/// Companies that may claim one account on their word alone.
constexpr std::int64_t kMostClaimants = 16;
constexpr std::int64_t kTestsAMinute = 6;
constexpr const char* kWebhook = "/api/v1/twilio-webhook";

struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};
struct Tests {
    std::int64_t n, seconds_left;
    static Tests from(const pg::Fields& f) { return {f.integer("n"), f.integer("seconds_left")}; }
};
struct Waiting {
    std::string why;
    Instant until;
    std::int64_t n;
    static Waiting from(const pg::Fields& f) { return {f.text("why"), *f.time("until"), f.integer("n")}; }
};
struct Token {
    std::optional<std::string> sealed;
    static Token from(const pg::Fields& f) { return {f.maybe_text("twilio_auth_token")}; }
};

std::string list_of(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& n : names) out += (out.empty() ? "" : ", ") + n;
    return out;
}

}  // namespace

Onboarding::Onboarding(const app::Settings& s, pg::Pool& pool, const Numbers& numbers, const CallRailNumbers& callrail,
                       const TwilioNumbers& twilio)
    : keys_(s),
      key_grace_(s.get(kKeyGrace)),
      public_url_(s.get(app::kPublicUrl)),
      deployment_sid_(s.get(providers::kTwilioAccountSid)),
      pool_(pool),
      numbers_(numbers),
      callrail_(callrail),
      twilio_(twilio) {
    while (public_url_.ends_with('/')) public_url_.pop_back();
}

http::Response Onboarding::connect_twilio(api::Context& c) const {
    auto in = Inputs::of(c.request, {"account_sid", "auth_token", "primary_tracking_number"});
    auto sid = in.required("account_sid", 100), token = in.required("auth_token", 100);
    auto number = in.phone("primary_tracking_number");
    if (!twilio::is_account_sid(sid))
        api::refuse_field("account_sid",
                          "is AC and 32 hexadecimal digits (0-9, a-f), as Twilio's console shows it under Account Info");
    if (sid == deployment_sid_)
        api::refuse_field(
            "account_sid",
            "is the account of this Otto itself; its numbers need no connecting: register yours with POST /api/v1/numbers");
    std::int64_t claimants = 0;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        claimants = tx.one<Count>(sql::twilio_claimants, {sid, c.company()}).n;
        tx.commit();
    }
    auto listing = twilio_.ask(twilio::Account::with_token(sid, Secret(token)), c.request.trace);
    if (listing.end == Listing::End::refused_key || listing.end == Listing::End::no_account)
        api::refuse_field("auth_token", std::string("is refused by Twilio: ") + kNotTogether + " (" + listing.why +
                                            "); copy both from Account Info in Twilio's console");
    if (claimants >= kMostClaimants && listing.end != Listing::End::good)
        api::refuse(
            409, "Claimed by many",
            "So many companies claim this account already that a further one is taken only while Twilio itself confirms its "
            "auth token; try again.",
            {{"account_sid", "is claimed by many companies"}});
    const auto& company = c.company().value();
    const auto place = seal_place(company, "twilio_auth_token");
    numbers_.registering(
        c.tx(), c.company(), number ? std::vector<std::string>{"primary_tracking_number"} : std::vector<std::string>{},
        [&](pg::Tx& tx) {
            auto now = tx.maybe<Token>(sql::twilio_token, {c.company()});
            if (!now) api::not_found("company");
            auto open = now->sealed ? keys_.open(*now->sealed, place) : Result<Secret>(Error("none"));
            bool replaces = now->sealed && !(open && constant_time_equal(open->reveal(), token));
            twilio_.keep(tx, c.company(), listing);  // first: it may be what proves the number
            if (number) tx.write(sql::keep_other_providers, {c.company(), "twilio"});
            tx.write(sql::forget_other_twilio_sweeps, {c.company(), sid, deployment_sid_});
            tx.write(sql::connect_twilio, {c.company(), sid, keys_.seal(Secret(token), place), Secret(token).last4(), number,
                                           replaces, static_cast<std::int64_t>(key_grace_.count())});
        });
    std::vector<std::string> fields{"twilio_account_sid", "twilio_auth_token"};
    if (number) fields.emplace_back("primary_tracking_number");
    c.audit("twilio.credentials", company, fields);
    JsonWriter w;
    w.begin_object()
        .member("success", true)
        .member("provider", "twilio")
        .member("webhook_url", public_url_ + kWebhook)
        .key("webhook_urls")
        .begin_object()
        .member("sms", public_url_ + kWebhook)
        .member("message_status", public_url_ + "/api/aloha/webhooks/message-status")
        .member("voice", twilio_.webhooks().ours().voice_url)
        .member("call_status", twilio_.webhooks().ours().status_callback)
        .member("voicemail", public_url_ + "/api/aloha/webhooks/voicemail-recorded")
        .end_object()
        .member("onboarding_step", "document_ingestion")
        .end_object();
    return http::Response::json(200, w.take());
}

/// Of requests at the same moment a few too many may pass.
void Onboarding::count_test(api::Context& c) const {
    auto tx = pool_.begin(pg::Scope::company(c.company()));
    auto made = tx.one<Tests>(sql::provider_tests, {c.company()});
    if (made.n >= kTestsAMinute)
        throw api::Refusal{{429,
                            "Too many tests",
                            "A company may have its accounts tested " + std::to_string(kTestsAMinute) +
                                " times a minute, for each asks the provider; try again in a moment.",
                            {}},
                           static_cast<int>(std::max<std::int64_t>(1, made.seconds_left))};
    tx.write(sql::note_provider_test, {c.company()});
    tx.commit();
}

std::vector<std::string> Onboarding::registered_at(pg::Tx& tx, const CompanyId& company, const char* provider) const {
    std::vector<std::string> out;
    tx.each(sql::numbers_of_provider, {company, provider}, [&](const pg::Fields& f) { out.push_back(f.text("e164")); });
    return out;
}

Onboarding::Check Onboarding::numbers_check(const std::vector<std::string>& registered, const Listing& listing,
                                            const std::string& title) const {
    std::vector<std::string> unlisted;
    for (const auto& n : registered)
        if (std::find(listing.numbers.begin(), listing.numbers.end(), n) == listing.numbers.end()) unlisted.push_back(n);
    if (registered.empty())
        return {"numbers", false, "No number of " + title + " is registered for your company.",
                "Register those that your customers reach you by: POST /api/v1/numbers."};
    if (unlisted.empty())
        return {"numbers", true, "The account lists all " + std::to_string(registered.size()) + " that are registered.", ""};
    if (!listing.whole)
        return {"numbers", true,
                "The account has more numbers than a test reads; " + list_of(unlisted) + " were not among those read.", ""};
    return {"numbers", false, "The account does not list " + list_of(unlisted) + ".",
            "Have them moved to this account at " + title + ", or end them here: DELETE /api/v1/numbers/{id}."};
}

Onboarding::Check Onboarding::webhooks_check(const std::vector<std::string>& registered,
                                             const std::vector<twilio::ListedNumber>& listed) const {
    std::vector<std::string> astray;
    std::size_t known = 0;
    for (const auto& n : listed) {
        if (std::find(registered.begin(), registered.end(), n.number) == registered.end() || !n.texts) continue;
        ++known;
        if (!twilio_.webhooks().texts_astray(n).empty()) astray.push_back(n.number);
    }
    const auto cure = "Set \"A message comes in\" of each in Twilio's console to " + twilio_.webhooks().any() +
                      ", HTTP POST, or let Otto do it: POST /api/aloha/configure-webhooks.";
    if (!astray.empty()) return {"webhooks", false, "Texts for " + list_of(astray) + " are not sent to this Otto.", cure};
    if (known == 0) return {"webhooks", false, "No registered number is listed that could send texts here.", cure};
    return {"webhooks", true, "Twilio sends texts for " + std::to_string(known) + " numbers here.", ""};
}

Onboarding::Check Onboarding::voice_check(const std::vector<std::string>& registered,
                                          const std::vector<twilio::ListedNumber>& listed) const {
    std::string astray;
    std::size_t known = 0;
    for (const auto& n : listed) {
        if (std::find(registered.begin(), registered.end(), n.number) == registered.end() || !n.calls) continue;
        ++known;
        if (auto why = twilio_.webhooks().calls_astray(n); !why.empty()) astray += " " + n.number + ": " + why + ".";
    }
    const auto& ours = twilio_.webhooks().ours();
    const auto cure =
        "Let Otto set them: POST /api/aloha/configure-webhooks. Or set in Twilio's console \"A call comes in\" to " +
        ours.voice_url + " and the status callback URL to " + ours.status_callback + ", HTTP POST both.";
    if (!astray.empty()) return {"voice", false, "Calls do not all come to this Otto." + astray, cure};
    if (known == 0) return {"voice", false, "No registered number is listed that could bring calls here.", cure};
    return {"voice", true, "Twilio sends calls for " + std::to_string(known) + " numbers here.", ""};
}

http::Response Onboarding::answer(api::Context& c, const Checks& checks) {
    JsonWriter w;
    w.begin_object()
        .member("ok", std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.ok; }))
        .key("checks")
        .begin_array();
    for (const auto& check : checks) {
        w.begin_object().member("name", check.name).member("ok", check.ok).member("detail", check.detail).key("cure");
        if (check.cure.empty())
            w.null();
        else
            w.value(check.cure);
        w.end_object();
    }
    return c.ok(w.end_array().end_object().take());
}

http::Response Onboarding::test_twilio(api::Context& c) const {
    Inputs::of(c.request, {});
    count_test(c);
    std::optional<twilio::Account> account;
    std::vector<std::string> registered, for_calls;
    Checks waiting;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        account = twilio_.account_of(tx, c.company());
        registered = registered_at(tx, c.company(), "twilio");
        for_calls = tx.values<std::string>(sql::voice_numbers_of_provider, {c.company(), "twilio"});
        if (auto texts = tx.maybe<Waiting>(sql::texts_that_wait, {c.company()}); texts && texts->n > 0)
            waiting.push_back({"texts", false, std::to_string(texts->n) + " texts wait: " + texts->why,
                               "They leave by themselves once Twilio lets the account in; it is tried anew at " +
                                   to_rfc3339(texts->until) + ", and at once when other credentials are connected."});
        tx.commit();
    }
    auto answer_with = [&](Checks checks) {
        checks.insert(checks.end(), waiting.begin(), waiting.end());
        return answer(c, checks);
    };
    const std::string again = "Set both again: POST /api/v1/onboarding/twilio/connect.";
    if (!account)
        return answer_with(
            {{"credentials", false, "No Twilio account is connected.", "Connect it: POST /api/v1/onboarding/twilio/connect."}});
    auto reply = twilio_.state(*account, c.request.trace);
    if (const auto* error = std::get_if<twilio::ApiError>(&reply)) {
        if (error->kind == twilio::ApiError::Kind::refused)
            return answer_with({{"credentials", false, std::string(kNotTogether) + " (" + error->why + ").",
                                 "Copy both from Account Info in Twilio's console. " + again}});
        if (error->not_let_in())
            return answer_with({{"credentials", false, error->why + ".", "Check the account SID. " + again}});
        return answer_with(
            {{"credentials", false, error->why + ".", "Nothing is known to be wrong with them; try again in a minute."}});
    }
    const auto& state = std::get<twilio::AccountState>(reply);
    Checks checks{{"credentials", true, "Twilio lets them in" + (state.name.empty() ? "" : ": " + state.name) + ".", ""}};
    if (state.status == "active" || state.status.empty())
        checks.push_back(
            {"account", true, "The account is active" + std::string(state.type == "Trial" ? ", on trial." : "."), ""});
    else
        checks.push_back({"account", false, "The account is " + state.status + ".", "Ask Twilio to open it again."});
    std::vector<twilio::ListedNumber> listed;
    auto listing = twilio_.ask(*account, c.request.trace, &listed);
    if (listing.end != Listing::End::good) {
        checks.push_back({"numbers", false, listing.why + ".", "Try again in a minute."});
        return answer_with(std::move(checks));
    }
    twilio_.keep(c.tx(), c.company(), listing);
    checks.push_back(numbers_check(registered, listing, "Twilio"));
    checks.push_back(webhooks_check(registered, listed));
    if (!for_calls.empty()) checks.push_back(voice_check(for_calls, listed));
    return answer_with(std::move(checks));
}

http::Response Onboarding::test_callrail(api::Context& c) const {
    Inputs::of(c.request, {});
    count_test(c);
    std::optional<CallRailNumbers::Account> account;
    std::vector<std::string> registered;
    bool has_key = false;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        account = callrail_.account_of(tx, c.company());
        registered = registered_at(tx, c.company(), "callrail");
        tx.each(sql::signing_key, {c.company()}, [&](const pg::Fields& f) { has_key = !f.is_null("callrail_signing_key"); });
        tx.commit();
    }
    if (!account)
        return answer(c, {{"credentials", false, "No API key, or no account id, is set for CallRail.",
                           "Connect it: POST /api/v1/onboarding/callrail/connect."}});
    auto listing = callrail_.ask(*account, c.request.trace);
    using End = Listing::End;
    if (listing.end == End::refused_key)
        return answer(c, {{"credentials", false, "CallRail refuses the API key (" + listing.why + ").",
                           "Make one in CallRail under Settings, API access: POST /api/v1/company/set-callrail-api-key/{id}."}});
    if (listing.end == End::no_answer)
        return answer(
            c, {{"credentials", false, listing.why + ".", "Nothing is known to be wrong with them; try again in a minute."}});
    Checks checks{{"credentials", true, "CallRail lets the API key in.", ""}};
    if (listing.end != End::good) {
        checks.push_back({"account", false, "CallRail shows this API key no such account (" + listing.why + ").",
                          "Check the account id: POST /api/v1/company/set-callrail-account-id/{id}."});
        return answer(c, checks);
    }
    checks.push_back({"account", true, "The API key sees the account.", ""});
    callrail_.keep(c.tx(), c.company(), listing);
    checks.push_back(numbers_check(registered, listing, "CallRail"));
    if (has_key)
        checks.push_back({"signing_key", true, "The key that webhooks are signed with is set.", ""});
    else
        checks.push_back(
            {"signing_key", false, "The key that webhooks are signed with is not known, so they are held.",
             "Make the webhook integration in CallRail, or set its key: POST /api/v1/company/set-callrail-signing-key/{id}."});
    return answer(c, checks);
}

}  // namespace otto::company_service
