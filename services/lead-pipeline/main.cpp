#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "lead-pipeline", {otto::lead_pipeline::definition()}); }
