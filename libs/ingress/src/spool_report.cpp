#include "ingress/spool_report.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "spool.hpp"

namespace otto::ingress {
namespace {

struct CloseDb {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
};
struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
};
using Db = std::unique_ptr<sqlite3, CloseDb>;

/// Who holds flock(2) on the file, by the kernel's list: asking with a lock of one's own could turn away an ingress that starts
/// just now.
std::optional<int> holder_of(const std::string& file) {
    struct stat s {};
    if (::stat(file.c_str(), &s) != 0) return std::nullopt;
    char id[64];
    std::snprintf(id, sizeof id, "%02x:%02x:%llu", major(s.st_dev), minor(s.st_dev), static_cast<unsigned long long>(s.st_ino));
    std::ifstream locks("/proc/locks");
    std::string line;
    while (std::getline(locks, line)) {
        std::istringstream words(line);
        std::string number, kind, mode, access, pid, place;
        words >> number >> kind >> mode >> access >> pid >> place;
        if (kind == "FLOCK" && place == id) return std::atoi(pid.c_str());
    }
    return std::nullopt;
}

template <class EachRow>
bool read(sqlite3* db, const char* sql, EachRow each) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db, sql, -1, &raw, nullptr) != SQLITE_OK) return false;
    std::unique_ptr<sqlite3_stmt, Finalize> s(raw);
    int code = sqlite3_step(raw);
    for (; code == SQLITE_ROW; code = sqlite3_step(raw)) each(raw);
    return code == SQLITE_DONE;
}

std::string text(sqlite3_stmt* s, int column) {
    const auto* p = sqlite3_column_text(s, column);
    return p ? std::string(reinterpret_cast<const char*>(p), static_cast<std::size_t>(sqlite3_column_bytes(s, column)))
             : std::string{};
}

}  // namespace

std::vector<std::string> spools_put_aside(const std::string& dir) {
    std::vector<std::string> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir, error))
        if (entry.path().filename().string().starts_with("old-") && entry.is_directory(error))
            out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
}

Result<SpoolReport> read_spool(const std::string& dir) {
    SpoolReport out;
    struct stat s {};
    if (::stat(dir.c_str(), &s) != 0 || !S_ISDIR(s.st_mode))
        return Error("there is no folder '" + dir + "'", "OTTO_SPOOL_DIR must be the folder of an ingress");
    out.owner = holder_of(dir + "/lock");
    const auto file = dir + "/spool.db";
    if (::stat(file.c_str(), &s) != 0) return out;
    sqlite3* raw = nullptr;
    int opened = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
    Db db(raw);
    auto failed = [&] {
        return Error("the spool in '" + dir + "' cannot be read: " + (raw ? sqlite3_errmsg(raw) : "no memory"),
                     "run it as the ingress's user; nothing was changed");
    };
    if (opened != SQLITE_OK) return failed();
    sqlite3_busy_timeout(raw, 2'000);
    // One transaction, so that the figures fit each other; in WAL mode it stands in no writer's way.
    if (sqlite3_exec(raw, "BEGIN", nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
    bool good =
        read(raw, "SELECT topic, count(*), sum(length(value) + length(key) + 300) FROM spool GROUP BY topic ORDER BY topic",
             [&](sqlite3_stmt* row) {
                 out.topics.push_back({text(row, 0), static_cast<std::size_t>(sqlite3_column_int64(row, 1)),
                                       static_cast<std::size_t>(sqlite3_column_int64(row, 2))});
                 out.rows += out.topics.back().rows;
                 out.bytes += out.topics.back().bytes;
             });
    good = good && read(raw, "SELECT headers FROM spool ORDER BY id LIMIT 1",
                        [&](sqlite3_stmt* row) { out.oldest = time_of(text(row, 0)); });
    good = good && read(raw, "SELECT headers FROM spool ORDER BY id DESC LIMIT 1",
                        [&](sqlite3_stmt* row) { out.newest = time_of(text(row, 0)); });
    if (!good) return failed();
    out.exists = true;
    return out;
}

}  // namespace otto::ingress
