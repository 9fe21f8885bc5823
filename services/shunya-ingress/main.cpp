#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "shunya-ingress", {otto::shunya_ingress::definition()}); }
