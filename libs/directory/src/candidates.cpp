// Whose an event could be, and what must change before another answer can be expected.
#include <algorithm>
#include <iterator>

#include "directory/companies.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::directory {
namespace {

constexpr std::size_t kMostClaimants =
    16;  ///< of one event, by ids that anybody may write into a profile: each costs a digest of the body
constexpr std::size_t kChangesKept = 20'000;  ///< names of what changed

std::string number_name(std::string_view e164) { return "number:" + std::string(e164); }
std::string id_name(std::string_view provider, std::string_view id) { return std::string(provider).append(":").append(id); }
std::string company_name(std::string_view id) { return "company:" + std::string(id); }

/// Less is better: a company whose credentials the provider confirmed by giving its key, one that has credentials, any other; a
/// suspended one last.
int rank(const Profile& p, std::string_view provider, Instant now) {
    if (!p.active) return 3;
    const auto& account = p.account(provider);
    auto keys = account.keys_at(now);
    if (std::any_of(keys.begin(), keys.end(), [](const Key* k) { return k->from_provider; })) return 0;
    return account.api_key ? 1 : 2;
}

bool same(const Key& a, const Key& b) {
    return a.valid_to == b.valid_to && a.from_provider == b.from_provider &&
           constant_time_equal(a.secret.reveal(), b.secret.reveal());
}

/// Whether what each key proves is the same in both, and why there is none.
bool prove_alike(const Profile& a, const Profile& b) {
    auto alike = [](const Account& x, const Account& y) {
        return x.provider == y.provider && x.api_key.has_value() == y.api_key.has_value() && x.problem == y.problem &&
               std::equal(x.signing_keys.begin(), x.signing_keys.end(), y.signing_keys.begin(), y.signing_keys.end(), same);
    };
    return a.active == b.active && std::equal(a.accounts.begin(), a.accounts.end(), b.accounts.begin(), b.accounts.end(), alike);
}

/// By which names a company is found, each with what is true of it.
using Facts = std::set<std::pair<std::string, std::string>>;
Facts facts_of(const Profile& p) {
    Facts out;
    auto bound = [](const std::optional<Instant>& at) { return at ? std::to_string(to_micros(*at)) : std::string(); };
    for (const auto& n : p.numbers)
        out.emplace(number_name(n.e164), (n.voice ? "v" : "") + std::string(n.text ? "t " : " ") + bound(n.from) + " " +
                                             bound(n.to) + " " + std::to_string(static_cast<int>(n.standing)));
    std::string all;
    for (const auto& account : p.accounts) {
        auto ids = account.company_ids;
        if (!account.id.empty()) ids.push_back(account.id);
        for (const auto& id : ids) {
            auto name = id_name(account.provider, id);
            out.emplace(name, "");
            all.append(name).append("\n");
        }
    }
    if (!p.id.value().empty()) out.emplace(company_name(p.id.value()), all);
    return out;
}

}  // namespace

std::vector<const Key*> Account::keys_at(Instant at) const {
    std::vector<const Key*> out;
    for (const auto& k : signing_keys)
        if (!k.valid_to || at < *k.valid_to) out.push_back(&k);
    return out;
}

const Account& Profile::account(std::string_view provider) const {
    static const Account none;
    auto found = std::find_if(accounts.begin(), accounts.end(), [&](const Account& a) { return a.provider == provider; });
    return found == accounts.end() ? none : *found;
}

std::optional<Standing> Profile::owns(std::string_view e164, Purpose purpose, Instant at) const {
    std::optional<Standing> out;
    for (const auto& n : numbers)
        if (n.e164 == e164 && (purpose == Purpose::voice ? n.voice : n.text) && n.covers(at) && (!out || *out < n.standing))
            out = n.standing;
    return out;
}

std::string name_of(const CompanyId& company) { return company_name(company.value()); }

