#pragma once
#include "app/process.hpp"

namespace otto::query_service {

app::Definition definition();

}  // namespace otto::query_service
