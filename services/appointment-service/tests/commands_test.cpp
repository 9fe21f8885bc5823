// What people may command about appointments, as the service's own role.
#include "commands.hpp"

#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using appointment_service::Commands;

namespace {

const std::string kLead = "0191e0b8-0000-7000-8000-00000000c001", kTheirLead = "0191e0b8-0000-7000-8000-00000000c002";

struct World {
    testkit::Database db{"otto_appointment_service"};
    pg::Pool pool{db.service_url(), "test", 2};
    directory::Companies companies{
        {"", "", "", KeyRing::parse(Secret("k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).value()}};
    World() {
        for (auto& [company, lead] : {std::pair<std::string, std::string>{"org_a", kLead}, {"org_b", kTheirLead}})
            db.owner.execute("INSERT INTO contact_cards (company_id, id) VALUES ('" + company + "', '" + lead +
                             "'); INSERT INTO leads (company_id, id, contact_card_id) VALUES ('" + company + "', '" + lead +
                             "', '" + lead + "'); INSERT INTO company_users (company_id, id, role, status) VALUES ('" + company +
                             "', 'user_rep_of_" + company + "', 'sales_rep', 'active'), ('" + company + "', 'user_gone_of_" +
                             company + "', 'sales_rep', 'removed')");
    }
    static World& shared() {
        static World world;
        return world;
    }
};

std::string send(http::Response (Commands::*command)(api::Context&) const, const std::string& body, const std::string& id = "",
                 const std::string& query = "") {
    http::Request request;
    request.body = body;
    request.query = query;
    request.received_at = system_clock().now();
    request.path_params = {{"appointment_id", id}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{"user_office"};
    who.company = CompanyId{"org_a"};
    who.role = identity::Role::csr;
    api::Context context(request, who, World::shared().pool, "appointment-service");
    try {
        auto answer = (Commands(World::shared().companies).*command)(context);
        context.tx().commit();
        return answer.body;
    } catch (const api::Refusal& refusal) {
        return std::to_string(refusal.problem.status) + " " +
               (refusal.problem.fields.empty() ? "" : refusal.problem.fields[0].first);
    }
}

std::string create(const std::string& more, const std::string& start = "2030-01-01T10:00:00-07:00") {
    return send(&Commands::create, R"({"lead_id":")" + kLead + R"(","scheduled_start":")" + start + "\"" + more + "}");
}
std::string created() {
    auto answer = create("");
    return answer.substr(answer.find(R"("id":")") + 6, 36);
}
bool says(const std::string& answer, const std::string& what) {
    INFO(answer);
    return answer.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("whoever gets an appointment is of the company, and so is its lead", "[integration]") {
    auto id = created();
    for (const char* nobody : {"user_rep_of_org_b", "user_gone_of_org_a", "somebody"}) {
        auto given = R"("assigned_rep_id":")" + std::string(nobody) + "\"";
        CHECK(create("," + given) == "422 assigned_rep_id");
        CHECK(send(&Commands::change, "{" + given + "}", id) == "422 assigned_rep_id");
    }
    for (const char* member : {"user_rep_of_org_a", "user_office"}) {
        auto given = R"("assigned_rep_id":")" + std::string(member) + "\"";
        CHECK(says(send(&Commands::change, "{" + given + "}", id), given));
    }
    CHECK(says(send(&Commands::change, R"({"assigned_rep_id":""})", id), R"("assigned_rep_id":null)"));
    CHECK(send(&Commands::create, R"({"lead_id":")" + kTheirLead + R"(","scheduled_start":"2030-01-01T10:00:00Z"})") ==
          "422 lead_id");
}

TEST_CASE("null and \"\" take away what an appointment can be without, and a time has a zone", "[integration]") {
    auto id = created();
    CHECK(says(send(&Commands::change, R"({"notes":"n","location":"Main St","service_type":"s","deal_size_cents":5})", id),
               R"("location_address":"Main St")"));
    for (const char* empty : {"null", "\"\""})
        for (const char* field : {"notes", "location_address", "service_type", "deal_size_cents", "scheduled_start"})
            CHECK(says(send(&Commands::change, "{\"" + std::string(field) + "\":" + std::string(empty) + "}", id),
                       "\"" + std::string(field) + "\":null"));
    for (const char* field : {"status", "outcome", "appointment_type", "scheduled_end"})
        CHECK(send(&Commands::change, "{\"" + std::string(field) + "\":null}", id) == std::string("422 ") + field);
    CHECK(create("", "2030-01-01T10:00:00") == "422 scheduled_start");
    CHECK(create("", "2030-01-01") == "422 scheduled_start");
    CHECK(send(&Commands::change, R"({"scheduled_start":"2030-01-01 10:00"})", id) == "422 scheduled_start");
}

TEST_CASE("a name that a command does not take is refused by it", "[integration]") {
    auto id = created();
    CHECK(create(R"(,"rep_id":"user_office")") == "422 rep_id");
    CHECK(send(&Commands::create, R"({"lead_id":")" + kLead + R"(","scheduled_start":"2030-01-01T10:00:00Z"})", "",
               "dry_run=1") == "422 dry_run");
    CHECK(send(&Commands::change, R"({"note":"n"})", id) == "422 note");
    CHECK(send(&Commands::change, R"({"lead_id":")" + kLead + "\"}", id) == "422 lead_id");
    CHECK(send(&Commands::change, R"({"location":"a","location_address":"b"})", id) == "422 location");
    CHECK(send(&Commands::change, R"({"allow_conflict":true})", id) == "422 body");
}

TEST_CASE("who made or changed an appointment, and which fields, is on record; what was refused is not", "[integration]") {
    auto id = created();
    send(&Commands::change, R"({"notes":"secret words","status":"confirmed"})", id);
    CHECK(send(&Commands::change, R"({"status":"perhaps"})", id) == "422 status");
    auto tx = World::shared().db.owner.begin(pg::Scope::none());
    std::string lines;
    tx.each({"lines_in_test",
             "SELECT company_id || ' ' || user_id || ' ' || action || ' ' || (detail ->> 'fields') AS v FROM audit_log WHERE "
             "target = $1 ORDER BY id"},
            {id}, [&](const pg::Fields& f) { lines += f.text("v") + "\n"; });
    CHECK(lines == "org_a user_office appointment.create []\norg_a user_office appointment.change [\"status\", \"notes\"]\n");
}
