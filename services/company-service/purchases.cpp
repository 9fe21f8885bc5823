#include "purchases.hpp"

#include <algorithm>
#include <cctype>

#include "api/asked.hpp"
#include "api/inputs.hpp"
#include "app/common.hpp"
#include "base/json.hpp"
#include "checks.hpp"
#include "company-service/sql.hpp"
#include "directory.hpp"
#include "numbers.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using namespace std::chrono_literals;
namespace twilio = providers::twilio;
using twilio::ApiError;

constexpr int kMostForSale = 30;
constexpr auto kCachedFor = 30s;
constexpr std::size_t kMostCached = 1'000;
constexpr std::size_t kLongestName = 64;  // Twilio's own limit
constexpr auto kLookEvery = 1min;
/// A request that Twilio has got shows in the account's list long before; one that does not by then never came.
constexpr auto kComesWithin = 10min;
/// An account that cannot be asked for so long is left alone.
constexpr auto kAskedFor = 24h * 7;
constexpr std::size_t kLongestShown = 500;
/// What a further number may add to what is told of a company.
constexpr std::size_t kBytesOfANumber = 300;

constexpr const char* kConnect = "Connect your Twilio account: POST /api/v1/onboarding/twilio/connect.";

http::ClientOptions once(const app::Settings& s, Millis within) {
    auto o = hasty(s);
    o.total_timeout = within;
    o.metrics_name = "twilio-numbers";
    return o;
}

[[noreturn]] void refuse_for_now(std::string title, std::string detail, Millis after = 5s) {
    auto seconds = std::chrono::ceil<std::chrono::seconds>(after).count();
    throw api::Refusal{{503, std::move(title), std::move(detail), {}},
                       static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 600))};
}

/// What Twilio did not do, and will perhaps not do for who asks.
[[noreturn]] void refuse_for(const ApiError& error, bool shared, const std::string& nothing_done) {
    if (error.not_let_in())
        api::refuse(409, "Twilio lets nobody in",
                    "Twilio does not let the account in (" + error.why + "). " + nothing_done + " " +
                        (shared ? "Ask whoever runs this Otto, whose account it is."
                                : "Set its credentials again: POST /api/v1/onboarding/twilio/connect."));
    refuse_for_now("Twilio unavailable", error.why + ". " + nothing_done + " Send the same again.", error.after.value_or(5s));
}

std::string clipped(const std::string& text) { return clip_utf8(mend_utf8(text), kLongestShown); }

void write_text(JsonWriter& w, std::string_view name, const std::string& value) {
    w.key(name);
    if (value.empty())
        w.null();
    else
        w.value(value);
}

std::string for_sale_json(const std::vector<twilio::AvailableNumber>& numbers) {
    JsonWriter w;
    w.begin_object().key("items").begin_array();
    for (std::size_t i = 0; i < numbers.size() && i < kMostForSale; ++i) {
        const auto& n = numbers[i];
        w.begin_object().member("phoneNumber", n.number);
        write_text(w, "friendlyName", n.friendly_name);
        write_text(w, "locality", n.locality);
        write_text(w, "region", n.region);
        write_text(w, "postalCode", n.postal_code);
        write_text(w, "country", n.country);
        write_text(w, "addressRequirements", n.address_requirements);
        w.key("capabilities")
            .begin_object()
            .member("voice", n.calls)
            .member("sms", n.texts)
            .member("mms", n.pictures)
            .end_object();
        w.end_object();
    }
    return w.end_array().end_object().take();
}

void write_urls(JsonWriter& w, const twilio::NumberWebhooks& urls) {
    w.key("webhooks").begin_object();
    w.member("voice_url", urls.voice_url)
        .member("status_callback_url", urls.status_callback)
        .member("sms_url", urls.sms_url)
        .end_object();
}

struct Configured {
    std::string number, provider, standing;
    bool live, bought_shared;
    static Configured from(const pg::Fields& f) {
        return {f.text("e164"), f.text("provider"), f.text("standing"), f.boolean("live"), f.boolean("bought_shared")};
    }
};

