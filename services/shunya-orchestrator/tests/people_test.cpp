// What a person says of a call, beside what the machine says.
#include "commands.hpp"
#include "rig.hpp"
#include "testkit/metrics.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;

namespace {

/// What a manager is answered; a refusal as its status and the field it names.
std::string correct(const Rig& rig, const std::string& body) {
    http::Request request;
    request.received_at = system_clock().now();
    request.body = body;
    request.headers.add("Content-Type", "application/json");
    request.path_params = {{"call_id", std::to_string(rig.call)}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{"user_m"};
    who.company = CompanyId{rig.company};
    who.role = identity::Role::manager;
    api::Context context(request, who, *World::shared().pool);
    try {
        auto answer = Commands{}.correct(context);
        context.tx().commit();
        return answer.body;
    } catch (const api::Refusal& refusal) {
        return std::to_string(refusal.problem.status) + " " +
               (refusal.problem.fields.empty() ? "" : refusal.problem.fields[0].first);
    }
}

}  // namespace

TEST_CASE("a person's word stands against later machine results, and the machine's stays visible", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    rig.report(R"({"data": {"qualification": {"booking_status": "not_booked", "qualification_status": "cold"}}})");
    auto before = rig.told("AnalysisCompleted");
    auto corrections = testkit::metric("otto_corrections_total", {{"field", "appointment_date"}});
    auto answer = correct(rig, R"({"booking_status": "booked", "appointment_date": "2026-11-23T09:00:00"})");
    CHECK(answer.find(R"("booking_status":"booked")") != std::string::npos);
    CHECK(answer.find(R"("field":"booking_status","value":"booked","machine_value":"not_booked","user_id":"user_m")") !=
          std::string::npos);
    CHECK(testkit::metric("otto_corrections_total", {{"field", "appointment_date"}}) == corrections + 1);
    CHECK(rig.found("machine_values ->> 'booking_status'") == "not_booked");
    CHECK(rig.found("booking_status || (raw -> 'qualification' ->> 'booking_status') || (entities ->> 'appointment_date')") ==
          "bookednot_booked2026-11-23T09:00:00");
    CHECK(rig.told("AnalysisCompleted") == before + 1);
    CHECK(value("SELECT field || coalesce(former_value, '-') || user_id AS v FROM analysis_corrections" + rig.where() +
                " AND field = 'booking_status'") == "booking_statusnot_bookeduser_m");
    CHECK(value("SELECT action || target AS v FROM audit_log WHERE company_id = '" + rig.company + "'") ==
          "analysis.correct" + std::to_string(rig.call));
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "service_not_offered", "qualification_status": "hot"}}})")
              .size() == 2);
    CHECK(rig.found("booking_status || lead_quality || (raw -> 'qualification' ->> 'booking_status')") ==
          "bookedhotservice_not_offered");
    correct(rig, R"({"booking_status": null})");
    CHECK(rig.found("booking_status") == "");

    CHECK(correct(rig, R"({"booking_status": "maybe"})") == "422 booking_status");
    CHECK(correct(rig, R"({"lead_quality": "lukewarm"})") == "422 lead_quality");
    CHECK(correct(rig, R"({"colour": "red"})") == "422 colour");
    CHECK(correct(rig, R"({"appointment_date": "tomorrow"})") == "422 appointment_date");
    CHECK(correct(rig, "{}") == "422 body");
    execute("DELETE FROM work" + rig.at_work());
    rig.call += 1;
    CHECK(correct(rig, R"({"booking_status": "booked"})").starts_with("404"));
}

TEST_CASE("a person may say what a call meant that no machine analysed", "[integration]") {
    Rig rig;
    rig.recordings.push_back(Never{"gone", ""});
    rig.record({rig.recorded()});
    rig.run();
    correct(rig, R"({"booking_status": "booked"})");
    CHECK(rig.found("booking_status || provider") == "bookedperson");
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "not_booked", "qualification_status": "hot"}}})").size() ==
          2);
    CHECK(rig.found("booking_status || lead_quality || provider") == "bookedhotshunya");
}
