// What people may command about tasks and leads, as the service's own role.
#include "commands/commands.hpp"

#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using lead_pipeline::Commands;

namespace {

// Two companies: of each a contact, its lead (rep 1 has it in the first), an appointment, and people.
const std::string kContact = "0191e0b8-0000-7000-8000-00000000b001", kLead = "0191e0b8-0000-7000-8000-00000000b002",
                  kVisit = "0191e0b8-0000-7000-8000-00000000b003", kTheirLead = "0191e0b8-0000-7000-8000-00000000b004",
                  kTheirVisit = "0191e0b8-0000-7000-8000-00000000b005", kTheirContact = "0191e0b8-0000-7000-8000-00000000b006";

struct World {
    testkit::Database db{"otto_lead_pipeline"};
    pg::Pool pool{db.service_url(), "test", 2};
    World() {
        auto company = [&](const std::string& id, const std::string& contact, const std::string& lead, const std::string& visit,
                           const std::string& people) {
            db.owner.execute("INSERT INTO companies (id, name) VALUES ('" + id +
                             "', 'x'); INSERT INTO contact_cards (company_id, id) VALUES ('" + id + "', '" + contact +
                             "'); INSERT INTO leads (company_id, id, contact_card_id, assigned_rep_id) VALUES ('" + id + "', '" +
                             lead + "', '" + contact +
                             "', 'user_rep1'); INSERT INTO appointments (company_id, id, lead_id, contact_card_id, needs_time, "
                             "assigned_rep_id) VALUES ('" +
                             id + "', '" + visit + "', '" + lead + "', '" + contact +
                             "', true, 'user_rep1'); INSERT INTO company_users (company_id, id, role, status) VALUES " + people);
        };
        company("org_a", kContact, kLead, kVisit,
                "('org_a', 'user_rep1', 'sales_rep', 'active'), ('org_a', 'user_rep2', 'sales_rep', 'invited'), ('org_a', "
                "'user_gone', 'sales_rep', 'removed')");
        company("org_b", kTheirContact, kTheirLead, kTheirVisit, "('org_b', 'user_b', 'sales_rep', 'active')");
    }
    static World& shared() {
        static World world;
        return world;
    }
};

using Command = http::Response (Commands::*)(api::Context&) const;

/// The answer's body; a refusal as its status and the field it names.
std::string send(Command command, const std::string& body, const std::string& user = "user_office", const std::string& id = "",
                 const std::string& query = "") {
    http::Request request;
    request.body = body;
    request.query = query;
    request.received_at = system_clock().now();
    request.path_params = {{"task_id", id}, {"lead_id", id}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{user};
    who.company = CompanyId{"org_a"};
    who.role = user.starts_with("user_rep") ? identity::Role::sales_rep : identity::Role::csr;
    api::Context context(request, who, World::shared().pool, "lead-pipeline");
    try {
        auto answer = (Commands{}.*command)(context);
        context.tx().commit();
        return answer.body;
    } catch (const api::Refusal& refusal) {
        return std::to_string(refusal.problem.status) + " " +
               (refusal.problem.fields.empty() ? "" : refusal.problem.fields[0].first);
    }
}

std::string create(const std::string& more, const std::string& user = "user_office") {
    return send(&Commands::create_task, R"({"description":"x")" + more + "}", user);
}
std::string id_in(const std::string& answer) { return answer.substr(answer.find(R"("id":")") + 6, 36); }
bool says(const std::string& answer, const std::string& what) {
    INFO(answer);
    return answer.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("whom a rep may give a task is one rule, for a new one and for one that is there", "[integration]") {
    auto own = id_in(create("", "user_rep1"));
    auto of_lead = id_in(create(R"(,"lead_id":")" + kLead + "\"", "user_rep1"));
    auto change = [](const std::string& id, const std::string& body) {
        return send(&Commands::change_task, body, "user_rep1", id);
    };
    for (const char* given : {R"("assignee_id":"user_rep2")", R"("assigned_to":"csr")", R"("assigned_to":"manager")"}) {
        auto field = std::string(given).substr(1, std::string(given).find('"', 1) - 1);
        INFO(given);
        CHECK(create("," + std::string(given), "user_rep1") == "422 " + field);
        CHECK(change(own, "{" + std::string(given) + "}") == "422 " + field);
        CHECK(says(create(R"(,"lead_id":")" + kLead + "\"," + given, "user_rep1"), given));
        CHECK(says(change(of_lead, "{" + std::string(given) + "}"), given));
        change(of_lead, R"({"assignee_id":"user_rep1","assigned_to":"rep"})");
        auto of_contact = id_in(create(R"(,"contact_card_id":")" + kContact + "\"", "user_rep1"));  // its open lead is the rep's
        CHECK(says(change(of_contact, "{" + std::string(given) + "}"), given));
    }
    CHECK(change(own, R"({"assignee_id":null})") == "422 assignee_id");
    CHECK(says(change(own, R"({"priority":"high","assignee_id":"user_rep1"})"), R"("priority":"high")"));

    // One that the office gave keeps what it has while something else changes.
    auto given = id_in(create(R"(,"assigned_to":"csr","assignee_id":"user_rep1")"));
    CHECK(says(change(given, R"({"priority":"low","assigned_to":"csr"})"), R"("priority":"low")"));
}

TEST_CASE("whoever gets a task or a lead is of the company", "[integration]") {
    auto task = id_in(create(""));
    for (const char* nobody : {"user_b", "user_gone", "somebody"}) {
        auto name = std::string("\"") + nobody + "\"";
        CHECK(create(R"(,"assignee_id":)" + name) == "422 assignee_id");
        CHECK(send(&Commands::change_task, R"({"assignee_id":)" + name + "}", "user_office", task) == "422 assignee_id");
        CHECK(send(&Commands::change_lead, R"({"assigned_rep_id":)" + name + "}", "user_office", kLead) == "422 assigned_rep_id");
    }
    for (const char* member : {"user_rep2", "user_office"}) {  // invited, and who asks
        auto name = std::string("\"") + member + "\"";
        CHECK(says(send(&Commands::change_task, R"({"assignee_id":)" + name + "}", "user_office", task),
                   R"("assignee_id":)" + name));
        CHECK(says(send(&Commands::change_lead, R"({"assigned_rep_id":)" + name + "}", "user_office", kLead),
                   R"("assigned_rep_id":)" + name));
    }
    // Who has it already keeps it, known or not.
    World::shared().db.owner.execute("UPDATE leads SET assigned_rep_id = 'user_of_old' WHERE id = '" + kLead + "'");
    CHECK(says(send(&Commands::change_lead, R"({"status":"warm","assigned_rep_id":"user_of_old"})", "user_office", kLead),
               R"("assigned_rep_id":"user_of_old")"));
    CHECK(says(send(&Commands::change_lead, R"({"assigned_rep_id":null})", "user_office", kLead), R"("assigned_rep_id":null)"));
    World::shared().db.owner.execute("UPDATE leads SET assigned_rep_id = 'user_rep1' WHERE id = '" + kLead + "'");
}

TEST_CASE("what a task is about is of the company", "[integration]") {
    CHECK(create(R"(,"appointment_id":")" + kTheirVisit + "\"") == "422 appointment_id");
    CHECK(create(R"(,"lead_id":")" + kTheirLead + "\"") == "422 lead_id");
    CHECK(create(R"(,"contact_card_id":")" + kTheirContact + "\"") == "422 contact_card_id");
    CHECK(create(R"(,"call_id":4711)") == "422 call_id");
    CHECK(says(create(R"(,"appointment_id":")" + kVisit + "\""), kVisit));
    CHECK(create(R"(,"appointment_id":")" + kVisit + "\"", "user_rep2") == "422 appointment_id");
}