std::string in_account_already(bool shared, const std::string& number) {
    return shared ? number + " belongs to this Otto's own Twilio account already, so nothing was bought. Ask whoever runs it."
                  : "Your Twilio account has " + number +
                        " already, so nothing was bought. Register it (POST /api/v1/numbers), then let its calls and texts come "
                        "here (POST /api/aloha/configure-webhooks).";
}

}  // namespace

Purchases::Purchase Purchases::Purchase::from(const pg::Fields& f) {
    Purchase p;
    p.id = *Uuid::parse(f.text("id"));
    p.number = f.text("e164");
    p.state = f.text("state");
    p.account_sid = f.text("account_sid");
    p.voice_url = f.text("voice_url");
    p.asked_by = f.text("asked_by");
    p.shared = f.boolean("shared");
    p.asking = f.boolean("asking");
    p.settled = f.boolean("settled");
    p.live = f.boolean("live");
    p.asks = f.integer("asks");
    p.asked_at = *f.time("asked_at");
    p.asking_until = f.time("asking_until");
    if (auto id = f.maybe_text("number_id")) p.number_id = Uuid::parse(*id);
    return p;
}

Purchases::Purchases(const app::Settings& s, pg::Pool& pool, const TwilioNumbers& numbers, Patience patience)
    : pool_(pool),
      numbers_(numbers),
      webhooks_(s),
      deployment_(twilio::deployment_account(s)),
      shared_purchases_(s.get(kTwilioSharedPurchases)),
      asking_for_(patience.purchase + 2 * patience.other),
      buying_http_(once(s, patience.purchase)),
      asking_http_(once(s, patience.other)),
      buying_(s.get(kTwilioApi), buying_http_),
      asking_(s.get(kTwilioApi), asking_http_) {}

std::optional<Purchases::Purchase> Purchases::last_of(const CompanyId& company, const std::string& number) const {
    auto tx = pool_.begin(pg::Scope::company(company));
    auto last = tx.maybe<Purchase>(sql::purchase_of_number, {company, number});
    tx.commit();
    return last;
}

Purchases::Account Purchases::account_to_buy_with(const CompanyId& company) const {
    auto tx = pool_.begin(pg::Scope::company(company));
    auto own = numbers_.account_of(tx, company);
    tx.commit();
    if (own) return {*own, false};
    if (shared_purchases_ && deployment_) return {*deployment_, true};
    api::refuse(409, "No Twilio account",
                std::string("Your company has no Twilio account that numbers could be bought for. ") + kConnect);
}

std::optional<Purchases::Account> Purchases::account_of(pg::Tx& tx, const CompanyId& company, const Purchase& p) const {
    if (p.shared)
        return deployment_ && deployment_->sid == p.account_sid ? std::optional(Account{*deployment_, true}) : std::nullopt;
    auto own = numbers_.account_of(tx, company);
    return own && own->sid == p.account_sid ? std::optional(Account{*own, false}) : std::nullopt;
}

Purchases::Found Purchases::look(const std::optional<Account>& account, const Purchase& p, const tel::TraceContext& trace) const {
    if (!account) return Unknown{"The account " + p.account_sid + ", which it was asked of, is not connected any more"};
    auto reply = asking_.number(account->twilio, p.number, trace);
    if (auto* error = std::get_if<ApiError>(&reply)) return Unknown{error->why};
    auto& listed = std::get<0>(reply);
    if (!listed) return NotThere{};
    if (listed->voice_url != p.voice_url) return NotOurs{};
    return std::move(*listed);
}

