// Managers invite people, give them roles and remove them: Clerk first, then the row, whatever becomes of Clerk's answer.
#include "people.hpp"

#include <future>

#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }

/// Clerk's organisations as far as people are commanded, with faults.
class Clerk {
public:
    enum class Fault { none, down, lost, busy, no_role };
    Clerk() {
        auto router = std::make_shared<http::Router>();
        auto on = [&](http::Method method, const std::string& end, auto act) {
            router->add(method, "/v1/organizations/{org}" + end, [this, act](const http::Request& r) {
                std::lock_guard guard(lock_);
                ++asked;
                auto fault = r.method == http::Method::get ? looks.load() : next.exchange(Fault::none);
                if (fault == Fault::down) return http::Response::json(503, "{}");
                if (fault == Fault::busy) return http::Response::json(429, "{}");
                if (fault == Fault::no_role)
                    return http::Response::json(404, R"({"errors":[{"code":"resource_not_found","message":"No role"}]})");
                auto answer = act(r);
                return fault == Fault::lost ? http::Response::json(500, "{}") : answer;
            });
        };
        using http::Method;
        auto org = [](const http::Request& r) { return std::string(r.param("org")); };
        auto field = [](const http::Request& r, const char* name) {
            return std::string(JsonDocument::parse(r.body)->root()[name].string().value_or(""));
        };
        on(Method::get, "/memberships", [this, org](const http::Request& r) {
            std::string list;
            for (const auto& [who, role] : members[org(r)])
                if (r.query.find("user_id=" + who) != std::string::npos) list += member(who, role);
            return http::Response::json(200, "{\"data\":[" + list + "]}");
        });
        on(Method::post, "/memberships", [this, org, field](const http::Request& r) {
            members[org(r)][field(r, "user_id")] = field(r, "role");
            return http::Response::json(200, member(field(r, "user_id"), field(r, "role")));
        });
        on(Method::patch, "/memberships/{user}", [this, org, field](const http::Request& r) {
            auto who = std::string(r.param("user"));
            auto& all = members[org(r)];
            if (!all.contains(who)) return http::Response::json(404, "{}");
            return http::Response::json(200, member(who, all[who] = field(r, "role")));
        });
        on(Method::del, "/memberships/{user}", [this, org](const http::Request& r) {
            auto who = std::string(r.param("user"));
            auto there = members[org(r)].extract(who);
            return there ? http::Response::json(200, member(who, there.mapped())) : http::Response::json(404, "{}");
        });
        on(Method::get, "/invitations", [this, org](const http::Request& r) {
            std::string list;
            for (const auto& [id, i] : invitations)
                if (i.org == org(r) && i.status == "pending") list += (list.empty() ? "" : ",") + invitation(id);
            return http::Response::json(200, "{\"data\":[" + list + "]}");
        });
        on(Method::post, "/invitations", [this, org, field](const http::Request& r) {
            auto id = "orginv_of_people_" + std::to_string(invitations.size() + 1);
            invitations[id] = {org(r), field(r, "email_address"), field(r, "role"), "pending"};
            return http::Response::json(200, invitation(id));
        });
        on(Method::get, "/invitations/{id}",
           [this](const http::Request& r) { return http::Response::json(200, invitation(std::string(r.param("id")))); });
        on(Method::post, "/invitations/{id}/revoke", [this](const http::Request& r) {
            auto& i = invitations[std::string(r.param("id"))];
            if (i.status != "pending") return http::Response::json(400, "{}");
            i.status = "revoked";
            return http::Response::json(200, invitation(std::string(r.param("id"))));
        });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server_->start().value();
    }
    ~Clerk() { server_->drain(Millis{1'000}); }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }

    struct Invitation {
        std::string org, email, role, status;
    };
    std::map<std::string, std::map<std::string, std::string>> members;  ///< organisation -> user -> role
    std::map<std::string, Invitation> invitations;
    std::atomic<Fault> next{Fault::none};   ///< of the next request that changes something
    std::atomic<Fault> looks{Fault::none};  ///< of all that look
    std::atomic<int> asked{0};

private:
    std::string member(const std::string& who, const std::string& role) {
        return R"({"role":")" + role + R"(","updated_at":)" + std::to_string(++now_) + R"(,"public_user_data":{"user_id":")" +
               who + R"(","identifier":")" + who + R"(@example.com"}})";
    }
    std::string invitation(const std::string& id) {
        const auto& i = invitations[id];
        return R"({"id":")" + id + R"(","email_address":")" + i.email + R"(","role":")" + i.role + R"(","status":")" + i.status +
               R"(","updated_at":)" + std::to_string(++now_) + "}";
    }
    std::mutex lock_;
    std::int64_t now_ = 1'000;
    std::unique_ptr<http::Server> server_;
};

