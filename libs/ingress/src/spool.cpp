#include "spool.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/json.hpp"
#include "telemetry/log.hpp"

namespace otto::ingress {
namespace {

struct Statement {
    sqlite3_stmt* s = nullptr;
    Statement(sqlite3* db, const char* sql) { sqlite3_prepare_v2(db, sql, -1, &s, nullptr); }
    ~Statement() { sqlite3_finalize(s); }
    Statement(const Statement&) = delete;
    /// Ends it: a database with a statement that is not over does not close.
    void reset() {
        sqlite3_finalize(s);
        s = nullptr;
    }
    bool step() { return sqlite3_step(s) == SQLITE_ROW; }
    std::string blob(int column) {
        return {static_cast<const char*>(sqlite3_column_blob(s, column)),
                static_cast<std::size_t>(sqlite3_column_bytes(s, column))};
    }
};

std::string headers_text(const events::Wire& w) {
    JsonWriter j;
    j.begin_array();
    for (const auto& [name, value] : w.headers) j.begin_array().value(name).value(value).end_array();
    return j.end_array().take();
}

std::size_t size_of(const events::Wire& w) { return w.value.size() + w.key.size() + 300; }

}  // namespace

std::optional<Instant> time_of(std::string_view headers) {
    auto parsed = JsonDocument::parse(headers);
    if (!parsed) return std::nullopt;
    auto all = parsed->root();
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all.at(i).at(0).string() == "ce_time") return parse_time(all.at(i).at(1).string().value_or(""));
    return std::nullopt;
}

