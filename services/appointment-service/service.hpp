#pragma once
#include "app/process.hpp"

namespace otto::appointment_service {

app::Definition definition();

}  // namespace otto::appointment_service
