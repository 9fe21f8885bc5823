#pragma once
#include "app/process.hpp"

namespace otto::shunya_orchestrator {

app::Definition definition();

}  // namespace otto::shunya_orchestrator
