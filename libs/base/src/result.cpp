#include "base/result.hpp"

#include <string_view>

namespace otto {

std::string Error::describe() const {
    std::string_view file = where.file_name();
    if (auto slash = file.rfind('/'); slash != std::string_view::npos) file.remove_prefix(slash + 1);
    std::string out = message;
    if (!hint.empty()) out.append(" (").append(hint).append(")");
    return out.append(" [").append(file).append(":").append(std::to_string(where.line())).append("]");
}

}  // namespace otto
