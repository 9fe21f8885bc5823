#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/uuid.hpp"
#include "kafka/record.hpp"

namespace otto::ottoctl {

/// A record of a topic, as far as it says whence it comes.
struct Sighting {
    Uuid id;
    std::optional<Uuid> cause;
    kafka::TopicPartition at;
    std::int64_t offset = 0;
    std::string type, source, time;
};

/// Records seen while topics are searched, by id and cause. Holds some 200 bytes a record, so the search is bounded.
class Sightings {
public:
    /// Takes a record's headers; false if they are no event's.
    bool add(const kafka::Record&);
    /// Everything that led to one of these events and that followed from it, in the order of the topics; `ids` grows by theirs.
    std::vector<Sighting> family(std::set<Uuid>& ids) const;
    std::size_t size() const { return all_.size(); }

private:
    std::vector<Sighting> all_;
    std::multimap<Uuid, std::size_t> by_id_, by_cause_;
};

}  // namespace otto::ottoctl
