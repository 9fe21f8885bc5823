#include "app/process.hpp"
#include "commands/commands.hpp"
#include "config.hpp"
#include "handlers/analyses.hpp"
#include "handlers/calls.hpp"
#include "handlers/doubts.hpp"
#include "handlers/due.hpp"
#include "handlers/renumber.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {
namespace {

using identity::Role;
using identity::Roles;

void wire(app::Service& service) {
    const auto& settings = service.settings();
    auto& calls = service.own<Calls>(settings.get(kMissedCallGrace));  // contact card, lead and call of each report
    auto& analyses = service.own<Analyses>();                          // what they said: status, contact, tasks
    auto& doubts = service.own<Doubts>();                              // what calls say against appointments that people planned
    auto& due = service.own<DueWork>();                                // call-backs and overdue tasks
    auto& renumber = service.own<Renumber>(settings.get(kMissedCallGrace));  // what is on record, as the present rules have it
    auto& authenticator = service.own<identity::Authenticator>(settings);    // who asks
    auto& api = service.own<api::Api>(service, authenticator);               // routes with roles, tenant scope, Idempotency-Key
    auto& commands = service.own<Commands>();                                // what people command

    constexpr Roles everybody{Role::csr, Role::sales_rep, Role::manager}, office{Role::csr, Role::manager};
    using http::Method;
    api.write(Method::post, "/api/v1/tasks", everybody, commands, &Commands::create_task);
    api.write(Method::patch, "/api/v1/tasks/{task_id}", everybody, commands, &Commands::change_task);
    api.write(Method::post, "/api/v1/tasks/{task_id}/complete", everybody, commands, &Commands::complete_task);
    api.write(Method::del, "/api/v1/tasks/{task_id}", everybody, commands, &Commands::cancel_task);
    api.write(Method::patch, "/api/v1/leads/{lead_id}", office, commands, &Commands::change_lead);
    api.write(Method::post, "/api/v1/leads/{lead_id}/claim", office, commands, &Commands::claim_lead);

    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"lead-pipeline"}.on<&Calls::record>(calls).lanes_per_core(
            2))  // with one, half of the cores' time was waited away
        .add(rt::Consumer{"lead-pipeline/analysis"}.on<&Analyses::record>(analyses).on<&Doubts::look_into>(doubts))
        .work<&DueWork::call_back>(std::string(kMissedCalls), due)
        .work<&DueWork::make_overdue>(std::string(kOverdueTasks), due)
        .periodic("renumber", Millis{1'000}, [&renumber](pg::Connection& db) { renumber.run(db); });
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    for (auto& r : identity::identity_rows()) all.push_back(r);
    all.push_back(kMissedCallGrace.row);
    return all;
}

}  // namespace

app::Definition definition() { return {"lead-pipeline", "records who called and what came of it", rows(), &wire}; }

}  // namespace otto::lead_pipeline
