#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ingress/spool_report.hpp"

namespace otto::ottoctl {

/// The spools of a folder: its own, and those of the folders in it (an ingress keeps one for each provider), by name.
Result<std::vector<std::pair<std::string, ingress::SpoolReport>>> spools_under(const std::string& dir);

}  // namespace otto::ottoctl
