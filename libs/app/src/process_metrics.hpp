#pragma once
#include <string_view>

namespace otto::app {

/// What this program is, for otto_build_info; once.
void tell_build(std::string_view version, std::string_view schema);
/// What the process takes of the machine, as of now: before metrics are shown.
void measure_process();

}  // namespace otto::app
