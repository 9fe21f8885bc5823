// A company is made at Clerk first; whatever breaks in between, it is finished, and no second organisation is made.
#include "creations.hpp"

#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }

/// Clerk's organisations, with faults.
class Clerk {
public:
    enum class Fault { none, down, lost };
    Clerk() {
        auto router = std::make_shared<http::Router>();
        using http::Method;
        auto on = [&](Method method, const std::string& path, auto act) {
            router->add(method, "/v1" + path, [this, act, method](const http::Request& r) {
                std::lock_guard guard(lock_);
                auto fault = method == Method::post ? next.exchange(Fault::none) : looks.load();
                if (fault == Fault::down) return http::Response::json(503, "{}");
                auto answer = act(r);
                return fault == Fault::lost ? http::Response::json(500, "{}") : answer;
            });
        };
        auto field = [](const http::Request& r, const char* name) {
            return std::string(JsonDocument::parse(r.body)->root()[name].string().value_or(""));
        };
        on(Method::post, "/organizations", [this, field](const http::Request& r) {
            auto id = "org_founded_" + std::to_string(++made);
            organisations[id] = {field(r, "name"), field(r, "created_by")};
            if (joins) members[id][field(r, "created_by")] = "org:admin";
            return http::Response::json(200, R"({"id":")" + id + "\"}");
        });
        on(Method::patch, "/organizations/{org}", [this, field](const http::Request& r) {
            auto found = organisations.find(std::string(r.param("org")));
            if (found == organisations.end()) return http::Response::json(404, "{}");
            found->second.name = field(r, "name");
            return http::Response::json(200, R"({"id":")" + found->first + "\"}");
        });
        on(Method::del, "/organizations/{org}", [this](const http::Request& r) {
            return http::Response::json(organisations.erase(std::string(r.param("org"))) > 0 ? 200 : 404, "{}");
        });
        on(Method::get, "/users/{user}/organization_memberships", [this](const http::Request& r) {
            std::string list;
            for (const auto& [id, o] : organisations)
                if (o.by == r.param("user"))
                    list += (list.empty() ? "" : ",") + (R"({"organization":{"id":")" + id + R"(","name":")" + o.name +
                                                         R"(","created_by":")" + o.by + R"(","created_at":)" + now() + "}}");
            return http::Response::json(200, "{\"data\":[" + list + "]}");
        });
        on(Method::get, "/organizations/{org}/memberships", [this](const http::Request& r) {
            std::string list;
            for (const auto& [who, role] : members[std::string(r.param("org"))]) list += member(who, role);
            return http::Response::json(200, "{\"data\":[" + list + "]}");
        });
        on(Method::post, "/organizations/{org}/memberships", [this, field](const http::Request& r) {
            members[std::string(r.param("org"))][field(r, "user_id")] = field(r, "role");
            return http::Response::json(200, member(field(r, "user_id"), field(r, "role")));
        });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Clerk() { server_->drain(Millis{1'000}); }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }

    struct Organisation {
        std::string name, by;
    };
    std::map<std::string, Organisation> organisations;
    std::map<std::string, std::map<std::string, std::string>> members;  ///< organisation -> user -> role
    std::atomic<Fault> next{Fault::none};                               ///< of the next request that makes something
    std::atomic<Fault> looks{Fault::none};                              ///< of all others
    bool joins = true;                                                  ///< who makes an organisation is its member
    static inline int made = 0;

private:
    static std::string now() { return std::to_string(to_micros(system_clock().now()) / 1'000); }
    static std::string member(const std::string& who, const std::string& role) {
        return R"({"role":")" + role + R"(","updated_at":)" + now() + R"(,"public_user_data":{"user_id":")" + who +
               R"(","identifier":")" + who + R"(@example.com"}})";
    }
    std::mutex lock_;
    std::unique_ptr<http::Server> server_;
};

struct World {
    explicit World(std::string whose) : user(std::move(whose)) {}
    static http::ClientOptions outside(const Clerk& at) {
        http::ClientOptions o;
        o.private_addresses = {at.place()};
        o.retries = 0;
        return o;
    }
    /// The status of the answer, as the user sees it.
    int ask(const std::string& body, bool commits = true) {
        http::Request request;
        request.body = body;
        request.received_at = system_clock().now();
        identity::Principal who;
        who.user = UserId{user};
        who.role = identity::Role::manager;
        api::Context context(request, who, rig().pool());
        try {
            auto made = creations.create(context);
            answer = std::string(JsonDocument::parse(made.body)->root()["company_id"].string().value());
            if (commits) context.tx_as(CompanyId{answer}).commit();
            return commits ? made.status : 0;
        } catch (const api::Refusal& r) {
            return r.problem.status;
        }
    }
    /// What is left for the queue, at once.
    void settle() {
        rig().sql("UPDATE work SET due_at = now() - interval '1 second' WHERE queue = 'company-service/creations'");
        rt::WorkQueue queue(rt::work_of<&Creations::next>(std::string(kCreations), creations), 1);
        while (queue.run_one(rig().pool())) {
        }
    }
    std::string companies() const {
        return rig().value(
            "SELECT coalesce(string_agg(c.name || coalesce(' ' || c.phone_number, '') || ' ' || u.role || ' ' || u.status || ' ' "
            "|| "
            "u.at_clerk, ', ' ORDER BY c.created_at), 'none') AS v FROM companies c JOIN company_users u ON u.company_id = c.id "
            "WHERE u.id = $1",
            {user});
    }
    std::string left() const {
        return rig().value(
            "SELECT coalesce(string_agg(organisation_id, ','), '') AS v FROM unused_organisations WHERE user_id = $1", {user});
    }
    std::string work() const {
        return rig().value(
            "SELECT coalesce(string_agg(error, ','), '') AS v FROM work w WHERE queue = 'company-service/creations' AND "
            "(company_id = "
            "$1 OR key = $1)",
            {user});
    }

