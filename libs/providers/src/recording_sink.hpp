#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "providers/recordings.hpp"

namespace otto::providers {

/// Bytes of an answer that may be JSON saying where the recording is.
inline constexpr std::size_t kMostJson = 64u << 10;

/// Takes an answer's body piece by piece: what may be sound goes to the file, JSON to a text; whatever else is stopped at once.
class RecordingSink {
public:
    RecordingSink(TemporaryFile& file, const std::function<bool()>& stopping) : file_(file), stopping_(stopping) {}

    /// False: no more is wanted.
    bool take(std::string_view piece);
    /// All has come, or no more is wanted. Less than is needed to be sure is judged too.
    void end();

    bool stopped() const { return stopped_; }
    const std::optional<Error>& disk() const { return disk_; }
    std::optional<std::string_view> json() const { return json_ ? std::optional<std::string_view>(first_) : std::nullopt; }
    bool empty() const { return first_.empty() && !keeping_; }

    /// What came, after end(): the recording, which takes the file; Again if it is cut short; or, from `where` under that type,
    /// something else, with this cure.
    FetchOutcome recording(const std::string& where, std::string_view content_type, const std::string& cure, bool another_key);

private:
    bool judge();
    bool keep(std::string_view piece);

    TemporaryFile& file_;
    const std::function<bool()>& stopping_;
    std::string first_;
    std::optional<std::string> other_;  ///< what came instead of sound, in a word, if that is sure
    bool keeping_ = false, json_ = false, stopped_ = false;
    std::optional<Error> disk_;
};

}  // namespace otto::providers