TEST_CASE("a name that a command does not take is refused by it", "[integration]") {
    auto task = id_in(create(""));
    CHECK(create(R"(,"asignee_id":"user_rep1")") == "422 asignee_id");
    CHECK(send(&Commands::create_task, R"({"description":"x"})", "user_office", "", "notify=yes") == "422 notify");
    CHECK(send(&Commands::change_task, R"({"prioriti":"low"})", "user_office", task) == "422 prioriti");
    CHECK(send(&Commands::change_task, R"({"lead_id":null})", "user_office", task) == "422 lead_id");
    for (const char* empty : {R"({"description":null})", R"({"priority":""})", R"({"status":" "})", R"({"action_type":null})",
                              R"({"assigned_to":null})"})
        CHECK(send(&Commands::change_task, empty, "user_office", task).starts_with("422 "));
    CHECK(send(&Commands::change_task, R"({"due_at":"2035-01-01T10:00:00"})", "user_office", task) == "422 due_at");
    CHECK(send(&Commands::complete_task, R"({"note":"done"})", "user_office", task) == "422 note");
    CHECK(send(&Commands::cancel_task, "", "user_office", task, "why=x") == "422 why");
    CHECK(send(&Commands::change_lead, R"({"state":"hot"})", "user_office", kLead) == "422 state");
    CHECK(send(&Commands::change_lead, R"({"pool_status":"in_pool"})", "user_office", kLead) == "422 pool_status");
    CHECK(send(&Commands::change_lead, R"({"status":null})", "user_office", kLead) == "422 status");
    CHECK(send(&Commands::claim_lead, R"({"rep":"me"})", "user_office", kLead) == "422 rep");
}

TEST_CASE("each command leaves one line on record, and one that changes nothing none", "[integration]") {
    auto on_record = [](const std::string& target) {
        return World::shared().db.lines(
            "SELECT action || ' ' || (detail ->> 'fields') AS v FROM audit_log WHERE target = $1 AND company_id = 'org_a' ORDER "
            "BY id",
            {target});
    };
    auto id = id_in(create(""));
    send(&Commands::change_task, R"({"priority":"high","due_at":null})", "user_office", id);
    for (int twice = 0; twice < 2; ++twice) send(&Commands::complete_task, "", "user_office", id);
    send(&Commands::cancel_task, "", "user_office", id);  // 409: it is completed
    send(&Commands::change_task, R"({"status":"open"})", "user_office", id);
    for (int twice = 0; twice < 2; ++twice)
        CHECK(says(send(&Commands::cancel_task, "", "user_office", id), R"("status":"cancelled")"));
    CHECK(on_record(id) ==
          "task.create []\ntask.change [\"priority\", \"due_at\"]\ntask.complete []\ntask.change [\"status\"]\ntask.cancel []\n");
    auto before = on_record(kLead);
    send(&Commands::change_lead, R"({"status":"nurturing"})", "user_office", kLead);
    CHECK(send(&Commands::claim_lead, "", "user_office", kLead) == "409 assigned_rep_id");
    CHECK(on_record(kLead) == before + "lead.change [\"status\"]\n");
}
