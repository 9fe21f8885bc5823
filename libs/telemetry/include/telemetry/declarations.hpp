#pragma once
#include <string>
#include <vector>

namespace otto::tel {

/// A metric as this program declares it, whether or not it ever moved.
struct Declaration {
    std::string name, type, help;
    std::vector<std::string> labels;
};

/// All of this program, by name.
std::vector<Declaration> declared_metrics();

}  // namespace otto::tel
