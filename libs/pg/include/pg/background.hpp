#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/result.hpp"
#include "pg/migrate.hpp"

namespace otto::pg {

/// Large changes that no rollout waits for. A background step is a migration whose first line says
///
///   -- otto: background calls (company_id, call_id) 2000
///   UPDATE calls c SET folded = otto_fold(c.note) FROM batch b WHERE c.company_id = b.company_id AND c.call_id = b.call_id AND
///   c.folded IS NULL
///
/// It goes along the table in the order of those columns, which an index must have and which the step must not change, that many
/// rows at a time: `batch` holds their keys, and the one statement (UPDATE, INSERT … ON CONFLICT, DELETE; no RETURNING) does to
/// them what is to be done. Each batch is a transaction that also writes down how far it came (table `background_steps`), so
/// whoever is killed loses one batch, and the next goes on there. No service's start waits for it: programs work with and without
/// it until a later release's migration takes it for granted.
struct BackgroundProgress {
    std::string version, name;
    std::int64_t done = 0;   ///< rows that it has come past
    std::int64_t total = 0;  ///< of about so many; an estimate of when it began
    std::optional<Instant> started, changed, finished;
    std::string error;          ///< of the last attempt
    bool changed_text = false;  ///< it began with another text than this build has
    int percent() const;
};

struct BackgroundOptions {
    /// After each batch it rests as long as the batch took, a second at most, so that it takes half of one session.
    bool rest = true;
    Backoff pause{Millis{500}, Millis{15'000}, 2, 0.2};  ///< after a lock that it did not get
    int tries = 40;
    Millis tell{5'000};  ///< how often a line of progress is said
    std::function<void(const std::string&)> say;
};

/// Does what is not finished of them, one after the other, and returns how many steps it finished. Two at once: one waits. The
/// database must have this build's schema. Its rows are touched as otto_maintenance if the login itself sees only some rows.
Result<int> run_background(Connection&, std::span<const Migration>, const BackgroundOptions& = {});

/// How far each is. A database without the table knows of none.
std::vector<BackgroundProgress> background_progress(Connection&, std::span<const Migration>);

}  // namespace otto::pg
