#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace otto::ingress {

/// What a spool directory holds, for operators.
struct SpoolReport {
    bool exists = false;              ///< false: no ingress has used the directory yet
    std::size_t rows = 0, bytes = 0;  ///< events that Kafka does not have yet, and their size as the spool's limit counts it
    std::optional<Instant> oldest, newest;  ///< when the first and the last of them were received
    struct Topic {
        std::string name;
        std::size_t rows = 0, bytes = 0;
    };
    std::vector<Topic> topics;
    std::optional<int> owner;  ///< the process that has the directory locked, if there is one on this machine
};

/// Reads without a lock that an ingress could meet: one that runs goes on writing meanwhile, one that starts finds the directory
/// free. The user must be able to read the spool's files; those of an ingress that did not stop cleanly are left as they are.
Result<SpoolReport> read_spool(const std::string& dir);

}  // namespace otto::ingress
