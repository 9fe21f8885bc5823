#include "directory.hpp"

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
    return stored == "final" ? otto::directory::v1::STANDING_FINAL : stored == "proven" ? otto::directory::v1::STANDING_PROVEN : otto::directory::v1::STANDING_UNPROVEN;
}

}  // namespace

void DirectoryPublisher::publish(pg::Connection& db) const {
    while (true) {
        std::vector<Id> dirty;
        {
            auto tx = db.begin(pg::Scope::none());
            dirty = tx.many<Id>(sql::dirty_companies);
            tx.commit();
        }
        for (const auto& [id] : dirty) {
            auto tx = db.begin(pg::Scope::company(CompanyId{id}));
            auto version = tx.one<Version>(sql::take_dirty, {id}).version;  // holds off the triggers until this is out
            otto::directory::v1::CompanyProfile m;
            m.set_company_id(id);
            m.set_version(version);
            tx.each(sql::profile, {id}, [&](const pg::Fields& f) {
                m.set_name(f.text("name"));
                m.set_status(f.text("status"));
                m.set_timezone(f.text("timezone"));
                m.set_call_provider(f.text("call_provider"));
                m.set_callrail_account_id(f.text("callrail_account_id"));
                if (auto company = f.maybe_text("callrail_company_id")) m.add_callrail_company_ids(*company);
                if (auto config = f.maybe_text("workflow_config")) m.set_workflow_config_json(*config);
                if (auto sealed = f.maybe_text("callrail_api_key")) {
                    m.mutable_callrail_api_key()->set_sealed(*sealed);
                    m.mutable_callrail_api_key()->set_column("callrail_api_key");
                }
                auto key = [&](const std::string& column, std::optional<Instant> until) {
                    auto sealed = f.maybe_text(column);
                    if (!sealed) return;
                    auto* k = m.add_callrail_signing_keys();
                    k->set_sealed(*sealed);
                    k->set_column("callrail_signing_key");  // sealed for that place, also the former one
                    k->set_from_provider(!f.boolean(column + "_explicit"));
                    if (until) k->set_valid_to_us(to_micros(*until));
                };
                key("callrail_signing_key", {});
                if (auto until = f.time("callrail_signing_key_former_until")) key("callrail_signing_key_former", until);
            });
            tx.each(sql::profile_numbers, {id}, [&](const pg::Fields& f) {
                auto* n = m.add_numbers();
                n->set_e164(f.text("e164"));
                n->set_provider(f.text("provider"));
                n->set_standing(standing_of(f.text("standing")));
                if (f.boolean("voice")) n->add_purposes("voice");
                if (f.boolean("text")) n->add_purposes("text");
                if (auto from = f.time("valid_from")) n->set_valid_from_us(to_micros(*from));
                if (auto to = f.time("valid_to")) n->set_valid_to_us(to_micros(*to));
            });
            emitter_.emit(tx, m, tel::TraceContext::fresh());
            tx.commit();
        }
        if (dirty.size() < 500) return;
    }
}

void DirectoryPublisher::reconcile(pg::Connection& db) const {
    if (!published_.caught_up()) return;
    auto topic = published_.versions();
    auto tx = db.begin(pg::Scope::none());
    std::vector<std::string> behind;
    tx.each(sql::all_versions, {}, [&](const pg::Fields& f) {
        auto known = topic.find(f.text("company_id"));
        if (known == topic.end() || known->second < f.integer("version")) behind.push_back(f.text("company_id"));
    });
    for (const auto& id : behind) tx.write(sql::make_dirty, {id});
    tx.commit();
    if (!behind.empty()) tel::warn("otto.directory is behind the tables and is published again", {{"companies", behind.size()}});
}

}  // namespace otto::company_service
