#include "members.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "company-service/sql.hpp"
#include "identity/token.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::company_service {
namespace {

const tel::Counters kRepaired{"otto_members_repaired_total",
                              "Members whose webhooks never came, found by a look at Clerk's list, by what was repaired.",
                              {"what"}};
const tel::Counters kUnlikely{
    "otto_members_unlikely_lists_total",
    "Lists of members at Clerk that would have removed more than half of a company, and changed nothing."};

constexpr std::size_t kMost = 10'000;
/// Who became a member so long before Clerk was asked may be missing from its answer.
constexpr std::int64_t kSettled = 60'000;

struct Known {
    std::string email, name, role, word, status;
    std::int64_t clerk_updated_at = 0;
};

bool differs(const Known& row, const MemberFact& said) {
    auto role = identity::role_from(said.clerk_role);
    auto same_role = role ? row.role == identity::to_text(*role) : row.word == said.clerk_role && row.role.empty();
    return row.status != "active" || !same_role || row.email != said.email.value_or("") || row.name != said.name.value_or("");
}

}  // namespace

Result<std::optional<Members::Listing>> Members::list(const CompanyId& company) const {
    Listing listing;
    listing.asked_at = to_micros(system_clock().now()) / 1'000;
    for (std::size_t read = 0, total = 1; read < total;) {
        auto reply = clerk_.memberships(company.value(), read, tel::TraceContext::fresh());
        if (const auto* error = std::get_if<providers::clerk::ApiError>(&reply)) {
            if (error->status == 404) return std::optional<Listing>{};  // a company that was made here, not there
            return Error(error->why);
        }
        const auto& page = std::get<providers::clerk::MemberPage>(reply);
        for (const auto& m : page.members)
            listing.members.push_back({UserId{m.user}, m.role, m.email, m.name, false,
                                       m.updated_at > 0 ? m.updated_at : listing.asked_at, listing.asked_at});
        read += page.read;
        listing.whole = listing.whole && page.whole && page.total <= kMost && (page.read > 0 || read >= page.total);
        total = page.read == 0 ? read : std::min(page.total, kMost);
    }
    return std::optional(std::move(listing));
}

CheckResult Members::check(pg::Pool& db, const CompanyId& company) const {
    if (!clerk_.keyed()) return {};
    auto listed = list(company);
    if (!listed) return {listed.error().message};
    if (!*listed) return {};
    auto& listing = **listed;
    auto tx = db.begin(pg::Scope::company(company));
    std::map<std::string, Known> rows;
    std::set<std::string> missing;
    std::size_t active = 0;
    std::map<std::string, bool> on_list;
    for (const auto& m : listing.members) on_list[m.user.value()] = true;
    tx.each(sql::members_of, {company}, [&](const pg::Fields& f) {
        Known row{f.text("email"),        f.text("name"),   f.text("role"),
                  f.text("role_unknown"), f.text("status"), f.integer("clerk_updated_at")};
        auto id = f.text("id");
        active += row.status == "active" && f.boolean("at_clerk");
        // Whom Clerk never told of (a person with SQL put them in) its silence does not remove.
        if (row.status == "active" && f.boolean("at_clerk") && !on_list.contains(id) &&
            row.clerk_updated_at < listing.asked_at - kSettled)
            missing.insert(id);
        rows.emplace(std::move(id), std::move(row));
    });
    std::vector<MemberFact> facts;
    for (auto& m : listing.members) {
        auto row = rows.find(m.user.value());
        if (row == rows.end() || differs(row->second, m)) facts.push_back(m);
    }
    if (!missing.empty() && listing.whole && (listing.members.empty() || missing.size() * 2 > active)) {
        kUnlikely().inc();
        tel::error("Clerk's list would remove more than half of a company's members, and changes nothing",
                   {{"company_id", company.value()}, {"members", active}, {"missing", missing.size()}});
    } else if (listing.whole) {
        for (const auto& id : missing) facts.push_back({UserId{id}, "", {}, {}, true, rows[id].clerk_updated_at, 0});
    }
    auto changes = MemberBook::take(tx, company, facts);
    MemberBook::on_record(tx, company, changes, rt::Actor::system);
    tx.commit();
    for (const auto& change : changes) {
        kRepaired({change.is.ends_with(" removed") ? "removed" : change.was.empty() ? "missing" : "changed"}).inc();
        tel::info("a member was otherwise at Clerk",
                  {{"company_id", company.value()}, {"user_id", change.user.value()}, {"was", change.was}, {"is", change.is}});
    }
    return {};
}

}  // namespace otto::company_service
