#pragma once
#include <set>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace otto::ottoctl {

/// Which lines of the structured logs concern one company's number around one moment.
struct LogQuestion {
    std::string hash;  ///< of the number, keyed as the logs' hashes are
    std::string company_id;
    Instant from, to;
    std::set<std::string> ids;  ///< trace and event ids that are known to belong to it
};

/// Lines that hold the hash, or one of the ids, or an id of a line that does; warnings and errors of the window unless they name
/// another company. In order of time, telephone numbers and quoted values masked. What is no structured line is left out.
struct LogLines {
    std::vector<std::string> lines;
    std::size_t files = 0, read = 0;
};
LogLines find_log_lines(const std::string& folder, LogQuestion);

}  // namespace otto::ottoctl