/// A company of two managers and a csr, here and at Clerk.
struct World {
    explicit World(std::string id) : company(std::move(id)) {
        rig().company(company);
        add("user_m", "manager");
        add("user_n", "manager");
        add("user_c", "csr");
    }
    void add(const std::string& user, const std::string& role) {
        auto tx = rig().pool().begin(pg::Scope::company(CompanyId{company}));
        MemberBook::take(tx, CompanyId{company},
                         MemberFact{UserId{user}, MemberBook::clerk_role(role), user + "@example.com", {}, false, 10});
        tx.commit();
        clerk.members[company][user] = MemberBook::clerk_role(role);
    }
    Answer change(const std::string& user, const std::string& body, const std::string& by = "user_m") {
        return rig().ask(
            company, [&](auto& c) { return people.change(c); }, body, user, by);
    }
    Answer remove(const std::string& user, const std::string& by = "user_m") {
        return rig().ask(
            company, [&](auto& c) { return people.remove(c); }, "", user, by);
    }
    Answer invite(const std::string& email, const std::string& role = "csr") {
        return rig().ask(
            company, [&](auto& c) { return people.invite(c); },
            R"({"email":")" + email + R"(","role":")" + role + R"(","name":"Maria <b>"})");
    }
    /// The work on what is not known, as if the time had come.
    void work() {
        rig().sql("UPDATE work SET due_at = now() - interval '1 second' WHERE queue = 'company-service/people'");
        rig().sql(
            "UPDATE company_users SET changing = changing || jsonb_build_object('since', (now() - interval '20 seconds')::text) "
            "WHERE changing IS NOT NULL");
        rig().sql("UPDATE invitations_asked SET asked_at = now() - interval '20 seconds'");
        rt::WorkQueue queue(rt::work_of<&People::next>(std::string(kPeopleChanges), people), 1);
        while (queue.run_one(rig().pool())) {
        }
    }
    std::string rows() {
        return rig().value(
            "SELECT string_agg(concat_ws(' ', id, role, status, CASE WHEN changing IS NOT NULL THEN 'changing' END), '; ' ORDER "
            "BY "
            "id) AS v FROM company_users WHERE company_id = $1",
            {company});
    }
    std::string audit() {
        return rig().value(
            "SELECT coalesce(string_agg(concat_ws(' ', user_id, action, target), '; ' ORDER BY id), '') AS v FROM audit_log "
            "WHERE "
            "company_id = $1",
            {company});
    }
    std::string open_work() {
        return rig().value("SELECT count(*)::text AS v FROM work WHERE queue = 'company-service/people' AND company_id = $1",
                           {company});
    }
    std::string company;
    Clerk clerk;
    People people{rig().settings({{"OTTO_CLERK_API", "http://" + clerk.place()}, {"OTTO_PRIVATE_ADDRESSES", clerk.place()}}),
                  rig().pool()};
};

using Fault = Clerk::Fault;

}  // namespace

TEST_CASE("a role and a removal go to Clerk and then to the row", "[integration]") {
    World w("org_people_roles");
    auto changed = w.change("user_c", R"({"role":"sales_rep"})");
    CHECK(changed.status == 200);
    CHECK(changed.data("role") == "sales_rep");
    CHECK(w.clerk.members[w.company]["user_c"] == "org:sales_rep");
    auto asked = w.clerk.asked.load();
    CHECK(w.change("user_c", R"({"role":"sales_rep"})").status == 200);  // so it is already
    CHECK(w.clerk.asked == asked);
    CHECK(w.remove("user_c").data("status") == "removed");
    CHECK_FALSE(w.clerk.members[w.company].contains("user_c"));
    CHECK(w.remove("user_c").status == 200);
    CHECK(w.change("user_c", R"({"role":"csr"})").status == 409);
    CHECK(w.change("user_c", R"({"status":"active","role":"manager"})").data("role") == "manager");  // back
    CHECK(w.clerk.members[w.company]["user_c"] == "org:admin");
    CHECK(w.audit() == "user_m user.change user_c; user_m user.remove user_c; user_m user.change user_c");
    CHECK(w.open_work() == "0");
    CHECK(w.change("user_c", R"({"role":"boss"})").field == "role");
    CHECK(w.change("user_c", R"({"status":"invited"})").field == "status");
    CHECK(w.change("user_c", R"({"email":"x@example.com"})").field == "email");
    CHECK(w.change("user_x", R"({"role":"csr"})").status == 404);
    CHECK(w.change("user_m", R"({"role":"csr"})").status == 409);  // oneself
    CHECK(w.remove("user_m").status == 409);
    CHECK(rig().value("SELECT count(*)::text AS v FROM members_untold WHERE company_id = 'org_people_roles'") == "1");
}

