#pragma once
#include "app/process.hpp"

namespace otto::callrail_ingress {

app::Definition definition();

}  // namespace otto::callrail_ingress
