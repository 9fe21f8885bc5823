#include "identity/members.hpp"

#include "app/common.hpp"
#include "identity/settings.hpp"
#include "otto/members/v1/members.pb.h"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::identity {
namespace {

namespace pb = otto::members::v1;

const tel::Gauges kKnown{"otto_members_known", "Members of whom otto.members tells, as this process has them in memory."};

/// A separator that no id has.
std::string key_of(std::string_view company, std::string_view user) {
    std::string key;
    key.reserve(company.size() + user.size() + 1);
    return key.append(company).append(":").append(user);
}

}  // namespace

Members::Members(Options options, const Clock& clock)
    : clock_(clock),
      table_(
          {options.brokers, options.client_id, "otto.members", options.snapshot, "the members"},
          [this](const std::string& key, std::string_view value) { apply(key, value); },
          [this](const auto& take) { dump(take); }) {}

std::shared_ptr<Members> Members::of_process(const app::Settings& settings) {
    static std::mutex lock;
    static std::weak_ptr<Members> made;
    std::lock_guard guard(lock);
    auto members = made.lock();
    if (!members) {
        members =
            std::make_shared<Members>(Options{settings.get(app::kKafkaBrokers), "otto-members", settings.get(kMembersSnapshot)});
        made = members;
    }
    return members;
}

void Members::start() {
    std::call_once(started_, [this] { table_.start(); });
}

Result<void> Members::whether_known() const {
    if (table_.caught_up()) return {};
    auto from = table_.snapshot_of();
    if (from && clock_.now() - *from <= kSnapshotLasts) return {};
    return Error(from ? "the snapshot of who is a member is older than an hour" : "who is a member has not been read yet",
                 "Kafka does not answer, or has no topic otto.members (ottoctl topics apply)");
}

bool Members::known() const { return static_cast<bool>(whether_known()); }

void Members::apply(std::string_view key, std::string_view value) {
    pb::Member m;
    if (!value.empty() && !m.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
        tel::error("a record of otto.members is no member", {{"key", key}});
        return;
    }
    std::unique_lock guard(lock_);
    auto found = entries_.find(key);
    if (value.empty()) {
        if (found != entries_.end()) entries_.erase(found);
    } else {
        // Readers drop what is older: compaction may keep a late repeat.
        if (found != entries_.end() && found->second.version >= m.version()) return;
        auto role = role_from(m.role());
        Entry entry{m.version(), m.changed_at_us(), m.status() == pb::STATUS_REMOVED,
                    static_cast<std::int8_t>(role ? static_cast<int>(*role) : -1)};
        if (found != entries_.end())
            found->second = entry;
        else
            entries_.emplace(std::string(key), entry);
    }
    kKnown().set(static_cast<double>(entries_.size()));
}

std::optional<Members::Standing> Members::find(std::string_view company, std::string_view user) const {
    auto key = key_of(company, user);
    std::shared_lock guard(lock_);
    auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    const auto& e = found->second;
    return Standing{e.removed, e.role < 0 ? std::nullopt : std::optional(static_cast<Role>(e.role)),
                    from_micros(e.changed_at_us)};
}

std::int64_t Members::version_of(std::string_view company, std::string_view user) const {
    auto key = key_of(company, user);
    std::shared_lock guard(lock_);
    auto found = entries_.find(key);
    return found == entries_.end() ? 0 : found->second.version;
}

std::map<std::string, Members::Sum, std::less<>> Members::sums() const {
    std::map<std::string, Sum, std::less<>> all;
    std::shared_lock guard(lock_);
    for (const auto& [key, e] : entries_) {
        auto company = std::string_view(key).substr(0, key.find(':'));
        auto found = all.find(company);
        auto& sum = found != all.end() ? found->second : all[std::string(company)];
        ++sum.members;
        sum.versions ^= e.version;
    }
    return all;
}

std::size_t Members::size() const {
    std::shared_lock guard(lock_);
    return entries_.size();
}

void Members::dump(const std::function<void(const std::string&, std::string_view)>& take) const {
    std::shared_lock guard(lock_);
    for (const auto& [key, e] : entries_) {
        pb::Member m;
        m.set_version(e.version);
        m.set_changed_at_us(e.changed_at_us);
        m.set_status(e.removed ? pb::STATUS_REMOVED : pb::STATUS_ACTIVE);
        if (e.role >= 0) m.set_role(std::string(to_text(static_cast<Role>(e.role))));
        take(key, m.SerializeAsString());
    }
}

}  // namespace otto::identity
