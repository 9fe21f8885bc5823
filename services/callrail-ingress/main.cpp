#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "callrail-ingress", {otto::callrail_ingress::definition()}); }
