#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace otto::kafka {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// One record, coming or going. `partition` and `offset` are set on what was consumed.
struct Record {
    std::string topic, key, value;
    Headers headers;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
    bool tombstone = false;  ///< a null value: deletion in a compacted topic
    /// First header of that name, "" if none.
    std::string_view header(std::string_view name) const;
};

struct TopicPartition {
    std::string topic;
    std::int32_t partition = 0;
    auto operator<=>(const TopicPartition&) const = default;
};

}  // namespace otto::kafka