http::Response Purchases::available(api::Context& c) const {
    api::Asked asked(c.request, {"country", "areaCode"}, api::Asked::Paged::no);
    auto country = asked.text("country").value_or("US");
    auto area = asked.text("areaCode").value_or("");
    std::transform(country.begin(), country.end(), country.begin(),
                   [](unsigned char l) { return static_cast<char>(std::toupper(l)); });
    if (country.size() != 2 || !std::all_of(country.begin(), country.end(), [](char l) { return l >= 'A' && l <= 'Z'; }))
        api::refuse_field("country", "is the two letters of a country (ISO 3166): US");
    if (!area.empty()) {
        if (country != "US" && country != "CA") api::refuse_field("areaCode", "is for US and CA only; leave it out");
        if (area.size() != 3 || area.find_first_not_of("0123456789") != std::string::npos || area[0] < '2')
            api::refuse_field("areaCode", "is three digits, of which the first is 2 to 9: 520");
    }
    auto account = account_to_buy_with(c.company());
    const auto key = c.company().value() + "\n" + account.twilio.sid + "\n" + country + "\n" + area;
    const auto now = std::chrono::steady_clock::now();
    {
        std::lock_guard guard(lock_);
        if (auto found = cache_.find(key); found != cache_.end() && found->second.until > now) return c.ok(found->second.json);
    }
    auto reply = asking_.available(account.twilio, country, area, kMostForSale, c.request.trace);
    if (const auto* error = std::get_if<ApiError>(&reply)) {
        if (error->kind == ApiError::Kind::not_found)
            api::refuse_field("country", "is one where Twilio sells no local numbers (" + error->why + ")");
        refuse_for(*error, account.shared, "What is for sale is not known.");
    }
    auto json = for_sale_json(std::get<0>(reply));
    std::lock_guard guard(lock_);
    std::erase_if(cache_, [&](const auto& cached) { return cached.second.until <= now; });
    if (cache_.size() >= kMostCached) cache_.clear();
    cache_[key] = {now + kCachedFor, json};
    return c.ok(json);
}

http::Response Purchases::answer(const std::string& number, const Uuid& number_id) const {
    JsonWriter w;
    w.begin_object().member("success", true).member("phoneNumber", number).member("phoneNumberId", number_id.to_string());
    write_urls(w, webhooks_.ours());
    return http::Response::json(200, w.end_object().take());
}

Uuid Purchases::record(pg::Tx& tx, const CompanyId& company, const Purchase& p, const Listed& n, api::Context* asked) const {
    auto locked = tx.one<Purchase>(sql::lock_purchase, {company, p.id});
    if (locked.settled && locked.number_id) return *locked.number_id;  // somebody was faster
    // What the account lists is the company's: claims without proof give way to it.
    tx.write(sql::keep_listed, {company, pg::Param::array(std::vector<std::string>{p.number}), "twilio"});
    auto rows = tx.values<std::string>(sql::own_bought_number, {company, p.number, n.sid});
    if (rows.empty()) rows = tx.values<std::string>(sql::add_bought_number, {company, p.number, n.sid, n.calls, n.texts});
    // The list of the deployment's account is no company's proof; its row is final by itself.
    if (p.shared) tx.write(sql::forget_listed, {company, p.number});
    auto id = *Uuid::parse(rows.front());
    tx.write(sql::purchase_recorded, {company, p.id, n.sid, id});
    // A list that was read meanwhile may lack it, and took it for gone.
    rt::want(tx, kTwilioNumberChecks, company, "", system_clock().now() + kComesWithin);
    JsonWriter detail;
    detail.begin_object().member("e164", p.number).member("provider_sid", n.sid).member("account_sid", p.account_sid);
    if (asked)
        asked->audit("number.buy", id.to_string(), std::move(detail));
    else  // who asked was answered that it is not known yet
        rt::put_on_record(tx, company,
                          {.action = "number.bought",
                           .target = id.to_string(),
                           .detail = detail.member("asked_by", p.asked_by).end_object().take()});
    tx.on_commit([company, p, sid = n.sid] {
        tel::info("a number was bought",
                  {{"company_id", company.value()}, tel::phone("number", p.number), {"provider_sid", sid}});
    });
    return id;
}

