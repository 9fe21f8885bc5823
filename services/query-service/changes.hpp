#pragma once
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "identity/token.hpp"
#include "otto/changes/v1/changes.pb.h"

namespace otto::query_service {

/// A row that changed, as otto.changes tells it.
struct Change {
    std::int64_t offset = 0;
    Instant at{};  ///< when it was written
    changes::v1::RowChanged row;
};

/// Who watches.
struct Watcher {
    CompanyId company;
    std::string user;
    identity::Role role = identity::Role::csr;
    std::optional<Instant> issued_at = {};  ///< of the token
};

/// What somebody is told of a change: what the lists show. A rep has own rows, and learns when one is taken away; the company's
/// settings are its managers' business.
enum class Sees { nothing, it, that_it_is_gone };
Sees sees(const Watcher&, const changes::v1::RowChanged&);

/// Where a stream is: all of the company's changes up to there have been told. A company's are in one partition.
struct Position {
    std::int32_t partition = 0;
    std::int64_t offset = -1;
    std::string text() const;  ///< "3.1042"
    static std::optional<Position> parse(std::string_view);
};

/// A change as a frame of text/event-stream, for who sees so much of it.
void write_frame(std::string& out, std::int32_t partition, const Change&, Sees);

}  // namespace otto::query_service
