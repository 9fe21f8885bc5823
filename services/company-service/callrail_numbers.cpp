#include "callrail_numbers.hpp"

#include "app/common.hpp"
#include "base/json_page.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

using namespace std::chrono_literals;

constexpr int kPerPage = 250;
constexpr std::size_t kMostPages = 40;

struct Row {
    std::optional<std::string> api_key, account, company;
    static Row from(const pg::Fields& f) { return {f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"), f.maybe_text("callrail_company_id")}; }
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

Result<TrackerPage> read_trackers(std::string_view json, const std::optional<std::string>& callrail_company_id) {
    auto parsed = JsonPage::parse(json, "trackers");
    if (!parsed || !parsed->document.root()["trackers"].is_array()) return Error("CallRail's answer holds no list of trackers");
    TrackerPage page;
    page.whole = parsed->unfit.empty();
    auto root = parsed->document.root(), list = root["trackers"], total = root["total_pages"];
    auto pages = total.loose_integer();
    if (!pages && total.exists() && !total.is_null()) page.whole = false;
    page.pages = static_cast<std::size_t>(std::max<std::int64_t>(1, pages.value_or(1)));
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto tracker = list.at(i);
        if (tracker["status"].string() == "disabled") continue;
        if (callrail_company_id && tracker["company"]["id"].loose_text() != callrail_company_id) continue;
        auto numbers = tracker["tracking_numbers"];
        if (!tracker.is_object() || (numbers.exists() && !numbers.is_null() && !numbers.is_array())) page.whole = false;
        for (std::size_t n = 0; numbers.is_array() && n < numbers.size(); ++n) {
            auto number = numbers.at(n);
            if (!number.is_string() && !number.is_number()) page.whole = false;
            if (auto phone = normalize_phone(number.loose_text().value_or("")); phone.e164) page.numbers.push_back(phone.text);
        }
    }
    return page;
}

CallRailNumbers::CallRailNumbers(const app::Settings& s, http::Client& patient)
    : keys_(KeyRing::parse(s.get(app::kSecretKeys)).value()), api_(s.get(kCallRailApi)), patient_(patient), hasty_(hasty(s)) {}

std::optional<CallRailNumbers::Account> CallRailNumbers::account_of(pg::Tx& tx, const CompanyId& company, const Given& given) const {
    auto row = tx.maybe<Row>(sql::callrail_account, {company});
    if (!row) return std::nullopt;
    auto id = given.account ? given.account : row->account;
    auto at_callrail = given.company ? given.company : row->company;
    if (!id || (!given.key && !row->api_key)) return std::nullopt;
    if (given.key) return Account{Secret(*given.key), *id, at_callrail};
    auto key = keys_.open(*row->api_key, seal_place(company.value(), "callrail_api_key"));
    if (!key) {
        tel::error("a company's CallRail key cannot be opened", {{"company_id", company.value()}, {"why", key.error().message}, {"cure", key.error().hint}});
        return std::nullopt;
    }
    return Account{*key, *id, at_callrail};
}

Listing CallRailNumbers::read(http::Client& client, const Account& account, std::size_t most_pages, const tel::TraceContext& trace) const {
    Listing out;
    auto refused = [&](Listing::End end, int status) {
        out.end = end;
        out.why = "CallRail answered " + std::to_string(status);
        return out;
    };
    bool understood = true;
    for (std::size_t page = 1, pages = 1; page <= std::min(pages, most_pages); ++page) {
        http::ClientRequest request{http::Method::get, api_ + "/v3/a/" + percent_encode(account.id) + "/trackers.json?per_page=" + std::to_string(kPerPage) + "&page=" + std::to_string(page), {}, "", trace};
        request.headers.add("Authorization", "Token token=\"" + account.key.reveal() + "\"");
        request.headers.add("Accept", "application/json");
        auto answer = client.send(request);
        if (!answer) {
            out.why = "CallRail does not answer: " + answer.error().message;
            return out;
        }
        if (answer->status == 401) return refused(Listing::End::refused_key, 401);
        if (answer->status == 403) return refused(Listing::End::no_account, 403);
        if (answer->status == 404) return refused(Listing::End::not_found, 404);
        if (answer->status != 200) return refused(Listing::End::no_answer, answer->status);
        auto list = read_trackers(answer->body, account.company);
        if (!list) {
            out.why = list.error().message;
            return out;
        }
        pages = list->pages;
        out.numbers.insert(out.numbers.end(), list->numbers.begin(), list->numbers.end());
        understood = understood && list->whole;
        out.whole = understood && page >= pages;
    }
    out.end = Listing::End::good;
    return out;
}

Listing CallRailNumbers::ask(const Account& account, const tel::TraceContext& trace) const { return read(hasty_, account, 1, trace); }

void CallRailNumbers::keep(pg::Tx& tx, const CompanyId& company, const Listing& listing) {
    switch (listing.end) {
        case Listing::End::no_answer: return;
        case Listing::End::refused_key:
            tx.write(sql::callrail_problem, {company, "CallRail refuses the API key (" + listing.why + ").", "Set it again: POST /api/v1/company/set-callrail-api-key/{id}."});
            return;
        case Listing::End::no_account:
        case Listing::End::not_found:
            tx.write(sql::callrail_problem, {company, "CallRail shows this API key no such account (" + listing.why + ").",
                                             "Check the account id (POST /api/v1/company/set-callrail-account-id/{id}), or take the key of a user who sees the account."});
            return;
        case Listing::End::good: break;
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
    if (auto now = account(); !now || now->id != asked->id || now->company != asked->company || !constant_time_equal(now->key.reveal(), asked->key.reveal())) return {};  // another check is due already
    auto tx = db.begin(pg::Scope::company(company));
    keep(tx, company, listing);
    tx.commit();
    if (listing.end != Listing::End::good) tel::warn("a company's account at CallRail cannot be read", {{"company_id", company.value()}, {"why", listing.why}});
    return {};
}

}  // namespace otto::company_service
