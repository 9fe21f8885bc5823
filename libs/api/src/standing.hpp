#pragma once
#include <map>
#include <mutex>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "pg/connection.hpp"

namespace otto::api {

/// Which companies are suspended. Each is looked up at most every few seconds, so a suspension counts that much later.
/// Thread-safe.
class Standing {
public:
    explicit Standing(pg::Pool& pool) : pool_(pool) {}
    /// A company that is not there yet is not suspended. Throws SqlFailure if the database cannot tell.
    bool suspended(const CompanyId&);

private:
    struct Known {
        bool suspended;
        Instant at;
    };
    pg::Pool& pool_;
    std::mutex lock_;
    std::map<CompanyId, Known> known_;
};

}  // namespace otto::api
