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

/// Folders of a spool directory that an ingress has put aside, because what is in them is older than repeats are remembered.
std::vector<std::string> spools_put_aside(const std::string& dir);

/// What became of a spool that was emptied by hand.
struct Drained {
    std::size_t sent = 0;  ///< that Kafka has confirmed; they are gone from the disk
    std::size_t left = 0;
};
/// Sends what is in a spool that no ingress has open, in its order, and takes it from the disk once Kafka has confirmed it; only
/// what was received before `before`, if that is given. A folder that was put aside and is empty then goes. The error says how
/// far it came; what was sent and not confirmed is there again next time, with the same ids.
Result<Drained> drain_spool(const std::string& dir, const std::string& brokers, std::optional<Instant> before, Millis patience);

}  // namespace otto::ingress
