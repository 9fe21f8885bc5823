#include "service.hpp"

#include "handlers.hpp"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {
namespace {

void wire(app::Service& service) {
    auto& calls = service.own<Calls>();  // contact card, lead and call of each report
    service.own<rt::Runtime>(service).add(rt::Consumer{"lead-pipeline"}.on<&Calls::record>(calls));
}

}  // namespace

app::Definition definition() { return {"lead-pipeline", "records who called and what came of it", rt::runtime_rows(), &wire}; }

}  // namespace otto::lead_pipeline
