#include "callrail_numbers.hpp"

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

constexpr std::size_t kMostPages = 40;

struct Row {
    std::optional<std::string> api_key, account, company;
    static Row from(const pg::Fields& f) {
        return {f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"), f.maybe_text("callrail_company_id")};
    }
};

}  // namespace

CallRailNumbers::CallRailNumbers(const app::Settings& s, const providers::callrail::Client& patient)
    : keys_(s), patient_(patient), hasty_http_(hasty(s)), hasty_(s.get(providers::kCallRailApi), hasty_http_) {}

std::optional<CallRailNumbers::Account> CallRailNumbers::account_of(pg::Tx& tx, const CompanyId& company,
                                                                    const Given& given) const {
    auto row = tx.maybe<Row>(sql::callrail_account, {company});
    if (!row) return std::nullopt;
    auto id = given.account ? given.account : row->account;
    auto at_callrail = given.company ? given.company : row->company;
    if (!id || (!given.key && !row->api_key)) return std::nullopt;
    if (given.key) return Account{Secret(*given.key), *id, at_callrail};
    auto key = keys_.open(*row->api_key, seal_place(company.value(), "callrail_api_key"));
    if (!key) {
        tel::error("a company's CallRail key cannot be opened",
                   {{"company_id", company.value()}, {"why", key.error().message}, {"cure", key.error().hint}});
        return std::nullopt;
    }
    return Account{*key, *id, at_callrail};
}

Listing CallRailNumbers::read(How how, const Account& account, const tel::TraceContext& trace) const {
    using providers::callrail::ApiError;
    auto end_of = [](ApiError::Kind kind) {
        switch (kind) {
            case ApiError::Kind::refused_key:
                return Listing::End::refused_key;
            case ApiError::Kind::no_account:
                return Listing::End::no_account;
            case ApiError::Kind::not_found:
                return Listing::End::not_found;
            default:
                return Listing::End::no_answer;
        }
    };
    const auto& client = how == How::in_request ? hasty_ : patient_;
    const std::size_t most_pages = how == How::in_request ? 1 : kMostPages;
    Listing out;
    bool understood = true;
    for (std::size_t page = 1, pages = 1; page <= std::min(pages, most_pages); ++page) {
        auto reply = client.trackers({account.key, account.id}, account.company, page, trace);
        if (const auto* error = std::get_if<ApiError>(&reply)) {
            out.end = end_of(error->kind);
            out.why = error->why;
            return out;
        }
        const auto& list = std::get<providers::callrail::TrackerPage>(reply);
        pages = list.pages;
        out.numbers.insert(out.numbers.end(), list.numbers.begin(), list.numbers.end());
        understood = understood && list.whole;
        out.whole = understood && page >= pages;
    }
    out.end = Listing::End::good;
    return out;
}

Listing CallRailNumbers::ask(const Account& account, const tel::TraceContext& trace) const {
    return read(How::in_request, account, trace);
}

NumberList::Provider CallRailNumbers::provider() const { return {"callrail", sql::callrail_problem}; }

std::optional<NumberList::Asked> CallRailNumbers::asked(pg::Tx& tx, const CompanyId& company) const {
    auto account = account_of(tx, company);
    if (!account) return std::nullopt;
    return Asked{account->id + "\n" + account->company.value_or("") + "\n" + account->key.reveal(),
                 [this, account = *account](How how, const tel::TraceContext& trace) { return read(how, account, trace); }};
}

std::pair<std::string, std::string> CallRailNumbers::problem_of(const Listing& listing) const {
    if (listing.end == Listing::End::refused_key)
        return {"CallRail refuses the API key (" + listing.why + ").",
                "Set it again: POST /api/v1/company/set-callrail-api-key/{id}."};
    return {"CallRail shows this API key no such account (" + listing.why + ").",
            "Check the account id (POST /api/v1/company/set-callrail-account-id/{id}), or take the key of a user who sees the "
            "account."};
}

}  // namespace otto::company_service