Spool::Spool(std::string dir, std::optional<Instant> old_before) : dir_(std::move(dir)) {
    ::mkdir(dir_.c_str(), 0700);
    lock_fd_ = ::open((dir_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd_ < 0)
        throw Failure(Error("the spool directory '" + dir_ + "' cannot be used",
                            "OTTO_SPOOL_DIR must name a directory that this user can write"));
    if (::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0)
        throw Failure(Error("the spool directory '" + dir_ + "' belongs to another process",
                            "each ingress needs an OTTO_SPOOL_DIR of its own"));
    open();
    if (old_before && oldest_ && *oldest_ < *old_before) {
        put_aside(*oldest_);
        open();
    }
    if (!make_reserve()) tel::warn("the spool's disk has no room for a reserve", {{"dir", dir_}});
}

void Spool::open() {
    if (sqlite3_open((dir_ + "/spool.db").c_str(), &db_) != SQLITE_OK) fail("the spool does not open");
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    run("PRAGMA wal_autocheckpoint = 128");
    run("PRAGMA journal_size_limit = 1048576");
    run("CREATE TABLE IF NOT EXISTS spool (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key BLOB NOT NULL, value "
        "BLOB NOT NULL, headers TEXT NOT NULL)");
    if (sqlite3_prepare_v2(db_, "INSERT INTO spool (topic, key, value, headers) VALUES (?, ?, ?, ?)", -1, &insert_, nullptr) !=
        SQLITE_OK)
        fail("the spool does not open");
    Statement count(db_, "SELECT count(*), coalesce(sum(length(value) + length(key) + 300), 0) FROM spool");
    if (count.step()) {
        rows_ = static_cast<std::size_t>(sqlite3_column_int64(count.s, 0));
        bytes_ = static_cast<std::size_t>(sqlite3_column_int64(count.s, 1));
    }
    find_oldest();
}

void Spool::close() {
    sqlite3_finalize(insert_);
    insert_ = nullptr;
    sqlite3_close(db_);
    db_ = nullptr;
}

void Spool::put_aside(Instant oldest) {
    // All rows into the one file first: who ends between two renames must not part a database from what only its log has.
    Statement all(db_, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (!all.step() || sqlite3_column_int(all.s, 0) != 0)
        throw Failure(Error("the spool in '" + dir_ + "' is old and is to be put aside, but something reads it",
                            "start again once that has ended (ottoctl spool, sqlite3)"));
    all.reset();
    close();
    auto stamp = to_rfc3339(oldest).substr(0, 10);
    std::string folder = dir_ + "/old-" + stamp;
    for (int n = 2; ::mkdir(folder.c_str(), 0700) != 0; ++n) {
        if (errno != EEXIST || n > 1'000)
            throw Failure(Error("the spool in '" + dir_ + "' cannot be put aside", "this user must be able to write there"));
        folder = dir_ + "/old-" + stamp + "-" + std::to_string(n);
    }
    for (const char* file : {"spool.db-wal", "spool.db-shm", "spool.db"}) {
        auto from = dir_ + "/" + file, to = folder + "/" + file;
        if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
            throw Failure(Error("the spool in '" + dir_ + "' cannot be put aside", "look at the disk under OTTO_SPOOL_DIR"));
    }
    tel::warn("the spool is older than repeats are remembered: it is not sent by itself",
              {{"dir", folder}, {"rows", rows_}, {"cure", "ottoctl spool drain"}});
    rows_ = bytes_ = 0;
}

/// An eighth of what is free, at most 8 MiB: emptying the spool in steps needs less.
bool Spool::make_reserve() {
    auto path = dir_ + "/reserve";
    struct statvfs disk {};
    if (::statvfs(dir_.c_str(), &disk) != 0) return false;
    auto free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    struct stat there {};
    if (::stat(path.c_str(), &there) == 0 && there.st_size > 0) return true;
    auto size = std::clamp<std::uint64_t>(free / 8, 128u << 10, 8u << 20);
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool made = ::posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0;
    ::close(fd);
    if (!made) ::unlink(path.c_str());
    return made;
}

Spool::~Spool() {
    close();
    ::close(lock_fd_);
}

void Spool::fail(const std::string& what) {
    throw Failure(
        Error(what + ": " + (db_ ? sqlite3_errmsg(db_) : "no database"), "look at the disk under OTTO_SPOOL_DIR (" + dir_ + ")"));
}

void Spool::run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(std::string("the spool fails at ") + sql);
}

Result<void> Spool::append(const std::vector<const events::Wire*>& wires) {
    if (starved_) return Error("the spool's disk is full", "give it room; it takes events again once it is empty");
    try {
        run("BEGIN IMMEDIATE");
        std::size_t size = 0;
        for (const auto* w : wires) {
            auto headers = headers_text(*w);
            sqlite3_reset(insert_);
            sqlite3_bind_text(insert_, 1, w->topic.data(), static_cast<int>(w->topic.size()), SQLITE_STATIC);
            sqlite3_bind_blob(insert_, 2, w->key.data(), static_cast<int>(w->key.size()), SQLITE_STATIC);
            sqlite3_bind_blob(insert_, 3, w->value.data(), static_cast<int>(w->value.size()), SQLITE_STATIC);
            sqlite3_bind_text(insert_, 4, headers.data(), static_cast<int>(headers.size()), SQLITE_TRANSIENT);
            if (sqlite3_step(insert_) != SQLITE_DONE) fail("the spool takes no event");
            size += size_of(*w);
        }
        sqlite3_reset(insert_);
        run("COMMIT");
        if (rows_ == 0 && !wires.empty()) oldest_ = time_of(headers_text(*wires.front()));
        rows_ += wires.size();
        bytes_ += size;
        return {};
    } catch (const Failure& e) {
        sqlite3_reset(insert_);
        sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
        return e.error();
    }
}

std::vector<Spool::Row> Spool::lowest(std::size_t most, std::size_t bytes) {
    std::vector<Row> out;
    Statement s(db_, "SELECT id, topic, key, value, headers FROM spool ORDER BY id LIMIT ?");
    sqlite3_bind_int64(s.s, 1, static_cast<sqlite3_int64>(most));
    std::size_t size = 0;
    while (size < bytes && s.step()) {
        Row r{sqlite3_column_int64(s.s, 0), {s.blob(1), s.blob(2), s.blob(3), {}}};
        if (auto parsed = JsonDocument::parse(s.blob(4)))
            for (std::size_t i = 0; i < parsed->root().size(); ++i)
                r.wire.headers.emplace_back(std::string(parsed->root().at(i).at(0).string().value_or("")),
                                            std::string(parsed->root().at(i).at(1).string().value_or("")));
        size += size_of(r.wire);
        out.push_back(std::move(r));
    }
    return out;
}

void Spool::remove_up_to(std::int64_t id) {
    Statement sums(db_, "SELECT count(*), coalesce(sum(length(value) + length(key) + 300), 0) FROM spool WHERE id <= ?");
    sqlite3_bind_int64(sums.s, 1, id);
    if (!sums.step()) fail("the spool cannot be read");
    auto n = static_cast<std::size_t>(sqlite3_column_int64(sums.s, 0)),
         size = static_cast<std::size_t>(sqlite3_column_int64(sums.s, 1));
    sqlite3_reset(sums.s);  // an open reading would hold the log of changes as it is
    if (!delete_up_to(id)) {
        if (!starved_) {
            tel::error("the spool's disk is full: its reserve is given up, and nothing new is taken until it is empty",
                       {{"dir", dir_}, {"rows", rows_}, {"why", sqlite3_errmsg(db_)}});
            starved_ = true;
            ::unlink((dir_ + "/reserve").c_str());
        }
        sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        Statement least(db_, "SELECT min(id) FROM spool");
        auto lowest_id = least.step() ? sqlite3_column_int64(least.s, 0) : id;
        sqlite3_reset(least.s);
        for (auto at = lowest_id; at <= id; at += 10) {
            if (!delete_up_to(std::min<std::int64_t>(at + 9, id))) fail("the spool cannot be emptied");
            sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        }
    }
    rows_ -= std::min(rows_, n);
    bytes_ -= std::min(bytes_, size);
    find_oldest();
    if (rows_ == 0) shrink();
}

/// Of the lowest row, which is the first that came.
void Spool::find_oldest() {
    oldest_.reset();
    Statement first(db_, "SELECT headers FROM spool ORDER BY id LIMIT 1");
    if (rows_ > 0 && first.step()) oldest_ = time_of(first.blob(0));
}

bool Spool::delete_up_to(std::int64_t id) {
    Statement s(db_, "DELETE FROM spool WHERE id <= ?");
    sqlite3_bind_int64(s.s, 1, id);
    return sqlite3_step(s.s) == SQLITE_DONE;
}

/// An outage long gone must not hold the disk it once needed.
void Spool::shrink() {
    Statement pages(db_, "PRAGMA page_count");
    bool large = pages.step() && sqlite3_column_int64(pages.s, 0) > 4'096;
    sqlite3_reset(pages.s);
    if (!large && !starved_) return;
    sqlite3_exec(db_, "VACUUM", nullptr, nullptr, nullptr);
    sqlite3_wal_checkpoint_v2(db_, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (starved_ && make_reserve()) {
        starved_ = false;
        tel::info("the spool takes events again", {{"dir", dir_}});
    }
}

}  // namespace otto::ingress