    std::string user, answer;
    Clerk clerk;
    http::Client http{outside(clerk)};
    providers::clerk::Client client{"http://" + clerk.place(), Secret("sk_test"), http};
    Creations creations{rig().settings(), client, rig().pool(), rig().numbers};
};

}  // namespace

TEST_CASE("a company whose request broke off is finished as it was asked for", "[integration]") {
    World w("user_broken");
    const auto phone = Rig::fresh_number();
    const auto asked = R"({"name":"Broken","phone_number":")" + phone + R"(","timezone":"America/Phoenix"})";
    SECTION("at the commit") { CHECK(w.ask(asked, false) == 0); }
    SECTION("with Clerk's answer, and the look for it") {
        w.clerk.next = Clerk::Fault::lost;
        w.clerk.looks = Clerk::Fault::down;
        CHECK(w.ask(asked) == 502);
        CHECK(w.left() == "?");
        w.settle();
        CHECK(w.companies().find("Broken") == std::string::npos);  // nobody knows yet
        w.clerk.looks = Clerk::Fault::none;
    }
    const auto before = Clerk::made;
    w.settle();
    w.settle();  // and looked for at Clerk
    CHECK(w.companies() == "Broken " + phone + " manager active true");
    CHECK(w.left() == "");
    CHECK(w.clerk.organisations.size() == 1);
    CHECK(rig().value("SELECT string_agg(actor || ' ' || action, ',') AS v FROM audit_log WHERE company_id = $1",
                      {w.clerk.organisations.begin()->first}) == "system company.created");
    // The user's next try is answered with it, once.
    CHECK(w.ask(R"({"name":"Better","timezone":"America/Phoenix"})") == 200);
    CHECK(w.answer == w.clerk.organisations.begin()->first);
    CHECK(w.clerk.organisations.begin()->second.name == "Better");
    CHECK(w.companies() == "Better manager active true");
    CHECK(Clerk::made == before);
    CHECK(w.ask(R"({"name":"Another"})") == 200);
    CHECK(Clerk::made == before + 1);
    w.settle();
    rig().sql("DELETE FROM company_users WHERE id = 'user_broken'");  // for the other section
}

TEST_CASE("what Clerk never made is looked for a while, and nobody's company", "[integration]") {
    World w("user_unmade");
    w.clerk.next = Clerk::Fault::down;
    CHECK(w.ask(R"({"name":"Unmade"})") == 502);
    w.settle();
    CHECK(w.left() == "?");
    rig().sql("UPDATE unused_organisations SET at = now() - interval '11 minutes' WHERE user_id = 'user_unmade'");
    w.settle();
    CHECK(w.left() == "");
    CHECK(w.work() == "");
    CHECK(w.companies() == "none");
    CHECK(w.clerk.organisations.empty());
}

TEST_CASE("a company that was refused is not made afterwards", "[integration]") {
    World w("user_refused");
    rig().company("org_of_the_number");
    const auto taken = Rig::fresh_number();
    CHECK(w.ask(R"({"name":"Refused","phone_number":")" + taken + "\"}", false) == 0);
    REQUIRE(rig().add("org_of_the_number", taken).status == 201);
    w.settle();
    CHECK(w.companies() == "none");
    CHECK(w.clerk.organisations.empty());
    CHECK(w.left() == "");
    // Nor one whose organisation is gone.
    CHECK(w.ask(R"({"name":"Gone"})", false) == 0);
    w.clerk.organisations.clear();
    w.settle();
    CHECK(w.companies() == "none");
    CHECK(w.left() == "");
}

TEST_CASE("who made a company becomes its member at Clerk if Clerk has forgotten", "[integration]") {
    World w("user_forgotten");
    w.clerk.joins = false;
    CHECK(w.ask(R"({"name":"Forgotten"})") == 200);
    CHECK(w.companies() == "Forgotten manager active false");
    w.clerk.next = Clerk::Fault::lost;
    w.settle();
    w.settle();
    CHECK(w.clerk.members[w.answer]["user_forgotten"] == "org:admin");
    CHECK(w.companies() == "Forgotten manager active true");
    CHECK(w.work() == "");
    SECTION("but nobody who was removed") {
        World other("user_removed_first");
        other.clerk.joins = false;
        CHECK(other.ask(R"({"name":"Removed"})") == 200);
        rig().sql("UPDATE company_users SET status = 'removed' WHERE id = 'user_removed_first'");
        other.settle();
        CHECK(other.clerk.members[other.answer].empty());
    }
}
