#pragma once
#include "app/settings.hpp"

namespace otto::ottoctl {

inline const app::Setting<std::int64_t> kReplication =
    app::number("replication", 1, 1, 10, "copies of each partition of topics that are made");

}  // namespace otto::ottoctl
