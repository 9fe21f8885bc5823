#pragma once
#include "app/settings.hpp"
#include "base/secret.hpp"

namespace otto::ottoctl {

inline const app::Setting<std::int64_t> kReplication =
    app::number("replication", 1, 1, 10, "copies of each partition of topics that are made");

inline const app::Setting<Secret> kPgUrlAdmin =
    app::secret("pg-url-admin", "Otto's database as an administrator who may make roles, for roles apply; else OTTO_PG_URL");

}  // namespace otto::ottoctl
