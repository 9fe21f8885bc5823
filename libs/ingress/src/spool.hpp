#pragma once
#include <sqlite3.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "events/event.hpp"

namespace otto::ingress {

/// When a row was received, by its headers as they are stored.
std::optional<Instant> time_of(std::string_view headers);

/// Events on disk in the order in which they came: one SQLite file in WAL mode with full sync, one thread.
///
/// What lay there longer than repeats are remembered (OTTO_INBOX_DAYS) is found by an ingress that was scaled in and out again.
/// It is not sent by itself, because what of it is in Kafka already would be applied a second time: it is put aside whole, into a
/// folder "old-…" beside the file, where `ottoctl spool drain` finds it.
///
/// Taking events out needs room too, for the log of the change. So beside the file lies a reserve; on a full disk it is given up,
/// what can go to Kafka goes in small steps, and nothing new is taken until the spool is empty and the reserve is there again.
class Spool {
public:
    /// Throws Failure: another process has the directory, or the disk fails.
    /// `old_before`: what was received before it is put aside.
    explicit Spool(std::string dir, std::optional<Instant> old_before = {});
    ~Spool();
    Spool(const Spool&) = delete;

    /// All of them or none, on disk when it returns.
    Result<void> append(const std::vector<const events::Wire*>&);
    struct Row {
        std::int64_t id;
        events::Wire wire;
    };
    std::vector<Row> lowest(std::size_t most, std::size_t bytes);
    void remove_up_to(std::int64_t id);
    std::size_t rows() const { return rows_; }
    std::size_t bytes() const { return bytes_; }
    /// When the first event that lies here was received.
    std::optional<Instant> oldest() const { return oldest_; }

private:
    void open();
    void close();
    void put_aside(Instant oldest);
    void run(const char* sql);
    bool delete_up_to(std::int64_t id);
    bool make_reserve();
    void shrink();
    void find_oldest();
    [[noreturn]] void fail(const std::string& what);
    std::string dir_;
    int lock_fd_ = -1;
    sqlite3* db_ = nullptr;
    sqlite3_stmt* insert_ = nullptr;
    std::size_t rows_ = 0, bytes_ = 0;
    std::optional<Instant> oldest_;
    bool starved_ = false;  ///< the reserve is in use
};

}  // namespace otto::ingress
