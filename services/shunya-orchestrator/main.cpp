#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "shunya-orchestrator", {otto::shunya_orchestrator::definition()}); }
