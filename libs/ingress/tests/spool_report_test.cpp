#include "ingress/spool_report.hpp"

#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "spool.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::ingress;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/otto-spool-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

events::Wire wire(const std::string& topic, const std::string& time) {
    return {topic, "key", "value", {{"ce_id", "1"}, {"ce_time", time}}};
}

void append(Spool& spool, const std::vector<events::Wire>& wires) {
    std::vector<const events::Wire*> pointers;
    for (const auto& w : wires) pointers.push_back(&w);
    REQUIRE(spool.append(pointers).ok());
}

}  // namespace

TEST_CASE("a spool is read while its ingress writes, and neither stands in the other's way") {
    Folder folder;
    Spool spool(folder.path);
    auto empty = read_spool(folder.path);
    REQUIRE(empty.ok());
    CHECK((empty->exists && empty->rows == 0 && empty->bytes == 0 && !empty->oldest && empty->topics.empty()));
    append(spool, {wire("otto.inbound", "2026-11-21T10:00:00Z"), wire("otto.inbound", "2026-11-21T10:00:05Z")});
    append(spool, {wire("otto.other", "2026-11-21T10:00:07Z")});
    auto read = read_spool(folder.path);
    REQUIRE(read.ok());
    CHECK(read->rows == 3);
    CHECK(read->bytes == spool.bytes());
    CHECK(to_rfc3339(*read->oldest) == "2026-11-21T10:00:00Z");
    CHECK(to_rfc3339(*read->newest) == "2026-11-21T10:00:07Z");
    REQUIRE(read->topics.size() == 2);
    CHECK((read->topics[0].name == "otto.inbound" && read->topics[0].rows == 2 && read->topics[1].rows == 1));
    CHECK(read->owner == ::getpid());
    append(spool, {wire("otto.inbound", "2026-11-21T10:00:09Z")});  // it goes on writing
    spool.remove_up_to(spool.lowest(2, 1u << 20).back().id);
    CHECK(read_spool(folder.path)->rows == 2);
}

TEST_CASE("a spool is read in the midst of an ingress's transaction, and shows what was before it") {
    Folder folder;
    Spool spool(folder.path);
    append(spool, {wire("otto.inbound", "2026-11-21T10:00:00Z")});
    sqlite3* writer = nullptr;
    REQUIRE(sqlite3_open((folder.path + "/spool.db").c_str(), &writer) == SQLITE_OK);
    REQUIRE(sqlite3_exec(writer, "BEGIN IMMEDIATE; DELETE FROM spool", nullptr, nullptr, nullptr) == SQLITE_OK);
    auto read = read_spool(folder.path);
    REQUIRE(read.ok());
    CHECK(read->rows == 1);
    CHECK(sqlite3_exec(writer, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(writer);
    CHECK(read_spool(folder.path)->rows == 0);
}

TEST_CASE("the spool of an ingress that stopped is read, nobody owns it, and the next one finds it whole") {
    Folder folder;
    {
        Spool spool(folder.path);
        append(spool, {wire("otto.inbound", "2026-11-21T10:00:00Z")});
    }
    auto read = read_spool(folder.path);
    REQUIRE(read.ok());
    CHECK((read->rows == 1 && !read->owner));
    Spool next(folder.path);
    CHECK(next.rows() == 1);
}

TEST_CASE("a folder without a spool says so; what is no folder is an error that names it") {
    Folder folder;
    auto read = read_spool(folder.path);
    REQUIRE(read.ok());
    CHECK_FALSE(read->exists);
    CHECK(std::filesystem::is_empty(folder.path));
    CHECK(read_spool(folder.path + "/none").error().message.find(folder.path + "/none") != std::string::npos);
}
