#pragma once
#include <string>
#include <vector>

#include "lane.hpp"
#include "pg/connection.hpp"

namespace otto::rt {

/// A table that only grows, and how old its rows get.
struct Trim {
    std::string table, column;
    Millis age;
    std::string only;  ///< a further condition on rows that may go
};

/// Deletes what is too old, some rows a transaction, until nothing is or the process stops. A table that fails does not keep the
/// others from it.
void trim(pg::Connection&, const std::vector<Trim>&, const StopSignal&);

/// Of one transaction: what a statement of a few hundred milliseconds deletes.
inline constexpr int kTrimmedAtOnce = 10'000;

}  // namespace otto::rt
