#include "callrail_numbers.hpp"

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostPages = 40;

struct Row {
    std::optional<std::string> api_key, account, company;
    static Row from(const pg::Fields& f) {
        return {f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"), f.maybe_text("callrail_company_id")};
    }
};

http::ClientOptions hasty(const app::Settings& s) {
    http::ClientOptions o;
    o.private_addresses = s.get(app::kPrivateAddresses);
    o.connect_timeout = 2s;
    o.total_timeout = 3s;
    o.retries = 0;
    return o;
}

}  // namespace

CallRailNumbers::CallRailNumbers(const app::Settings& s, const providers::callrail::Client& patient)
    : keys_(KeyRing::parse(s.get(app::kSecretKeys)).value()),
      patient_(patient),
      hasty_http_(hasty(s)),
      hasty_(s.get(providers::kCallRailApi), hasty_http_) {}

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

Listing CallRailNumbers::read(const providers::callrail::Client& client, const Account& account, std::size_t most_pages,
                              const tel::TraceContext& trace) {
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
    return read(hasty_, account, 1, trace);
}

void CallRailNumbers::keep(pg::Tx& tx, const CompanyId& company, const Listing& listing) {
    switch (listing.end) {
        case Listing::End::no_answer:
            return;
        case Listing::End::refused_key:
            tx.write(sql::callrail_problem, {company, "CallRail refuses the API key (" + listing.why + ").",
                                             "Set it again: POST /api/v1/company/set-callrail-api-key/{id}."});
            return;
        case Listing::End::no_account:
        case Listing::End::not_found:
            tx.write(sql::callrail_problem, {company, "CallRail shows this API key no such account (" + listing.why + ").",
                                             "Check the account id (POST /api/v1/company/set-callrail-account-id/{id}), or take "
                                             "the key of a user who sees the account."});
            return;
        case Listing::End::good:
            break;
    }
    auto numbers = pg::Param::array(listing.numbers);
    tx.write(sql::callrail_problem, {company, nullptr, nullptr});
    if (listing.whole) tx.write(sql::forget_unlisted, {company, numbers});
    tx.write(sql::keep_listed, {company, numbers});
    tx.write(sql::listed_are_final, {company, numbers});
}

void CallRailNumbers::consult(pg::Pool& pool, const CompanyId& company, const tel::TraceContext& trace) const {
    std::optional<Account> account;
    {
        auto tx = pool.begin(pg::Scope::company(company));
        account = account_of(tx, company);
        tx.commit();
    }
    if (!account) return;
    auto listing = ask(*account, trace);
    auto tx = pool.begin(pg::Scope::company(company));
    keep(tx, company, listing);
    tx.commit();
}

CheckResult CallRailNumbers::check(pg::Pool& db, const CompanyId& company) const {
    auto account = [&] {
        auto tx = db.begin(pg::Scope::company(company));
        auto found = account_of(tx, company);
        tx.commit();
        return found;
    };
    auto asked = account();
    if (!asked) return {};
    auto listing = read(patient_, *asked, kMostPages, tel::TraceContext::fresh());
    if (listing.end == Listing::End::no_answer) return {listing.why};
    if (auto now = account(); !now || now->id != asked->id || now->company != asked->company ||
                              !constant_time_equal(now->key.reveal(), asked->key.reveal()))
        return {};  // another check is due already
    auto tx = db.begin(pg::Scope::company(company));
    keep(tx, company, listing);
    tx.commit();
    if (listing.end != Listing::End::good)
        tel::warn("a company's account at CallRail cannot be read", {{"company_id", company.value()}, {"why", listing.why}});
    return {};
}

}  // namespace otto::company_service
