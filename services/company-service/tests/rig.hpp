#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/common.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "commands.hpp"
#include "numbers.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

/// company-service's commands on a real, migrated Postgres, as its own role, without HTTP and Kafka. One database for the process: companies have ids of their own.
namespace otto::company_service {

struct Answer {
    int status = 0;
    std::string body;    ///< of a refusal: its detail
    std::string field;   ///< the first that a refusal names
    std::string data(std::string_view name) const {
        auto parsed = JsonDocument::parse(body);
        return parsed ? parsed->root()["data"][name].loose_text().value_or("") : "";
    }
};

class Rig {
public:
    static Rig& shared() {
        static Rig rig;
        return rig;
    }
    /// As the database's owner, who sees everything.
    void sql(const std::string& text, pg::Params params = {}) {
        auto tx = owner_.begin(pg::Scope::none());
        tx.write({name_of(text), text}, std::move(params));
        tx.commit();
    }
    std::string value(const std::string& text, pg::Params params = {}) {
        std::string out;
        auto tx = owner_.begin(pg::Scope::none());
        tx.each({name_of(text), text}, std::move(params), [&](const pg::Fields& f) { out = f.text("v"); });
        return out;
    }
    void each(const std::string& text, const std::function<void(const pg::Fields&)>& row) {
        auto tx = owner_.begin(pg::Scope::none());
        tx.each({name_of(text), text}, {}, row);
        tx.commit();
    }
    Secret service_url() const { return testkit::TestPostgres::as_role(url_, "otto_company_service"); }
    void company(const std::string& id, const std::string& phone = "") {
        sql("INSERT INTO companies (id, name, phone_number) VALUES ($1, $1, nullif($2, ''))", {id, phone});
    }
    using Command = std::function<http::Response(identity::Context&)>;
    Answer ask(const std::string& company, const Command& command, const std::string& body = "", const std::string& id = "", const std::string& user = "user_m") {
        http::Request request;
        request.body = body;
        request.path_params = {{"id", id}};
        request.received_at = system_clock().now();
        identity::Principal who;
        who.user = UserId{user};
        if (!company.empty()) who.company = CompanyId{company};
        who.role = identity::Role::manager;
        identity::Context context(request, who, pool_);
        try {
            auto answer = command(context);
            if (answer.status < 300) context.tx_as(CompanyId{company}).commit();
            return {answer.status, answer.body, ""};
        } catch (const identity::Refusal& r) {
            return {r.problem.status, r.problem.detail, r.problem.fields.empty() ? "" : r.problem.fields.front().first};
        }
    }
    Answer add(const std::string& company, const std::string& number, const std::string& more = "") {
        return ask(company, [&](auto& c) { return numbers.add(c); }, R"({"e164":")" + number + "\"" + more + "}");
    }
    Answer end(const std::string& company, const std::string& id) {
        return ask(company, [&](auto& c) { return numbers.end(c); }, "", id);
    }
    Answer update(const std::string& company, const std::string& body) {
        return ask(company, [&](auto& c) { return commands.update(c); }, body, company);
    }
    /// A webhook that the company's key signed came for a number.
    void prove(const std::string& company, const std::string& number, bool final_proof = false) {
        changes::v1::NumberProven event;
        event.set_company_id(company);
        event.set_e164(number);
        event.set_provider("callrail");
        event.set_final_proof(final_proof);
        std::vector<std::function<void(pg::Tx&)>> closing;
        rt::Envelope meta;
        std::string intent = "proof";
        rt::Sink sink("company-service");
        rt::Out<> out(sink);
        REQUIRE(numbers.note_proof(rt::Call<changes::v1::NumberProven>{event, meta, intent, closing}, out).settled());
        auto tx = pool_.begin(pg::Scope::company(CompanyId{company}));
        for (const auto& write : closing) write(tx);
        tx.commit();
    }
    /// A webhook that the company's key signed came for a number that nobody had registered (tenant-router's table).
    void saw(const std::string& company, const std::string& number) {
        sql("INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) VALUES ($1, $2, 'callrail', now(), now())", {company, number});
    }
    std::string standing(const std::string& company, const std::string& number) {
        return value("SELECT coalesce(string_agg(standing || CASE WHEN valid_to IS NULL AND is_active THEN '' ELSE ' past' END, ', ' ORDER BY created_at, id), 'none') AS v FROM company_numbers WHERE company_id = $1 AND e164 = $2",
                     {company, number});
    }
    /// A number that no other test uses.
    static std::string fresh_number() {
        static int n = 0;
        auto digits = std::to_string(1'000'000 + n++);
        return "+1202" + digits;
    }
    pg::Pool& pool() { return pool_; }

private:
    /// Statements are told apart by their names, of which Postgres sees 63 bytes.
    const std::string& name_of(const std::string& text) { return names_.try_emplace(text, "q" + std::to_string(names_.size())).first->second; }
    static Secret migrated() {
        auto url = testkit::TestPostgres::shared().fresh_database();
        pg::Connection db(url, "test");
        auto done = pg::migrate(db, schema::all());
        if (!done.ok()) throw std::runtime_error(done.error().describe());
        return url;
    }
    std::map<std::string, std::string> names_;
    Secret url_ = migrated();
    pg::Connection owner_{url_, "test"};
    pg::Pool pool_{testkit::TestPostgres::as_role(url_, "otto_company_service"), "test", 4};
    http::Client client_{{}};

public:
    static app::Settings settings() {
        return app::Settings::load({app::kSecretKeys.row, app::kPublicUrl.row, kClerkApi.row, kClerkSecretKey.row, kCallRailApi.row, kKeyGrace.row, kUnprovenNumbers.row}, {},
                                   {{"OTTO_SECRET_KEYS", "k1:" + base64_encode(std::string(32, 'k'))}, {"OTTO_CLERK_SECRET_KEY", "sk_test"}, {"OTTO_CLERK_API", "http://127.0.0.1:1"}, {"OTTO_UNPROVEN_NUMBERS", "3"}})
            .value();
    }
    Numbers numbers{settings()};
    Commands commands{settings(), client_, pool_, numbers};
};

}  // namespace otto::company_service
