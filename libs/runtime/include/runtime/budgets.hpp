#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "pg/tx.hpp"

namespace otto::rt {

/// So many in such a time, and all of them at once after a rest.
struct Limit {
    double count = 1;
    Millis per{1'000};
};

/// How often somebody outside may be asked, by all processes of a service together: token buckets by name, one a limit, as rows
/// of `budgets`. A process takes a slice, a sixtieth of a limit, and asks the database again when that is used up; so what it has
/// over when it dies is lost, and what it keeps over for a while adds to what the others may. Thread-safe.
class Budgets {
public:
    /// `what` is whose patience it is: "callrail".
    Budgets(std::string service, std::string what, std::vector<Limit> limits);
    /// Takes `n` from all buckets of that name, or from none: then how long to wait. What is taken anew is had once the
    /// transaction is committed. `now`: the database's.
    std::optional<Millis> take(pg::Tx&, const std::string& name, Instant now, double n = 1);
    ~Budgets();
    Budgets(const Budgets&) = delete;

    /// What is left of this process's budgets of a service, as shares of the whole: of each the name that has least.
    static std::map<std::string, double> left(pg::Tx&, const std::string& service);

private:
    struct Slice {
        double left = 0;
        Instant taken{}, empty_until{};  ///< empty_until: as the database said, for so many
        double wanted = 0;
    };
    std::string service_, what_;
    std::vector<Limit> limits_;
    Millis longest_{0};
    double slice_ = 1;
    std::mutex lock_;
    std::map<std::string, Slice> slices_;
};

}  // namespace otto::rt
