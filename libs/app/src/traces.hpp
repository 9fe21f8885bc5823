#pragma once
#include <memory>
#include <string>

#include "app/settings.hpp"
#include "telemetry/span.hpp"

namespace otto::app {

/// Tells steps to the collector that OTTO_OTLP_ENDPOINT names, as long as it lives; null where it names none. Throws Failure for
/// what is no address or no share.
std::unique_ptr<tel::TraceExport> export_traces(const Settings&, const std::string& program);

}  // namespace otto::app