http::Response Purchases::record_and_answer(api::Context& c, const Purchase& p, const Listed& n) const {
    try {
        auto id = record(c.tx(), c.company(), p, n, &c);
        rt::unwant(c.tx(), kPurchases, c.company(), p.id.to_string());
        c.tx().flush();
        return answer(p.number, id);
    } catch (const pg::SqlFailure& e) {
        if (!e.constraint().starts_with("company_numbers_")) throw;
        const auto why = "It was bought, and could not be registered: " + std::string(e.what());
        tel::error("a number was bought and cannot be registered",
                   {{"company_id", c.company().value()}, tel::phone("number", p.number), {"why", e.what()}});
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        tx.write(sql::purchase_bought, {c.company(), p.id, n.sid, clipped(why)});
        tx.commit();
    }
    api::refuse(
        409, "Bought, but not registered",
        "Twilio has sold " + p.number +
            " to the account, and meanwhile another company of this Otto has shown that the number is its own. It is registered "
            "for you as soon as that one lets it go; ask whoever runs this Otto.",
        {{"phoneNumber", "belongs to another company"}});
}

void Purchases::settle_failed(const CompanyId& company, const Purchase& p, int code, const std::string& why) const {
    auto tx = pool_.begin(pg::Scope::company(company));
    tx.write(sql::purchase_failed, {company, p.id, code == 0 ? pg::Param(nullptr) : pg::Param(code), clipped(why)});
    rt::unwant(tx, kPurchases, company, p.id.to_string());
    tx.commit();
}

void Purchases::leave_in_doubt(api::Context& c, const Purchase& p, const std::string& why) const {
    auto tx = pool_.begin(pg::Scope::company(c.company()));
    tx.write(sql::purchase_in_doubt, {c.company(), p.id, clipped(why)});
    rt::want(tx, kPurchases, c.company(), p.id.to_string(), system_clock().now() + kLookEvery / 4);
    tx.commit();
    refuse_for_now(
        "Not known yet whether it was bought",
        why + ". Whether " + p.number +
            " was bought is looked up in the account every minute, and it is registered for you if it was. Send the same "
            "request again: it tells what came of it, and buys nothing twice.",
        kLookEvery / 4);
}

Purchases::Purchase Purchases::note_asking(api::Context& c, const Account& account, const std::string& number,
                                           const std::optional<Purchase>& open) const {
    const auto patience = static_cast<std::int64_t>(asking_for_.count());
    const auto& company = c.company();
    auto tx = pool_.begin(pg::Scope::company(company));
    Numbers::must_be_free(tx, company.value(), "phoneNumber", number);
    must_fit_directory(tx, company, "phoneNumber", kBytesOfANumber);
    auto noted =
        open ? tx.maybe<Purchase>(sql::ask_purchase_again, {company, open->id, c.who.user, webhooks_.ours().voice_url, patience})
             : tx.maybe<Purchase>(sql::ask_purchase, {company, number, account.twilio.sid, account.shared,
                                                      webhooks_.ours().voice_url, c.who.user, patience});
    if (!noted) {
        if (open || tx.maybe<Purchase>(sql::purchase_of_number, {company, number}))
            refuse_for_now("Being bought",
                           "Another request of your company buys " + number + " at the moment. Send the same again.", 2s);
        api::refuse(409, "Number taken", "Another company of this Otto is buying this number at the moment. Give another one.",
                    {{"phoneNumber", "is being bought by another company"}});
    }
    rt::want(tx, kPurchases, company, noted->id.to_string(), system_clock().now() + asking_for_);
    tx.commit();
    return *noted;
}

