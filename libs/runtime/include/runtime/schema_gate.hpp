#pragma once
#include "app/process.hpp"

namespace otto::rt {

/// The start waits for Postgres, and for its schema to be at least this build's: whatever of the service comes after this may use
/// the database. For every service that has one, once or several times.
void needs_schema(app::Service&);

}  // namespace otto::rt