TEST_CASE("a company keeps a manager, also when two remove one another at once", "[integration]") {
    World w("org_people_last");
    auto one = std::async(std::launch::async, [&] { return w.remove("user_n", "user_m").status; });
    auto other = std::async(std::launch::async, [&] { return w.change("user_m", R"({"role":"csr"})", "user_n").status; });
    std::set<int> came{one.get(), other.get()};
    CHECK(came == std::set<int>{200, 409});
    CHECK(rig().value("SELECT count(*)::text AS v FROM company_users WHERE company_id = 'org_people_last' AND role = 'manager' "
                      "AND status = "
                      "'active'") == "1");
    auto last = w.rows().find("user_m manager active") != std::string::npos ? "user_m" : "user_n";
    CHECK(w.remove(last, "user_c").status == 409);
    CHECK(w.change(last, R"({"role":"csr"})", "user_c").field == "role");
    CHECK(w.clerk.members[w.company][last] == "org:admin");
    // Clerk's own word may take the last one; operators are told.
    auto before = rig().value("SELECT companies_without_manager()::text AS v");
    {
        auto tx = rig().pool().begin(pg::Scope::company(CompanyId{w.company}));
        MemberBook::take(tx, CompanyId{w.company}, MemberFact{UserId{last}, {}, {}, {}, true, 5'000});
        tx.commit();
    }
    CHECK(std::stoi(rig().value("SELECT companies_without_manager()::text AS v")) == std::stoi(before) + 1);
}

TEST_CASE("Clerk's answer is lost: the row says so, and the work settles it", "[integration]") {
    static int n = 0;
    World w("org_people_lost_" + std::to_string(++n));
    SECTION("done, and seen at once") {
        w.clerk.next = Fault::lost;
        CHECK(w.change("user_c", R"({"role":"sales_rep"})").status == 200);
        CHECK(w.open_work() == "0");
    }
    SECTION("done, and seen later") {
        w.clerk.next = Fault::lost;
        w.clerk.looks = Fault::down;
        CHECK(w.change("user_c", R"({"role":"sales_rep"})").status == 503);
        CHECK(w.rows().starts_with("user_c csr active changing"));
        CHECK(w.change("user_c", R"({"role":"executive"})").status == 503);  // one after the other
        w.work();
        CHECK(w.rows().starts_with("user_c csr active changing"));
        w.clerk.looks = Fault::none;
        w.work();
        CHECK(w.rows().starts_with("user_c sales_rep active; "));
        CHECK(w.audit() == "user_m user.change user_c");
    }
    SECTION("not done, and asked for again") {
        w.clerk.next = Fault::down;
        CHECK(w.remove("user_c").status == 503);
        CHECK(w.rows().starts_with("user_c csr active changing"));
        w.work();
        CHECK(w.rows().starts_with("user_c csr removed; "));
        CHECK_FALSE(w.clerk.members[w.company].contains("user_c"));
    }
    SECTION("certainly not done") {
        w.clerk.next = Fault::busy;
        CHECK(w.change("user_c", R"({"role":"sales_rep"})").status == 503);
        w.clerk.next = Fault::no_role;
        auto unknown = w.change("user_c", R"({"role":"sales_rep"})");
        CHECK(unknown.status == 409);
        CHECK(w.rows().starts_with("user_c csr active; "));
        CHECK(w.open_work() == "0");
    }
    CHECK(w.open_work() == "0");
}

TEST_CASE("somebody is invited once, whatever becomes of Clerk's answer", "[integration]") {
    World w("org_people_invite");
    auto pending = [&] {
        return std::count_if(w.clerk.invitations.begin(), w.clerk.invitations.end(),
                             [](const auto& i) { return i.second.status == "pending"; });
    };
    auto made = w.invite("Maria@Example.com");
    CHECK(made.status == 201);
    CHECK(made.data("status") == "invited");
    CHECK(made.data("email") == "maria@example.com");
    CHECK(made.data("name") == "Maria <b>");
    auto again = w.invite("maria@example.com");
    CHECK(again.status == 200);
    CHECK(again.data("id") == made.data("id"));
    CHECK(w.invite("maria@example.com", "manager").field == "role");
    CHECK(w.invite("USER_C@example.com").field == "email");  // works here
    for (auto bad : {"maria", "@example.com", "maria@", "maria@example", "a b@example.com", "a@b@example.com", "m@.com"})
        CHECK(w.invite(bad).field == "email");
    CHECK(w.change(made.data("id"), R"({"role":"manager"})").status == 409);
    CHECK(w.remove(made.data("id")).data("status") == "removed");
    CHECK(pending() == 0);

    w.clerk.next = Fault::lost;
    CHECK(w.invite("lost@example.com").status == 201);
    w.clerk.next = Fault::lost;
    w.clerk.looks = Fault::down;
    CHECK(w.invite("later@example.com").status == 503);
    CHECK(w.invite("later@example.com").status == 503);
    w.clerk.looks = Fault::none;
    w.work();
    CHECK(w.invite("later@example.com").status == 200);
    w.clerk.next = Fault::down;
    CHECK(w.invite("down@example.com").status == 503);
    w.work();
    CHECK(w.invite("down@example.com").status == 200);
    CHECK(pending() == 3);
    w.clerk.next = Fault::no_role;
    CHECK(w.invite("role@example.com").field == "role");
    CHECK(w.open_work() == "0");
    // Accepted, and revoked a moment later.
    auto late = w.invite("lost@example.com");
    w.clerk.invitations[late.data("id")].status = "accepted";
    CHECK(w.remove(late.data("id")).status == 409);
    CHECK(w.rows().find("changing") == std::string::npos);
}
