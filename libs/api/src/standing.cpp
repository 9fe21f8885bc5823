#include "standing.hpp"

namespace otto::api {
namespace {

constexpr pg::Query kStatusOf{"api.company_status", "SELECT status FROM companies WHERE id = $1"};
constexpr Millis kLasts{3'000};
constexpr std::size_t kMost = 10'000;

}  // namespace

Standing::Is Standing::of(const CompanyId& company) {
    auto now = system_clock().now();
    {
        std::lock_guard guard(lock_);
        if (auto found = known_.find(company);
            found != known_.end() && now >= found->second.at && now - found->second.at < kLasts)
            return found->second.is;
    }
    auto is = Is::none;
    auto tx = pool_.begin(pg::Scope::company(company));
    tx.each(kStatusOf, {company},
            [&](const pg::Fields& row) { is = row.text("status") == "suspended" ? Is::suspended : Is::active; });
    tx.commit();
    if (is == Is::none) return is;
    std::lock_guard guard(lock_);
    if (known_.size() >= kMost) known_.clear();
    known_.insert_or_assign(company, Known{is, now});
    return is;
}

}  // namespace otto::api
