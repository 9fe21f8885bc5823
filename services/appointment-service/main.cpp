#include "service.hpp"

int main(int argc, char** argv) { return otto::app::run(argc, argv, "appointment-service", {otto::appointment_service::definition()}); }