http::Response Purchases::ask(api::Context& c, const Account& account, const Purchase& p,
                              const std::string& friendly_name) const {
    auto outcome = buying_.buy(account.twilio, {p.number, webhooks_.ours(), friendly_name}, c.request.trace);
    {
        std::lock_guard guard(lock_);  // what was for sale may be so no longer
        std::erase_if(cache_, [&](const auto& cached) { return cached.first.starts_with(c.company().value() + "\n"); });
    }
    if (auto* bought = std::get_if<twilio::Bought>(&outcome)) return record_and_answer(c, p, bought->number);
    if (auto* not_taken = std::get_if<twilio::NotTaken>(&outcome); not_taken && p.asks == 1) {
        settle_failed(c.company(), p, not_taken->error.code, not_taken->error.why);
        refuse_for(not_taken->error, account.shared, "Nothing was bought.");
    }
    const auto* rejected = std::get_if<twilio::Rejected>(&outcome);
    auto lost = [&]() -> std::string {
        if (const auto* doubt = std::get_if<twilio::InDoubt>(&outcome)) return doubt->why;
        if (const auto* not_taken = std::get_if<twilio::NotTaken>(&outcome)) return not_taken->error.why;
        return "Twilio refuses: " + rejected->why;
    };
    // Of a first request that was refused all is known. One before it may have come through all the same, and may be why.
    Found found = NotThere{};
    if (!rejected || p.asks > 1) found = look(account, p, c.request.trace);
    if (auto* listed = std::get_if<Listed>(&found)) return record_and_answer(c, p, *listed);
    if (std::holds_alternative<NotOurs>(found)) {
        settle_failed(c.company(), p, 0, "The account has the number, but not as it was asked for.");
        api::refuse(409, "Number taken", in_account_already(account.shared, p.number),
                    {{"phoneNumber", "is in the account already"}});
    }
    if (!rejected || p.asks > 1) leave_in_doubt(c, p, lost());
    settle_failed(c.company(), p, rejected->code, rejected->why);
    api::refuse(
        409, "Refused by Twilio",
        "Twilio does not sell " + p.number + ": " + rejected->why +
            (rejected->code == 0 ? ""
                                 : " (error " + std::to_string(rejected->code) + ", https://www.twilio.com/docs/api/errors/" +
                                       std::to_string(rejected->code) + ")"),
        {{"phoneNumber",
          "is refused by Twilio" + (rejected->code == 0 ? std::string() : " (" + std::to_string(rejected->code) + ")")}});
}

http::Response Purchases::buy(api::Context& c) const {
    auto in = api::Inputs::of(c.request, {"phoneNumber", "friendlyName"});
    auto number = in.phone("phoneNumber");
    if (!number) api::refuse_field("phoneNumber", "is missing; write it as +15551234567");
    const auto name = in.text("friendlyName", kLongestName).value_or("");
    auto last = last_of(c.company(), *number);
    if (last && last->settled && last->state == "bought" && last->live) return answer(*number, *last->number_id);
    if (last && last->settled) last.reset();
    if (!last) {
        auto account = account_to_buy_with(c.company());
        {
            auto tx = pool_.begin(pg::Scope::company(c.company()));
            Numbers::must_be_free(tx, c.company().value(), "phoneNumber", *number);
            tx.commit();
        }
        // What is there before is nothing that is bought now, whatever becomes of the answer.
        auto before = asking_.number(account.twilio, *number, c.request.trace);
        if (const auto* error = std::get_if<ApiError>(&before)) refuse_for(*error, account.shared, "Nothing was bought.");
        if (std::get<0>(before)) {
            // Unless it is what another request has just bought.
            if (auto meanwhile = last_of(c.company(), *number); meanwhile && (!meanwhile->settled || meanwhile->live))
                refuse_for_now("Being bought",
                               "Another request of your company buys " + *number + " at the moment. Send the same again.", 2s);
            api::refuse(409, "Number taken", in_account_already(account.shared, *number),
                        {{"phoneNumber", "is in the account already"}});
        }
        return ask(c, account, note_asking(c, account, *number, {}), name);
    }
    // What came of the former request is settled before there is another.
    std::optional<Account> account;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        account = account_of(tx, c.company(), *last);
        tx.commit();
    }
    auto found = look(account, *last, c.request.trace);
    if (auto* listed = std::get_if<Listed>(&found)) return record_and_answer(c, *last, *listed);
    if (last->asking)
        refuse_for_now("Being bought", "Another request of your company buys " + *number + " at the moment. Send the same again.",
                       2s);
    if (const auto* unknown = std::get_if<Unknown>(&found)) leave_in_doubt(c, *last, unknown->why);
    if (std::holds_alternative<NotOurs>(found)) {
        settle_failed(c.company(), *last, 0, "The account has the number, but not as it was asked for.");
        api::refuse(409, "Number taken", in_account_already(last->shared, *number),
                    {{"phoneNumber", "is in the account already"}});
    }
    return ask(c, *account, note_asking(c, *account, *number, last), name);
}

