#pragma once
#include "app/process.hpp"

namespace otto::tenant_router {

app::Definition definition();

}  // namespace otto::tenant_router
