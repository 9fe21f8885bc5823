#pragma once
#include <sstream>
#include <string>

#include "telemetry/metrics.hpp"

namespace otto::testkit {

/// What a counter or gauge of this process shows; the sum where several have these labels among theirs, 0 if none has.
inline double metric(const std::string& name, const tel::Labels& labels = {}) {
    std::istringstream lines(tel::expose_metrics());
    double sum = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(name) || (line[name.size()] != '{' && line[name.size()] != ' ')) continue;
        bool fits = true;
        for (const auto& [label, value] : labels) fits = fits && line.find(label + "=\"" + value + "\"") != std::string::npos;
        if (fits) sum += std::stod(line.substr(line.rfind(' ')));
    }
    return sum;
}

}  // namespace otto::testkit
