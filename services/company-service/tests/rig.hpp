#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "app/common.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "commands.hpp"
#include "creations.hpp"
#include "http/server.hpp"
#include "members.hpp"
#include "numbers.hpp"
#include "onboarding.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

/// company-service's commands on a real, migrated Postgres, as its own role, without HTTP and Kafka. One database for the
/// process: companies have ids of their own.
namespace otto::company_service {

struct Answer {
    int status = 0;
    std::string body;   ///< of a refusal: its detail
    std::string field;  ///< the first that a refusal names
    std::string data(std::string_view name) const {
        auto parsed = JsonDocument::parse(body);
        return parsed ? parsed->root()["data"][name].loose_text().value_or("") : "";
    }
};

/// CallRail and Clerk: answers by path, 404 for others.
class Peer {
public:
    Peer() {
        auto router = std::make_shared<http::Router>();
        auto answer = [this](const http::Request& r) {
            std::lock_guard guard(lock_);
            ++asked_[std::string(http::to_text(r.method)) + " " + r.path];
            auto found = answers_.find(r.path);
            return found == answers_.end() ? http::Response::json(404, "{}")
                                           : http::Response::json(found->second.first, found->second.second);
        };
        for (auto path :
             {"/v3/a/{account}/trackers.json", "/v3/a/{account}/integrations.json", "/v1/organizations/{id}/memberships"})
            router->add(http::Method::get, path, answer);
        for (auto path :
             {"/2010-04-01/Accounts/{account}", "/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json",
              "/2010-04-01/Accounts/{account}/Messages.json", "/2010-04-01/Accounts/{account}/Messages/{sid}/Media.json"})
            router->add(http::Method::get, path, answer);
        router->add(http::Method::post, "/v1/organizations", answer);
        router->add(http::Method::get, "/v1/users/{user}/organization_memberships", answer);
        router->add(http::Method::del, "/v1/organizations/{id}", answer);
        router->add(http::Method::patch, "/v1/organizations/{id}", answer);
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Peer() { server_->drain(Millis{1'000}); }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    void on(const std::string& path, const std::string& body, int status = 200) {
        std::lock_guard guard(lock_);
        answers_[path] = {status, body};
    }
    /// An account that lists these numbers.
    void account(const std::string& id, const std::vector<std::string>& numbers) {
        std::string list;
        for (const auto& n : numbers)
            list += (list.empty() ? "" : ",") +
                    (R"({"id":"TRK1","status":"active","tracking_numbers":[")" + n + R"("],"company":{"id":"COM1"}})");
        on("/v3/a/" + id + "/trackers.json", R"({"page":1,"total_pages":1,"trackers":[)" + list + "]}");
    }
    /// An account at Twilio that lists these numbers and sends their texts, and their calls, to those addresses.
    void twilio_account(const std::string& sid, const std::vector<std::string>& numbers,
                        const std::string& sms_url = "http://localhost:8080/api/v1/twilio-webhook",
                        const std::string& voice_url = "http://localhost:8080/api/aloha/webhooks/incoming-call",
                        const std::string& status_callback = "http://localhost:8080/api/aloha/webhooks/call-status") {
        std::string list;
        for (const auto& n : numbers)
            list += (list.empty() ? "" : ",") + (R"({"sid":"PN1","phone_number":")" + n + R"(","sms_method":"POST","sms_url":")" +
                                                 sms_url + R"(","voice_method":"POST","voice_url":")" + voice_url +
                                                 R"(","status_callback_method":"POST","status_callback":")" + status_callback +
                                                 R"(","capabilities":{"sms":true,"voice":true}})");
        on("/2010-04-01/Accounts/" + sid + ".json",
           R"({"sid":")" + sid + R"(","friendly_name":"Arizona","status":"active","type":"Full"})");
        on("/2010-04-01/Accounts/" + sid + "/IncomingPhoneNumbers.json",
           R"({"next_page_uri":null,"incoming_phone_numbers":[)" + list + "]}");
    }
    int asked(const std::string& what) {
        std::lock_guard guard(lock_);
        return asked_[what];
    }

private:
    std::mutex lock_;
    std::map<std::string, std::pair<int, std::string>> answers_;
    std::map<std::string, int> asked_;
    std::unique_ptr<http::Server> server_;
};

class Rig {
public:
    static Rig& shared() {
        static Rig rig;
        return rig;
    }
    /// As the database's owner, who sees everything.
    void sql(const std::string& text, pg::Params params = {}) { db_.write(text, std::move(params)); }
    std::string value(const std::string& text, pg::Params params = {}) { return db_.value(text, std::move(params)); }
    void each(const std::string& text, const std::function<void(const pg::Fields&)>& row) {
        auto tx = db_.owner.begin(pg::Scope::none());
        tx.each({name_of(text), text}, {}, row);
        tx.commit();
    }
    Secret as(const std::string& role) const { return db_.as(role); }
    Secret service_url() const { return db_.service_url(); }
    void company(const std::string& id, const std::string& phone = "") {
        sql("INSERT INTO companies (id, name, phone_number) VALUES ($1, $1, nullif($2, ''))", {id, phone});
    }
    using Command = std::function<http::Response(api::Context&)>;
    Answer ask(const std::string& company, const Command& command, const std::string& body = "", const std::string& id = "",
               const std::string& user = "user_m") {
        http::Request request;
        request.body = body;
        request.path_params = {{"id", id}};
        request.received_at = system_clock().now();
        identity::Principal who;
        who.user = UserId{user};
        if (!company.empty()) who.company = CompanyId{company};
        who.role = identity::Role::manager;
        api::Context context(request, who, pool_);
        try {
            auto answer = command(context);
            if (answer.status < 300) context.tx_as(CompanyId{company.empty() ? "org_made" : company}).commit();
            return {answer.status, answer.body, ""};
        } catch (const api::Refusal& r) {
            return {r.problem.status, r.problem.detail, r.problem.fields.empty() ? "" : r.problem.fields.front().first};
        }
    }
    Answer read(const std::string& company, const Command& command, const std::string& query) {
        http::Request request;
        request.query = query;
        request.received_at = system_clock().now();
        identity::Principal who;
        who.user = UserId{"user_m"};
        who.company = CompanyId{company};
        who.role = identity::Role::manager;
        api::Context context(request, who, pool_, "company-service", true);
        try {
            auto answer = command(context);
            return {answer.status, answer.body, ""};
        } catch (const api::Refusal& r) {
            return {r.problem.status, r.problem.detail, r.problem.fields.empty() ? "" : r.problem.fields.front().first};
        }
    }
    Answer add(const std::string& company, const std::string& number, const std::string& more = "") {
        return ask(
            company, [&](auto& c) { return numbers.add(c); }, R"({"e164":")" + number + "\"" + more + "}");
    }
    Answer change(const std::string& company, const std::string& id, const std::string& body) {
        return ask(
            company, [&](auto& c) { return numbers.change(c); }, body, id);
    }
    Answer end(const std::string& company, const std::string& id) {
        return ask(
            company, [&](auto& c) { return numbers.end(c); }, "", id);
    }
    Answer update(const std::string& company, const std::string& body) {
        return ask(
            company, [&](auto& c) { return commands.update(c); }, body, company);
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
        REQUIRE(numbers.note_proof(rt::Intent<changes::v1::NumberProven>{event, meta, intent, closing}, out).settled());
        auto tx = pool_.begin(pg::Scope::company(CompanyId{company}));
        for (const auto& write : closing) write(tx);
        tx.commit();
    }
    /// A webhook that the company's key signed came for a number that nobody had registered (tenant-router's table).
    void saw(const std::string& company, const std::string& number) {
        sql("INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) VALUES ($1, $2, 'callrail', "
            "now(), now())",
            {company, number});
    }
    std::string standing(const std::string& company, const std::string& number) {
        return value(
            "SELECT coalesce(string_agg(standing || CASE WHEN valid_to IS NULL AND is_active THEN '' ELSE ' past' END, ', ' "
            "ORDER BY created_at, id), 'none') AS v FROM company_numbers WHERE company_id = $1 AND e164 = $2",
            {company, number});
    }
    /// A number that no other test uses.
    static std::string fresh_number() {
        static int n = 0;
        auto digits = std::to_string(1'000'000 + n++);
        return "+1202" + digits;
    }
    pg::Pool& pool() { return pool_; }
    const providers::callrail::Client& callrail_client() { return callrail_; }
    const providers::twilio::Client& twilio_client() { return twilio_client_; }

private:
    /// Statements are told apart by their names, of which Postgres sees 63 bytes.
    const std::string& name_of(const std::string& text) {
        return names_.try_emplace(text, "q" + std::to_string(names_.size())).first->second;
    }
    testkit::Database db_{"otto_company_service"};
    std::map<std::string, std::string> names_;
    pg::Pool pool_{db_.service_url(), "test", 4};
    static http::ClientOptions outside(const Peer& peer) {
        http::ClientOptions o;
        o.private_addresses = {peer.place()};
        return o;
    }

public:
    Peer peer;

private:
    http::Client client_{outside(peer)};
    providers::clerk::Client clerk_{"http://" + peer.place(), Secret("sk_test"), client_};
    providers::callrail::Client callrail_{"http://" + peer.place(), client_};
    providers::twilio::Client twilio_client_{"http://" + peer.place(), client_};

public:
    /// With these in place of the rig's own.
    app::Settings settings(const std::map<std::string, std::string>& more = {}) const {
        auto all = more;
        all.merge(std::map<std::string, std::string>{{"OTTO_SECRET_KEYS", "k1:" + base64_encode(std::string(32, 'k'))},
                                                     {"OTTO_CLERK_SECRET_KEY", "sk_test"},
                                                     {"OTTO_CLERK_API", "http://" + peer.place()},
                                                     {"OTTO_CALLRAIL_API", "http://" + peer.place()},
                                                     {"OTTO_TWILIO_API", "http://" + peer.place()},
                                                     {"OTTO_TWILIO_ACCOUNT_SID", "AC" + std::string(32, '0')},
                                                     {"OTTO_TWILIO_AUTH_TOKEN", "the deployment's token"},
                                                     {"OTTO_PUBLIC_URL", "http://localhost:8080"},
                                                     {"OTTO_PRIVATE_ADDRESSES", peer.place()},
                                                     {"OTTO_UNPROVEN_NUMBERS", "3"}});
        return app::Settings::load({app::kSecretKeys.row, app::kPublicUrl.row, kClerkApi.row, kClerkSecretKey.row,
                                    providers::kCallRailApi.row, kTwilioApi.row, kTwilioAccountSid.row, kTwilioAuthToken.row,
                                    kTwilioApiKey.row, kTwilioApiSecret.row, kKeyGrace.row, kUnprovenNumbers.row,
                                    kCompaniesAnHour.row, kTwilioSharedPurchases.row, app::kPrivateAddresses.row},
                                   {}, all)
            .value();
    }
    CallRailNumbers callrail{settings(), callrail_};
    TwilioNumbers twilio{settings(), twilio_client_};
    Numbers numbers{settings(), pool_, {&callrail, &twilio}};
    Commands commands{settings(), pool_, numbers, callrail};
    Creations creations{settings(), clerk_, pool_, numbers};
    Onboarding onboarding{settings(), pool_, numbers, callrail, twilio};
    Members members{clerk_};
    pg::Connection connection() const { return {service_url(), "test"}; }
};

}  // namespace otto::company_service
