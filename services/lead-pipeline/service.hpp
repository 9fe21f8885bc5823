#pragma once
#include "app/process.hpp"

namespace otto::lead_pipeline {

app::Definition definition();

}  // namespace otto::lead_pipeline