std::optional<Instant> Purchases::next(rt::Lease& lease) const {
    auto id = Uuid::parse(lease.key);
    std::optional<Purchase> p;
    std::optional<Account> account;
    lease.read([&](pg::Tx& tx) {
        if (id) p = tx.maybe<Purchase>(sql::purchase, {lease.company, *id});
        if (p && !p->settled) account = account_of(tx, lease.company, *p);
    });
    if (!p || p->settled) return lease.settle([](pg::Tx&) { return std::nullopt; });
    if (p->asking) return lease.settle([&](pg::Tx&) { return p->asking_until; });
    auto found = look(account, *p, tel::TraceContext::fresh());
    if (auto* listed = std::get_if<Listed>(&found)) try {
            return lease.settle([&](pg::Tx& tx) -> std::optional<Instant> {
                record(tx, lease.company, *p, *listed, nullptr);
                tx.flush();
                return std::nullopt;
            });
        } catch (const pg::SqlFailure& e) {
            if (!e.constraint().starts_with("company_numbers_")) throw;
            tel::error("a number was bought and cannot be registered",
                       {{"company_id", lease.company.value()}, tel::phone("number", p->number), {"why", e.what()}});
            return lease.settle([&](pg::Tx& tx) {
                tx.write(sql::purchase_bought,
                         {lease.company, p->id, listed->sid, clipped(std::string("It could not be registered: ") + e.what())});
                return lease.now + kLookEvery;
            });
        }
    const auto waited = lease.now - p->asked_at;
    std::string nothing;
    if (std::holds_alternative<NotOurs>(found)) nothing = "The account has the number, but not as it was asked for.";
    if (std::holds_alternative<NotThere>(found) && waited > kComesWithin)
        nothing = "Twilio never got the request: nothing was bought.";
    const auto* unknown = std::get_if<Unknown>(&found);
    if (unknown && waited > kAskedFor)
        nothing = "It could not be found out whether it was bought (" + unknown->why + "); look in Twilio's console.";
    return lease.settle([&](pg::Tx& tx) -> std::optional<Instant> {
        if (!nothing.empty() &&
            tx.write_counted(sql::purchase_came_to_nothing, {lease.company, p->id, clipped(nothing), p->asks}) > 0)
            return std::nullopt;
        if (unknown) tx.write(sql::purchase_in_doubt, {lease.company, p->id, clipped(unknown->why)});
        return lease.now + kLookEvery;
    });
}

