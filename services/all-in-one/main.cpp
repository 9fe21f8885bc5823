// All services in one process on one port: the same wires, nothing of its own.
#include "appointment-service/service.hpp"
#include "callrail-ingress/service.hpp"
#include "company-service/service.hpp"
#include "lead-pipeline/service.hpp"
#include "query-service/service.hpp"
#include "shunya-ingress/service.hpp"
#include "shunya-orchestrator/service.hpp"
#include "tenant-router/service.hpp"

int main(int argc, char** argv) {
    return otto::app::run(argc, argv, "all-in-one",
                          {otto::company_service::definition(), otto::callrail_ingress::definition(), otto::shunya_ingress::definition(), otto::tenant_router::definition(), otto::lead_pipeline::definition(), otto::shunya_orchestrator::definition(), otto::appointment_service::definition(), otto::query_service::definition()});
}
