#pragma once
#include "app/process.hpp"

namespace otto::company_service {

app::Definition definition();

}  // namespace otto::company_service
