#include "directory.hpp"

#include <limits>

#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

struct Id {
    std::string id;
    static Id from(const pg::Fields& f) { return {f.text("company_id")}; }
};
struct Version {
    std::int64_t version;
    static Version from(const pg::Fields& f) { return {f.integer("version")}; }
};

otto::directory::v1::Standing standing_of(std::string_view stored) {
    return stored == "final"    ? otto::directory::v1::STANDING_FINAL
           : stored == "proven" ? otto::directory::v1::STANDING_PROVEN
                                : otto::directory::v1::STANDING_UNPROVEN;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/// Services are rolled out one after another: an ingress of the last release that read no keys would hold every webhook. The next
/// release no longer says it twice.
void say_formerly(otto::directory::v1::CompanyProfile& m) {
    for (const auto& account : m.accounts()) {
        if (account.provider() != "callrail") continue;
        m.set_callrail_account_id(account.account_id());
        *m.mutable_callrail_company_ids() = account.company_ids();
        *m.mutable_callrail_signing_keys() = account.signing_keys();
        if (account.has_api_key()) *m.mutable_callrail_api_key() = account.api_key();
        m.set_callrail_problem(account.problem());
        m.set_callrail_problem_cure(account.problem_cure());
    }
}
#pragma GCC diagnostic pop

}  // namespace

otto::directory::v1::CompanyProfile profile_of(pg::Tx& tx, const CompanyId& company) {
    otto::directory::v1::CompanyProfile m;
    m.set_company_id(company.value());
    tx.each(sql::profile, {company}, [&](const pg::Fields& f) {
        m.set_name(f.text("name"));
        m.set_status(f.text("status"));
        m.set_timezone(f.text("timezone"));
        m.set_call_provider(f.text("call_provider"));
        if (auto config = f.maybe_text("workflow_config")) m.set_workflow_config_json(*config);
        if (auto flow = f.maybe_text("call_flow")) m.set_call_flow_json(*flow);
        if (auto area = f.maybe_text("service_area")) m.set_service_area_json(*area);
        m.set_held_limited(f.boolean("held_limited"));
    });
    tx.each(sql::profile_accounts, {company}, [&](const pg::Fields& f) {
        auto& account = *m.add_accounts();
        account.set_provider(f.text("provider"));
        account.set_account_id(f.text("account_id"));
        if (auto id = f.maybe_text("provider_company_id")) account.add_company_ids(*id);
        if (auto sealed = f.maybe_text("api_key")) {
            account.mutable_api_key()->set_sealed(*sealed);
            account.mutable_api_key()->set_column(f.text("api_key_column"));
        }
        auto key = [&](const char* name, const char* from_provider, std::optional<Instant> until) {
            auto sealed = f.maybe_text(name);
            if (!sealed) return;
            auto& k = *account.add_signing_keys();
            k.set_sealed(*sealed);
            k.set_column(f.text("signing_key_column"));
            k.set_from_provider(f.boolean(from_provider));
            if (until) k.set_valid_to_us(to_micros(*until));
        };
        key("signing_key", "from_provider", {});
        key("former_key", "former_from_provider", f.time("former_until"));
        account.set_problem(f.text("problem"));
        account.set_problem_cure(f.text("problem_cure"));
    });
    tx.each(sql::profile_numbers, {company}, [&](const pg::Fields& f) {
        auto* n = m.add_numbers();
        n->set_e164(f.text("e164"));
        n->set_provider(f.text("provider"));
        n->set_standing(standing_of(f.text("standing")));
        n->set_voicemail_enabled(f.boolean("voicemail_enabled"));
        if (f.boolean("voice")) n->add_purposes("voice");
        if (f.boolean("text")) n->add_purposes("text");
        if (auto from = f.time("valid_from")) n->set_valid_from_us(to_micros(*from));
        if (auto to = f.time("valid_to")) n->set_valid_to_us(to_micros(*to));
    });
    say_formerly(m);
    return m;
}

void must_fit_directory(api::Context& c, const CompanyId& company, const std::string& field) {
    must_fit_directory(c.tx_as(company), company, field, 0);
}

void must_fit_directory(pg::Tx& tx, const CompanyId& company, const std::string& field, std::size_t more) {
    auto profile = profile_of(tx, company);
    profile.set_version(std::numeric_limits<std::int64_t>::max());
    auto most = rt::largest_event<otto::directory::v1::CompanyProfile>(), bytes = profile.ByteSizeLong() + more;
    if (bytes > most)
        api::refuse_field(field, "makes the company larger than what can be told of one: " + std::to_string(bytes) +
                                     " bytes, of which " + std::to_string(most) +
                                     " are possible; shorten workflow_config or call_flow, or end numbers that are not needed "
                                     "(DELETE /api/v1/numbers/{id})");
}

void DirectoryPublisher::publish_one(pg::Connection& db, const CompanyId& company) const {
    auto known = published_.find(company);
    auto tx = db.begin(pg::Scope::company(company));
    auto version = tx.one<Version>(sql::take_dirty, {company, known ? known->version : 0})
                       .version;  // holds off the triggers until this is out
    auto profile = profile_of(tx, company);
    profile.set_version(version);
    try {
        emitter_.emit(tx, profile, tel::TraceContext::fresh());
    } catch (const rt::EventTooLarge& e) {
        // Commands refuse what would not fit, a person with SQL need not. The others go on; the check finds it again until it
        // fits.
        tel::error("a company is too large to be told on otto.directory: what changed in it takes no effect",
                   {{"company_id", company.value()},
                    {"why", e.what()},
                    {"cure", "shorten its workflow_config or call_flow, or end numbers"}});
    }
    tx.commit();
}

void DirectoryPublisher::publish(pg::Connection& db) const {
    while (true) {
        std::vector<Id> dirty;
        {
            auto tx = db.begin(pg::Scope::none());
            dirty = tx.many<Id>(sql::dirty_companies);
            tx.commit();
        }
        for (const auto& [id] : dirty) publish_one(db, CompanyId{id});
        if (dirty.size() < 500) return;
    }
}

void DirectoryPublisher::reconcile(pg::Connection& db) const {
    if (published_.caught_up()) reconcile(db, published_.versions());
}

void DirectoryPublisher::reconcile(pg::Connection& db, const std::map<std::string, std::int64_t>& topic) const {
    auto tx = db.begin(pg::Scope::none());
    std::map<std::string, std::int64_t> differing;  // and what the topic has of them
    std::size_t known = 0;
    tx.each(sql::all_versions, {}, [&](const pg::Fields& f) {
        auto found = topic.find(f.text("company_id"));
        if (found != topic.end()) ++known;
        auto there = found == topic.end() ? 0 : found->second;
        if (!f.boolean("dirty") && there != f.integer("version")) differing.emplace(f.text("company_id"), there);
    });
    for (const auto& [id, version] : differing) tx.write(sql::make_dirty, {id, version});
    tx.commit();
    if (!differing.empty())
        tel::warn("otto.directory has companies otherwise than the tables, and they are published again",
                  {{"companies", differing.size()}});
    if (known < topic.size())
        tel::error(
            "otto.directory knows companies that the database does not: was it restored to a moment before they were made?",
            {{"companies", topic.size() - known}});
}

}  // namespace otto::company_service
