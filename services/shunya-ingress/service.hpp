#pragma once
#include "app/process.hpp"

namespace otto::shunya_ingress {

app::Definition definition();

}  // namespace otto::shunya_ingress
