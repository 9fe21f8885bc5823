#include "directory/companies.hpp"

#include "app/common.hpp"
#include "base/json.hpp"
#include "events/event.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::directory {
namespace {

namespace pb = otto::directory::v1;

Standing standing_from(const pb::Number& n) {
    switch (n.standing()) {
        case pb::STANDING_UNPROVEN:
            return Standing::unproven;
        case pb::STANDING_FINAL:
            return Standing::final_;
        default:
            return Standing::proven;  // also what an older record, or a later version, says
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/// What former versions said of CallRail in fields of its own becomes an account there. The topic and a snapshot hold such
/// records until company-service has published their companies anew, which it does once when it is migrated (20261129210200): a
/// release whose ingresses cannot have older snapshots can drop this, and the fields.
void bring_up_to_date(pb::CompanyProfile& m) {
    bool former = m.callrail_signing_keys_size() > 0 || m.callrail_company_ids_size() > 0 || !m.callrail_account_id().empty() ||
                  m.has_callrail_api_key() || !m.callrail_problem().empty();
    if (m.accounts_size() > 0 || !former) return;
    auto& account = *m.add_accounts();
    account.set_provider("callrail");
    account.set_account_id(m.callrail_account_id());
    account.mutable_company_ids()->Swap(m.mutable_callrail_company_ids());
    account.mutable_signing_keys()->Swap(m.mutable_callrail_signing_keys());
    if (m.has_callrail_api_key()) account.mutable_api_key()->Swap(m.mutable_callrail_api_key());
    account.set_problem(m.callrail_problem());
    account.set_problem_cure(m.callrail_problem_cure());
}
#pragma GCC diagnostic pop

std::optional<Profile> profile_from(std::string_view value, const KeyRing& keys) {
    pb::CompanyProfile m;
    if (!events::parse_into(m, value)) return std::nullopt;
    Profile p;
    p.id = CompanyId{m.company_id()};
    p.version = m.version();
    p.name = m.name();
    p.timezone = m.timezone();
    p.call_provider = m.call_provider();
    p.active = m.status() == "active";
    p.held_limited = m.held_limited();
    p.workflow_config = m.workflow_config_json();
    p.call_flow = m.call_flow_json();
    for (const auto& n : m.numbers()) {
        Number number{n.e164(), false, false, {}, {}, standing_from(n), n.provider()};
        for (const auto& purpose : n.purposes()) (purpose == "voice" ? number.voice : number.text) = true;
        if (n.has_valid_from_us()) number.from = from_micros(n.valid_from_us());
        if (n.has_valid_to_us()) number.to = from_micros(n.valid_to_us());
        number.voicemail = n.voicemail_enabled();
        p.numbers.push_back(std::move(number));
    }
    auto open = [&](const pb::SealedKey& k) -> std::optional<Secret> {
        auto opened = keys.open(k.sealed(), seal_place(m.company_id(), k.column()));
        if (opened) return *opened;
        tel::error("a company's key does not open",
                   {{"company_id", m.company_id()}, {"column", k.column()}, {"why", opened.error().message}});
        return std::nullopt;
    };
    bring_up_to_date(m);
    for (const auto& a : m.accounts()) {
        Account account{a.provider(), a.account_id(),  {a.company_ids().begin(), a.company_ids().end()}, {}, {},
                        a.problem(),  a.problem_cure()};
        for (const auto& k : a.signing_keys()) {
            auto opened = open(k);
            if (!opened) continue;
            Key key{*opened, {}, k.from_provider()};
            if (k.has_valid_to_us()) key.valid_to = from_micros(k.valid_to_us());
            account.signing_keys.push_back(std::move(key));
        }
        if (a.has_api_key()) account.api_key = open(a.api_key());
        p.accounts.push_back(std::move(account));
    }
    return p;
}

}  // namespace

Companies::Companies(Options options)
    : options_(std::move(options)),
      table_(
          {options_.brokers, options_.client_id, "otto.directory", options_.snapshot, "the companies"},
          [this](const std::string& id, std::string_view value) { apply(id, value); }, [this](const auto& take) { dump(take); }) {
}

Companies::Companies(app::Service& service, const std::string& snapshot_folder)
    : Companies(Options{
          service.settings().get(app::kKafkaBrokers),
          service.name() + "-directory",
          snapshot_folder.empty() ? "" : snapshot_folder + "/directory.snapshot",
          {},
          app::Live<KeyRing>(service.settings().live(app::kSecretKeys), [](const Secret& s) { return KeyRing::parse(s); })}) {
    service.on_start("directory", [this] { start(); });
    service.on_stop("directory", [this](Millis) { stop(); });
    service.ready_after("directory", [this] { return awaited(); });
    service.ready_when("directory", [this]() -> Result<void> {
        if (ready()) return {};
        return Error("the companies have not been read yet",
                     "Kafka does not answer, or has no topic otto.directory (ottoctl topics apply), and there is no snapshot");
    });
    service.depends_on("kafka", [this] { return kafka_answers(); });
}

Companies::~Companies() { stop(); }

bool Companies::caught_up(Millis wait) const { return table_.caught_up(wait); }

void Companies::hold_start(app::Service& service) {
    service.wait_for("directory", [this] { return awaited(); });
}

std::optional<app::Awaited> Companies::awaited() const {
    if (ready()) return std::nullopt;
    if (auto kafka = kafka_answers(); !kafka) return app::Awaited{"kafka", kafka.error().describe()};
    return app::Awaited{"directory", "the topic otto.directory is being read, or Kafka does not have it (ottoctl topics apply)"};
}

Result<void> Companies::kafka_answers() const { return table_.answers(); }

void Companies::start() { table_.start(); }

void Companies::stop() { table_.stop(); }

void Companies::drop_locked(const std::string& id) {
    auto former = profiles_.find(id);
    if (former == profiles_.end()) return;
    for (const auto& n : former->second->numbers) by_number_[n.e164].erase(id);
    for (const auto& account : former->second->accounts) {
        auto& ids = by_provider_[account.provider];
        for (const auto& c : account.company_ids) ids[c].erase(id);
        ids[account.id].erase(id);
    }
    profiles_.erase(former);
}

void Companies::apply(const std::string& company_id, std::string_view value) {
    std::optional<Profile> fresh;
    if (!value.empty()) {
        fresh = profile_from(value, options_.live ? *options_.live->now() : options_.keys);
        if (!fresh) {
            tel::error("a record of otto.directory is no company profile", {{"company_id", company_id}});
            return;
        }
    }
    std::unique_lock guard(lock_);
    if (fresh) {
        // Readers drop what is older: compaction may keep a late repeat.
        auto former = profiles_.find(company_id);
        if (former != profiles_.end() && former->second->version >= fresh->version) return;
    }
    ++generation_;
    auto former = profiles_.find(company_id);
    note_changes_locked(former == profiles_.end() ? nullptr : former->second.get(), fresh ? &*fresh : nullptr);
    drop_locked(company_id);
    raw_.erase(company_id);
    if (fresh) {
        auto profile = std::make_shared<const Profile>(std::move(*fresh));
        for (const auto& n : profile->numbers) by_number_[n.e164].insert(company_id);
        for (const auto& account : profile->accounts) {
            auto& ids = by_provider_[account.provider];
            for (const auto& c : account.company_ids) ids[c].insert(company_id);
            if (!account.id.empty()) ids[account.id].insert(company_id);
        }
        profiles_[company_id] = std::move(profile);
        raw_[company_id] = std::string(value);
    }
}

ProfilePtr Companies::find(const CompanyId& id) const {
    std::shared_lock guard(lock_);
    auto found = profiles_.find(id.value());
    return found == profiles_.end() ? nullptr : found->second;
}

std::size_t Companies::size() const {
    std::shared_lock guard(lock_);
    return profiles_.size();
}

std::map<std::string, std::int64_t> Companies::versions() const {
    std::map<std::string, std::int64_t> out;
    std::shared_lock guard(lock_);
    for (const auto& [id, p] : profiles_) out[id] = p->version;
    return out;
}

/// Secrets in what is handed over are sealed.
void Companies::dump(const std::function<void(const std::string&, std::string_view)>& take) const {
    std::map<std::string, std::string, std::less<>> copy;
    {
        std::shared_lock guard(lock_);
        copy = raw_;
    }
    for (const auto& [id, value] : copy) take(id, value);
}

}  // namespace otto::directory
