#include "number_list.hpp"

#include "app/common.hpp"
#include "base/crypto.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {

using namespace std::chrono_literals;

http::ClientOptions hasty(const app::Settings& s) {
    http::ClientOptions o;
    o.private_addresses = s.get(app::kPrivateAddresses);
    o.connect_timeout = 2s;
    o.total_timeout = 3s;
    o.retries = 0;
    return o;
}

void NumberList::keep(pg::Tx& tx, const CompanyId& company, const Listing& listing) const {
    if (listing.end == Listing::End::no_answer) return;
    const auto of = provider();
    if (listing.end != Listing::End::good) {
        auto [cause, cure] = problem_of(listing);
        tx.write(of.problem, {company, cause, cure});
        return;
    }
    auto numbers = pg::Param::array(listing.numbers);
    tx.write(of.problem, {company, nullptr, nullptr});
    if (listing.whole) tx.write(sql::forget_unlisted, {company, numbers, of.name});
    tx.write(sql::keep_listed, {company, numbers, of.name});
    tx.write(sql::listed_are_final, {company, numbers});
    keep_leads(tx, company, listing);
}

void NumberList::consult(pg::Pool& pool, const CompanyId& company, const tel::TraceContext& trace) const {
    std::optional<Asked> account;
    {
        auto tx = pool.begin(pg::Scope::company(company));
        account = asked(tx, company);
        tx.commit();
    }
    if (!account) return;
    auto listing = account->read(How::in_request, trace);
    auto tx = pool.begin(pg::Scope::company(company));
    keep(tx, company, listing);
    tx.commit();
}

CheckResult NumberList::check(pg::Pool& db, const CompanyId& company) const {
    auto account = [&] {
        auto tx = db.begin(pg::Scope::company(company));
        auto found = asked(tx, company);
        tx.commit();
        return found;
    };
    auto before = account();
    if (!before) return {};
    auto listing = before->read(How::patiently, tel::TraceContext::fresh());
    if (listing.end == Listing::End::no_answer) return {listing.why};
    if (auto now = account(); !now || !constant_time_equal(now->with, before->with)) return {};  // another check is due already
    auto tx = db.begin(pg::Scope::company(company));
    keep(tx, company, listing);
    tx.commit();
    if (listing.end != Listing::End::good)
        tel::warn("a company's account at a provider cannot be read",
                  {{"company_id", company.value()}, {"provider", provider().name}, {"why", listing.why}});
    return {};
}

}  // namespace otto::company_service
