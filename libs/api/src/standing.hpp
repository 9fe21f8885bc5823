#pragma once
#include <map>
#include <mutex>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "pg/connection.hpp"

namespace otto::api {

/// How companies stand. Each that there is is looked up at most every few seconds, so a suspension counts that much later; one
/// that is not there yet is looked for each time. Thread-safe.
class Standing {
public:
    explicit Standing(pg::Pool& pool) : pool_(pool) {}
    enum class Is { active, suspended, none };
    /// Throws SqlFailure if the database cannot tell.
    Is of(const CompanyId&);

private:
    struct Known {
        Is is;
        Instant at;
    };
    pg::Pool& pool_;
    std::mutex lock_;
    std::map<CompanyId, Known> known_;
};

}  // namespace otto::api
