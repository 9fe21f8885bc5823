#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "tenant-router", {otto::tenant_router::definition()}); }