http::Response Purchases::configure(api::Context& c) const {
    auto in = api::Inputs::of(c.request, {"phoneNumberId"});
    auto id = in.uuid("phoneNumberId");
    if (!id) api::refuse_field("phoneNumberId", "is missing; GET /api/v1/numbers shows the ids of your numbers");
    std::optional<Configured> n;
    std::optional<twilio::Account> own;
    {
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        n = tx.maybe<Configured>(sql::number_to_configure, {c.company(), *id});
        own = numbers_.account_of(tx, c.company());
        tx.commit();
    }
    if (!n) api::not_found("number");
    if (n->provider != "twilio")
        api::refuse(
            409, "Not a number of Twilio",
            "This number is CallRail's; its webhooks are set there. If it has moved to Twilio, change its provider: PATCH "
            "/api/v1/numbers/{id}.",
            {{"phoneNumberId", "is none of Twilio"}});
    if (!n->live)
        api::refuse(409, "Number ended", "This number is the company's no longer. Register it again: POST /api/v1/numbers.",
                    {{"phoneNumberId", "has ended"}});
    if (!own && !deployment_) api::refuse(409, "No Twilio account", std::string("No Twilio account is connected. ") + kConnect);
    const bool in_deployment = deployment_ && (!own || n->bought_shared);
    const auto& account = in_deployment ? *deployment_ : *own;
    auto reply = asking_.number(account, n->number, c.request.trace);
    if (const auto* error = std::get_if<ApiError>(&reply)) refuse_for(*error, in_deployment, "Nothing was changed.");
    const auto& former = std::get<0>(reply);
    if (!former)
        api::refuse(409, "Not in the account",
                    in_deployment && !own
                        ? "This Otto's own Twilio account has no " + n->number + ". If it is in yours: " + kConnect
                        : "The Twilio account has no " + n->number +
                              ". Have it moved to this account, or connect the one that has it: POST "
                              "/api/v1/onboarding/twilio/connect.",
                    {{"phoneNumberId", "is not in the Twilio account"}});
    if (!former->calls_to.empty() || !former->texts_to.empty())
        api::refuse(
            409, "Taken by an application",
            "At Twilio " + (former->calls_to.empty() ? former->texts_to : former->calls_to) +
                " takes what comes for this number, whatever its addresses are. Take the number off that application or trunk in "
                "Twilio's console, then send the same again.",
            {{"phoneNumberId", "is taken by an application or a trunk at Twilio"}});
    // Who merely says that a number of the deployment's account is his does not take it from what it serves.
    if (in_deployment && n->standing == "unproven" && webhooks_.leads_elsewhere(*former))
        api::refuse(
            409, "In use elsewhere",
            "Calls or texts for this number go to another address, and nothing has proven yet that it is your company's. Ask "
            "whoever runs this Otto, whose account it is.",
            {{"phoneNumberId", "is in use elsewhere"}});
    {
        // Before it is changed: whatever happens then, what stood there is known.
        JsonWriter stood;
        stood.begin_object();
        for (const auto& [name, value] : {std::pair{"voice_url", former->voice_url},
                                          {"voice_method", former->voice_method},
                                          {"sms_url", former->sms_url},
                                          {"sms_method", former->sms_method},
                                          {"status_callback", former->status_callback},
                                          {"status_callback_method", former->status_callback_method}})
            stood.member(name, clip_utf8(mend_utf8(value), 1'000));
        auto tx = pool_.begin(pg::Scope::company(c.company()));
        tx.write(sql::note_former_webhooks, {c.company(), *id, stood.end_object().take(), webhooks_.leads_elsewhere(*former)});
        tx.commit();
    }
    auto changed = asking_.point(account, former->sid, webhooks_.ours(), c.request.trace);
    if (const auto* error = std::get_if<ApiError>(&changed)) {
        if (error->kind == ApiError::Kind::failed && error->status < 500)
            api::refuse(
                409, "Refused by Twilio",
                "Twilio does not set the addresses: " + error->why + ". Send the same again, or set them in Twilio's console.");
        refuse_for(*error, in_deployment, "Perhaps nothing was changed.");
    }
    JsonWriter detail;
    detail.begin_object().member("e164", n->number).member("provider_sid", former->sid).key("former");
    detail.raw(c.tx().value<std::string>(sql::former_webhooks, {c.company(), *id}).value_or("{}"));
    c.tx().write(sql::number_configured, {c.company(), *id, former->sid});
    c.audit("number.webhooks", id->to_string(), std::move(detail));
    return answer(n->number, *id);
}

}  // namespace otto::company_service
