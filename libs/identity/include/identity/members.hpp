#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "app/settings.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "identity/token.hpp"
#include "kafka/topic_table.hpp"

namespace otto::identity {

/// Who was removed from a company, and whose role changed, sooner than their tokens run out: otto.members in memory, once a
/// process. A look-up waits for nothing. Thread-safe.
class Members {
public:
    struct Options {
        std::string brokers, client_id;
        std::string snapshot;  ///< file; "" = none
    };
    /// A snapshot that is older proves nobody's membership.
    static constexpr std::chrono::hours kSnapshotLasts{1};

    explicit Members(Options, const Clock& = system_clock());
    /// The one of this process.
    static std::shared_ptr<Members> of_process(const app::Settings&);

    /// Begins to read; once, whoever calls first.
    void start();
    /// The topic has been read, or as long as it has not, a snapshot that is young enough still.
    bool known() const;
    /// What is missing for that.
    Result<void> whether_known() const;
    /// Whether Kafka answered when it was asked last, some seconds ago at most.
    Result<void> kafka_answers() const { return table_.answers(); }
    /// Takes one record of the topic (also for tests); an empty value removes it.
    void apply(std::string_view key, std::string_view value);
    std::size_t size() const;

    struct Standing {
        bool removed = false;
        std::optional<Role> role;  ///< none: what the identity provider calls it is none of ours
        Instant changed_at;        ///< since when it is so
    };
    /// None: nobody has told of him. He is let in on his token: it is short, and who signed it knows who is a member.
    std::optional<Standing> find(std::string_view company, std::string_view user) const;
    /// The topic has been read to its end; a snapshot is not enough.
    bool caught_up() const { return table_.caught_up(); }
    /// The version on the topic; 0: none.
    std::int64_t version_of(std::string_view company, std::string_view user) const;
    /// What the topic has of a company: how many members, and their versions in one number.
    struct Sum {
        std::int64_t members = 0, versions = 0;
        bool operator==(const Sum&) const = default;
    };
    std::map<std::string, Sum, std::less<>> sums() const;

private:
    struct Entry {
        std::int64_t version = 0, changed_at_us = 0;
        bool removed = false;
        std::int8_t role = -1;
    };
    struct Hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    void dump(const std::function<void(const std::string&, std::string_view)>&) const;

    const Clock& clock_;
    mutable std::shared_mutex lock_;
    std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;  ///< by company:user
    std::once_flag started_;
    kafka::TopicTable table_;  ///< the last: its thread calls the others
};

}  // namespace otto::identity
