#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "company-service", {otto::company_service::definition()}); }
