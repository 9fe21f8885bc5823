// Whose an event could be, and what must change before another answer can be expected.
#include <algorithm>
#include <iterator>

#include "directory/companies.hpp"

namespace otto::directory {
namespace {

constexpr std::size_t kMostClaimants = 16;    ///< of one event, by ids that anybody may write into a profile: each costs a digest of the body
constexpr std::size_t kChangesKept = 20'000;  ///< names of what changed

std::string number_name(std::string_view e164) { return "number:" + std::string(e164); }
std::string callrail_name(std::string_view id) { return "callrail:" + std::string(id); }
std::string company_name(std::string_view id) { return "company:" + std::string(id); }

/// Less is better: a company whose credentials the provider confirmed by giving its key, one that has credentials, any other; a suspended one last.
int rank(const Profile& p, Instant now) {
    if (!p.active) return 3;
    auto keys = p.keys_at(now);
    if (std::any_of(keys.begin(), keys.end(), [](const Key& k) { return k.from_provider; })) return 0;
    return p.callrail_api_key ? 1 : 2;
}

bool same(const Key& a, const Key& b) { return a.valid_to == b.valid_to && a.from_provider == b.from_provider && constant_time_equal(a.secret.reveal(), b.secret.reveal()); }

/// Whether what each key proves is the same in both, and why there is none.
bool prove_alike(const Profile& a, const Profile& b) {
    return a.active == b.active && a.callrail_api_key.has_value() == b.callrail_api_key.has_value() && a.callrail_problem == b.callrail_problem &&
           std::equal(a.callrail_keys.begin(), a.callrail_keys.end(), b.callrail_keys.begin(), b.callrail_keys.end(), [](const Key& x, const Key& y) { return same(x, y); });
}

/// By which names a company is found, each with what is true of it.
using Facts = std::set<std::pair<std::string, std::string>>;
Facts facts_of(const Profile& p) {
    Facts out;
    auto bound = [](const std::optional<Instant>& at) { return at ? std::to_string(to_micros(*at)) : std::string(); };
    for (const auto& n : p.numbers)
        out.emplace(number_name(n.e164), (n.voice ? "v" : "") + std::string(n.text ? "t " : " ") + bound(n.from) + " " + bound(n.to) + " " + std::to_string(static_cast<int>(n.standing)));
    auto ids = p.callrail_company_ids;
    if (!p.callrail_account_id.empty()) ids.push_back(p.callrail_account_id);
    std::string all;
    for (const auto& id : ids) {
        out.emplace(callrail_name(id), "");
        all.append(id).append("\n");
    }
    if (!p.id.value().empty()) out.emplace(company_name(p.id.value()), all);
    return out;
}

}  // namespace

std::vector<Key> Profile::keys_at(Instant at) const {
    std::vector<Key> out;
    for (const auto& k : callrail_keys)
        if (!k.valid_to || at < *k.valid_to) out.push_back(k);
    return out;
}

std::optional<Standing> Profile::owns(std::string_view e164, Purpose purpose, Instant at) const {
    std::optional<Standing> out;
    for (const auto& n : numbers)
        if (n.e164 == e164 && (purpose == Purpose::voice ? n.voice : n.text) && n.covers(at) && (!out || *out < n.standing)) out = n.standing;
    return out;
}

std::vector<std::string> Asked::names() const {
    std::vector<std::string> out;
    if (!number.empty()) out.push_back(number_name(number));
    for (const auto& id : provider_companies) out.push_back(callrail_name(id));
    if (!account.empty()) out.push_back(callrail_name(account));
    if (!claimed_company.empty()) out.push_back(company_name(claimed_company));
    if (!mapped_company.empty()) out.push_back(callrail_name(mapped_company));
    return out;
}

bool contested(const std::vector<Candidate>& candidates, const CompanyId& signer) {
    bool another = false;
    for (const auto& c : candidates) {
        if (!c.owns_at) continue;
        if (c.company->id == signer) return false;
        another = another || (c.company->active && *c.owns_at == Standing::final_);
    }
    return another;
}

const Candidate* sole_owner(const std::vector<Candidate>& candidates) {
    for (auto owns : {&Candidate::owns_at, &Candidate::owns_now}) {
        auto is_one = [&](const Candidate& c) { return (c.*owns).has_value() && c.company->active; };
        auto found = std::find_if(candidates.begin(), candidates.end(), is_one);
        if (found != candidates.end()) return std::find_if(std::next(found), candidates.end(), is_one) == candidates.end() ? &*found : nullptr;
    }
    return nullptr;
}

std::vector<ProfilePtr> Companies::owners(std::string_view e164, Purpose purpose, Instant at) const {
    std::vector<ProfilePtr> out;
    std::shared_lock guard(lock_);
    auto ids = by_number_.find(e164);
    if (ids == by_number_.end()) return out;
    for (const auto& id : ids->second)
        if (const auto& p = profiles_.at(id); p->active && p->owns(e164, purpose, at)) out.push_back(p);
    return out;
}

std::vector<ProfilePtr> Companies::claimants_locked(const Asked& asked, Instant now) const {
    std::set<std::string_view> ids;
    auto add = [&](std::string_view key) {
        if (key.empty()) return;
        if (auto found = by_callrail_.find(key); found != by_callrail_.end()) ids.insert(found->second.begin(), found->second.end());
    };
    for (const auto& c : asked.provider_companies) add(c);
    add(asked.account);
    std::vector<ProfilePtr> out;
    for (auto id : ids) out.push_back(profiles_.find(id)->second);
    if (out.size() > kMostClaimants) {
        std::stable_sort(out.begin(), out.end(), [&](const auto& a, const auto& b) { return rank(*a, now) < rank(*b, now); });
        out.resize(kMostClaimants);
    }
    return out;
}

std::vector<Candidate> Companies::candidates(const Asked& asked, Instant at, Instant now) const {
    std::vector<Candidate> out;
    std::shared_lock guard(lock_);
    if (auto ids = by_number_.find(asked.number); !asked.number.empty() && ids != by_number_.end())
        for (const auto& id : ids->second) {
            const auto& p = profiles_.at(id);
            Candidate c{p, p->owns(asked.number, asked.purpose, at), p->owns(asked.number, asked.purpose, now)};
            if (c.owns_at || c.owns_now) out.push_back(std::move(c));
        }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.owns_at.has_value() > b.owns_at.has_value(); });
    auto add = [&](const ProfilePtr& p) {
        if (std::none_of(out.begin(), out.end(), [&](const Candidate& c) { return c.company->id == p->id; })) out.push_back({p, {}, {}});
    };
    for (const auto& p : claimants_locked(asked, now)) add(p);
    if (auto claimed = profiles_.find(asked.claimed_company); claimed != profiles_.end()) add(claimed->second);
    return out;
}

