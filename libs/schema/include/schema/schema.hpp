#pragma once
#include <span>
#include <string_view>

#include "pg/migrate.hpp"

/// The database as this build knows it: every migration of every lib and service, embedded, in the order of their timestamps.
namespace otto::schema {

std::span<const pg::Migration> all();
/// Large changes that no start waits for (pg/background.hpp); `ottoctl migrate --background` does them.
std::span<const pg::Migration> background();
/// The version that a service of this build needs; the gate of its start.
std::string_view latest();

}  // namespace otto::schema
