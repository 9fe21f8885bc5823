#include "twilio_numbers.hpp"

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "providers/settings.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {

using providers::twilio::Account;
using providers::twilio::ApiError;

namespace {

constexpr std::size_t kMostPages = 20;
constexpr const char* kLeadCure =
    "Let what comes for it come here: POST /api/aloha/configure-webhooks with its id as phoneNumberId, or set the addresses in "
    "Twilio's console.";
constexpr const char* kNowhere = "no account of yours is connected at Twilio, and this Otto's own does not have the number";

struct Row {
    std::optional<std::string> sid, token;
    static Row from(const pg::Fields& f) { return {f.maybe_text("twilio_account_sid"), f.maybe_text("twilio_auth_token")}; }
};

Listing::End end_of(ApiError::Kind kind) {
    switch (kind) {
        case ApiError::Kind::refused:
            return Listing::End::refused_key;
        case ApiError::Kind::forbidden:
            return Listing::End::no_account;
        case ApiError::Kind::not_found:
            return Listing::End::not_found;
        default:
            return Listing::End::no_answer;
    }
}

}  // namespace

TwilioNumbers::TwilioNumbers(const app::Settings& s, const providers::twilio::Client& patient)
    : keys_(s),
      webhooks_(s),
      deployment_(providers::twilio::deployment_account(s)),
      patient_(patient),
      hasty_http_(hasty(s)),
      hasty_(s.get(providers::kTwilioApi), hasty_http_) {}

std::optional<Account> TwilioNumbers::account_of(pg::Tx& tx, const CompanyId& company) const {
    auto row = tx.maybe<Row>(sql::twilio_account, {company});
    if (!row || !row->sid || !row->token) return std::nullopt;
    auto token = keys_.open(*row->token, seal_place(company.value(), "twilio_auth_token"));
    if (token) return Account::with_token(*row->sid, *token);
    tel::error("a company's Twilio token cannot be opened",
               {{"company_id", company.value()}, {"why", token.error().message}, {"cure", token.error().hint}});
    return std::nullopt;
}

Listing TwilioNumbers::read(How how, const Account& account, const tel::TraceContext& trace,
                            std::vector<providers::twilio::ListedNumber>* as_listed) const {
    const auto& client = how == How::in_request ? hasty_ : patient_;
    const std::size_t most_pages = how == How::in_request ? 1 : kMostPages;
    Listing out;
    bool understood = true;
    std::string next;
    for (std::size_t page = 1; page <= most_pages; ++page) {
        auto reply = client.numbers(account, next, trace);
        if (const auto* error = std::get_if<ApiError>(&reply)) {
            out.end = end_of(error->kind);
            out.why = error->why;
            return out;
        }
        auto& list = std::get<providers::twilio::NumberPage>(reply);
        for (auto& n : list.numbers) {
            out.numbers.push_back(n.number);
            out.leads.push_back(lead_of(n));
            if (as_listed) as_listed->push_back(std::move(n));
        }
        understood = understood && list.whole;
        next = list.next;
        if (next.empty()) break;
    }
    out.whole = understood && next.empty();
    out.end = Listing::End::good;
    return out;
}

Listing TwilioNumbers::ask(const Account& account, const tel::TraceContext& trace,
                           std::vector<providers::twilio::ListedNumber>* as_listed) const {
    return read(How::in_request, account, trace, as_listed);
}

void TwilioNumbers::keep_leads(pg::Tx& tx, const CompanyId& company, const Listing& listing) const {
    pg::Columns leads(3);
    for (const auto& l : listing.leads) leads.row({l.number, l.calls, l.texts});
    auto params = leads.params();
    params.insert(params.begin(), company);
    params.emplace_back(kLeadCure);
    tx.write(sql::keep_leads, std::move(params));
    if (listing.whole) tx.write(sql::unlisted_lead_nowhere, {company, pg::Param::array(listing.numbers)});
}

CheckResult TwilioNumbers::check_all(pg::Pool& db, const CompanyId& company) const {
    auto result = check(db, company);
    return result.again.empty() && deployment_ ? check_shared(db, company) : result;
}

CheckResult TwilioNumbers::check_shared(pg::Pool& db, const CompanyId& company) const {
    std::vector<std::string> numbers;
    {
        auto tx = db.begin(pg::Scope::company(company));
        numbers = tx.values<std::string>(sql::shared_numbers, {company, !account_of(tx, company)});
        tx.commit();
    }
    if (numbers.empty()) return {};
    pg::Columns leads(3);
    const auto trace = tel::TraceContext::fresh();
    for (const auto& number : numbers) {
        auto reply = patient_.number(*deployment_, number, trace);
        if (const auto* error = std::get_if<ApiError>(&reply)) {
            if (!error->not_let_in()) return {error->why};
            tel::warn("the deployment's account at Twilio cannot be read", {{"why", error->why}});
            return {};  // its operators' concern, and no company's
        }
        const auto& listed = std::get<0>(reply);
        auto lead = listed ? lead_of(*listed) : Listing::Lead{number, kNowhere, kNowhere};
        leads.row({lead.number, lead.calls, lead.texts});
    }
    auto params = leads.params();
    params.insert(params.begin(), company);
    params.emplace_back(kLeadCure);
    auto tx = db.begin(pg::Scope::company(company));
    tx.write(sql::keep_leads, std::move(params));
    tx.commit();
    return {};
}

NumberList::Provider TwilioNumbers::provider() const { return {"twilio", sql::twilio_problem}; }

std::optional<NumberList::Asked> TwilioNumbers::asked(pg::Tx& tx, const CompanyId& company) const {
    auto account = account_of(tx, company);
    if (!account) return std::nullopt;
    return Asked{
        account->sid + "\n" + account->password.reveal(),
        [this, account = *account](How how, const tel::TraceContext& trace) { return read(how, account, trace, nullptr); }};
}

std::pair<std::string, std::string> TwilioNumbers::problem_of(const Listing& listing) const {
    if (listing.end == Listing::End::refused_key)
        return {std::string("Twilio says: ") + kNotTogether + " (" + listing.why + ").",
                "Set both again: POST /api/v1/onboarding/twilio/connect."};
    return {"Twilio shows this auth token no such account (" + listing.why + ").",
            "Check the account SID, and set both again: POST /api/v1/onboarding/twilio/connect."};
}

}  // namespace otto::company_service