std::vector<std::string> names_of(std::string_view provider, const inbound::v1::Addressee& a) {
    std::vector<std::string> out;
    if (!a.number().empty()) out.push_back(number_name(a.number()));
    if (!a.other_number().empty()) out.push_back(number_name(a.other_number()));
    for (const auto& id : a.provider_company_ids()) out.push_back(id_name(provider, id));
    if (!a.account_id().empty()) out.push_back(id_name(provider, a.account_id()));
    if (!a.claimed_company_id().empty()) out.push_back(company_name(a.claimed_company_id()));
    if (!a.mapped_company_id().empty()) out.push_back(id_name(provider, a.mapped_company_id()));
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
        if (found != candidates.end())
            return std::find_if(std::next(found), candidates.end(), is_one) == candidates.end() ? &*found : nullptr;
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

bool Companies::is_ours(std::string_view e164, Instant at, Standing least) const {
    std::shared_lock guard(lock_);
    auto ids = by_number_.find(e164);
    if (ids == by_number_.end()) return false;
    return std::any_of(ids->second.begin(), ids->second.end(), [&](const auto& id) {
        const auto& numbers = profiles_.at(id)->numbers;
        return std::any_of(numbers.begin(), numbers.end(),
                           [&](const auto& n) { return n.e164 == e164 && n.covers(at) && n.standing >= least; });
    });
}

const std::set<std::string>* Companies::with_id_locked(std::string_view provider, std::string_view id) const {
    auto ids = by_provider_.find(provider);
    if (id.empty() || ids == by_provider_.end()) return nullptr;
    auto found = ids->second.find(id);
    return found == ids->second.end() ? nullptr : &found->second;
}

std::vector<ProfilePtr> Companies::claimants_locked(std::string_view provider, const inbound::v1::Addressee& addressee,
                                                    Instant now) const {
    std::set<std::string_view> ids;
    auto add = [&](std::string_view id) {
        if (auto found = with_id_locked(provider, id)) ids.insert(found->begin(), found->end());
    };
    for (const auto& c : addressee.provider_company_ids()) add(c);
    add(addressee.account_id());
    std::vector<ProfilePtr> out;
    for (auto id : ids) out.push_back(profiles_.find(id)->second);
    if (out.size() > kMostClaimants) {
        std::stable_sort(out.begin(), out.end(),
                         [&](const auto& a, const auto& b) { return rank(*a, provider, now) < rank(*b, provider, now); });
        out.resize(kMostClaimants);
    }
    return out;
}

std::vector<Candidate> Companies::candidates(std::string_view provider, const inbound::v1::Addressee& addressee, Instant at,
                                             Instant now) const {
    std::vector<Candidate> out;
    const auto& number = addressee.number();
    const auto purpose = addressee.purpose() == inbound::v1::PURPOSE_TEXT ? Purpose::text : Purpose::voice;
    std::shared_lock guard(lock_);
    if (auto ids = by_number_.find(number); !number.empty() && ids != by_number_.end())
        for (const auto& id : ids->second) {
            const auto& p = profiles_.at(id);
            Candidate c{p, p->owns(number, purpose, at), p->owns(number, purpose, now)};
            if (c.owns_at || c.owns_now) out.push_back(std::move(c));
        }
    std::stable_sort(out.begin(), out.end(),
                     [](const auto& a, const auto& b) { return a.owns_at.has_value() > b.owns_at.has_value(); });
    auto add = [&](const ProfilePtr& p, bool other_end = false) {
        auto there = std::find_if(out.begin(), out.end(), [&](const Candidate& c) { return c.company->id == p->id; });
        if (there == out.end())
            out.push_back({p, {}, {}, other_end});
        else
            there->other_end = there->other_end && other_end;
    };
    if (auto ids = by_number_.find(addressee.other_number()); !addressee.other_number().empty() && ids != by_number_.end())
        for (const auto& id : ids->second)
            if (const auto& p = profiles_.at(id); p->owns(addressee.other_number(), purpose, at)) add(p, true);
    for (const auto& p : claimants_locked(provider, addressee, now)) add(p);
    if (auto claimed = profiles_.find(addressee.claimed_company_id()); claimed != profiles_.end()) add(claimed->second);
    return out;
}

bool Companies::mismatched(std::string_view provider, const inbound::v1::Addressee& addressee, const CompanyId& signer) const {
    const auto &named = addressee.claimed_company_id(), &mapped = addressee.mapped_company_id();
    if (named.empty() || mapped.empty()) return false;
    if (!signer.value().empty() && signer.value() != named) return true;
    std::shared_lock guard(lock_);
    auto ids_of = [&](const Profile& p) -> const std::vector<std::string>& { return p.account(provider).company_ids; };
    auto has_it = [&](const Profile& p) { return std::find(ids_of(p).begin(), ids_of(p).end(), mapped) != ids_of(p).end(); };
    auto claimed = profiles_.find(named);
    if (claimed == profiles_.end()) return true;
    if (has_it(*claimed->second)) return false;
    // Who has never said which company at the provider it is may be any that is nobody else's.
    if (!ids_of(*claimed->second).empty()) return true;
    auto others = with_id_locked(provider, mapped);
    return others &&
           std::any_of(others->begin(), others->end(), [&](const auto& id) { return has_it(*profiles_.find(id)->second); });
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
    auto from = std::upper_bound(changes_.begin(), changes_.end(), generation,
                                 [](std::uint64_t g, const auto& change) { return g < change.first; });
    std::set<std::string> names;
    for (; from != changes_.end(); ++from) names.insert(from->second);
    out.names.emplace(names.begin(), names.end());
    return out;
}

}  // namespace otto::directory
