#pragma once
#include <string>

#include "base/secret.hpp"

namespace otto::schema {

/// The gate of a service's start: returns once the database has this build's schema, throws if it has not. A database that cannot
/// be reached is waited for, for about a minute.
void require_latest(const Secret& pg_url, const std::string& service);

}  // namespace otto::schema