bool Companies::mismatched(const Asked& asked, const CompanyId& signer) const {
    if (asked.claimed_company.empty() || asked.mapped_company.empty()) return false;
    if (!signer.value().empty() && signer.value() != asked.claimed_company) return true;
    std::shared_lock guard(lock_);
    auto has_it = [&](const Profile& p) { return std::find(p.callrail_company_ids.begin(), p.callrail_company_ids.end(), asked.mapped_company) != p.callrail_company_ids.end(); };
    auto claimed = profiles_.find(asked.claimed_company);
    if (claimed == profiles_.end()) return true;
    if (has_it(*claimed->second)) return false;
    // Who has never said which company at CallRail it is may be any that is nobody else's.
    if (!claimed->second->callrail_company_ids.empty()) return true;
    auto others = by_callrail_.find(asked.mapped_company);
    return others != by_callrail_.end() && std::any_of(others->second.begin(), others->second.end(), [&](const auto& id) { return has_it(*profiles_.find(id)->second); });
}

void Companies::note_changes_locked(const Profile* former, const Profile* fresh) {
    auto was = former ? facts_of(*former) : Facts{}, is = fresh ? facts_of(*fresh) : Facts{};
    Facts changed;
    if (former && fresh && prove_alike(*former, *fresh)) {
        std::set_symmetric_difference(was.begin(), was.end(), is.begin(), is.end(), std::inserter(changed, changed.end()));
    } else {
        changed = std::move(was);
        changed.merge(is);
    }
    std::set<std::string> names;
    for (const auto& [name, fact] : changed) names.insert(name);
    for (const auto& name : names) changes_.emplace_back(generation_.load(), name);
    while (changes_.size() > kChangesKept) {
        changes_from_ = changes_.front().first;
        changes_.pop_front();
    }
}

Companies::Changes Companies::changed_since(std::uint64_t generation) const {
    std::shared_lock guard(lock_);
    Changes out{generation_, {}};
    if (generation < changes_from_) return out;
    auto from = std::upper_bound(changes_.begin(), changes_.end(), generation, [](std::uint64_t g, const auto& change) { return g < change.first; });
    std::set<std::string> names;
    for (; from != changes_.end(); ++from) names.insert(from->second);
    out.names.emplace(names.begin(), names.end());
    return out;
}

}  // namespace otto::directory
