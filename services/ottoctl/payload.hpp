#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/uuid.hpp"

namespace otto::ottoctl {

/// A dead letter as it stands, and what an edit makes of it.
struct Letter {
    std::string topic, key, type, company_id, value;
    int partition = 0;
    std::optional<std::int64_t> offset;
    std::optional<Uuid> event_id;  ///< none: the record's headers could not be read
    std::vector<std::pair<std::string, std::string>> headers;
};

/// How a person mends it: the whole payload as JSON, or some of its fields; the type, if the record does not say it.
struct Edit {
    std::optional<std::string> json;
    std::vector<std::pair<std::string, std::string>> fields;  ///< "call.duration_s", "35"
    std::optional<std::string> type;
};

/// The mended letter. Key and company follow from the new payload; a letter that was readable keeps its id, and its company: an
/// event never moves to another tenant by an edit. One that was not gets headers anew, with an id that is the same for every
/// consumer that buried the record. Pure.
Result<Letter> mend(const Letter&, const Edit&, Instant now);

/// The payload as JSON; the error says why it is none.
Result<std::string> payload_json(const std::string& type, const std::string& value);

std::vector<std::pair<std::string, std::string>> headers_from(const std::string& json);
std::string headers_json(const std::vector<std::pair<std::string, std::string>>&);

}  // namespace otto::ottoctl
