#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "query-service", {otto::query_service::definition()}); }
