#include "ingress/spool_report.hpp"

#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "kafka/source.hpp"
#include "spool.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"

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

TEST_CASE("a spool older than repeats are remembered is put aside whole, and a younger one is sent as ever") {
    Folder folder;
    {
        Spool spool(folder.path);
        append(spool, {wire("otto.inbound", "2026-11-21T10:00:00Z"), wire("otto.inbound", "2026-11-27T10:00:00Z")});
    }
    auto at = [](const char* time) { return *parse_time(time); };
    {
        Spool young(folder.path, at("2026-11-21T10:00:00Z"));  // not older than that
        CHECK(young.rows() == 2);
        CHECK(spools_put_aside(folder.path).empty());
    }
    {
        Spool old(folder.path, at("2026-11-21T10:00:01Z"));
        CHECK((old.rows() == 0 && old.bytes() == 0));
        append(old, {wire("otto.inbound", "2026-11-30T10:00:00Z")});  // it takes what comes
    }
    auto aside = spools_put_aside(folder.path);
    REQUIRE(aside.size() == 1);
    CHECK(aside.front() == folder.path + "/old-2026-11-21");
    auto read = read_spool(aside.front());
    REQUIRE(read.ok());
    CHECK((read->rows == 2 && !read->owner));
    CHECK(read_spool(folder.path)->rows == 1);
    {
        Spool once_more(folder.path, at("2026-12-20T00:00:00Z"));  // a year in which that happens twice
        CHECK(once_more.rows() == 0);
    }
    CHECK(spools_put_aside(folder.path).size() == 2);
    {
        // One of the same day has a name of its own.
        Spool next(folder.path);
        append(next, {wire("otto.inbound", "2026-11-21T23:00:00Z")});
    }
    Spool third(folder.path, at("2026-12-20T00:00:00Z"));
    CHECK(spools_put_aside(folder.path).size() == 3);
}

TEST_CASE("a spool that somebody reads is not put aside without what its log has") {
    Folder folder;
    {
        Spool spool(folder.path);
        append(spool, {wire("otto.inbound", "2026-11-21T10:00:00Z")});
    }
    const auto later = *parse_time("2026-12-20T00:00:00Z");
    sqlite3* reader = nullptr;
    REQUIRE(sqlite3_open_v2((folder.path + "/spool.db").c_str(), &reader, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_exec(reader, "BEGIN; SELECT * FROM spool", nullptr, nullptr, nullptr) == SQLITE_OK);
    {
        Spool spool(folder.path);  // what comes now stands in the log, behind what the reader sees
        append(spool, {wire("otto.inbound", "2026-11-22T10:00:00Z")});
    }
    CHECK_THROWS_AS(Spool(folder.path, later), Failure);
    CHECK(spools_put_aside(folder.path).empty());
    sqlite3_close(reader);
}

TEST_CASE("a spool is emptied by hand in its order, as far as it is old; nothing is lost while Kafka is away", "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    auto topic = kafka.fresh_topic();
    Folder folder;
    {
        Spool spool(folder.path);
        append(spool, {wire(topic, "2026-11-21T10:00:00Z"), wire(topic, "2026-11-22T10:00:00Z")});
    }
    { Spool old(folder.path, *parse_time("2026-11-29T00:00:00Z")); }
    auto aside = spools_put_aside(folder.path).front();
    auto away = drain_spool(aside, "127.0.0.1:1", std::nullopt, Millis{300});
    REQUIRE_FALSE(away);
    CHECK(away.error().hint.find("OTTO_KAFKA_BROKERS") != std::string::npos);
    CHECK(read_spool(aside)->rows == 2);
    auto part = drain_spool(aside, kafka.brokers(), parse_time("2026-11-22T00:00:00Z"), Millis{20'000});
    REQUIRE(part.ok());
    CHECK((part->sent == 1 && part->left == 1));
    auto rest = drain_spool(aside, kafka.brokers(), std::nullopt, Millis{20'000});
    REQUIRE(rest.ok());
    CHECK((rest->sent == 1 && rest->left == 0));
    CHECK_FALSE(std::filesystem::exists(aside));
    CHECK(std::filesystem::exists(folder.path + "/spool.db"));
    kafka::Reader reader(kafka.brokers(), "test-reader", {topic});
    std::vector<std::string> times;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (times.size() < 2 && std::chrono::steady_clock::now() < end)
        for (const auto& r : reader.poll(100, Millis{200}))
            for (const auto& [name, value] : r.headers)
                if (name == "ce_time") times.push_back(value);
    CHECK(times == std::vector<std::string>{"2026-11-21T10:00:00Z", "2026-11-22T10:00:00Z"});
    // One that an ingress has open is its own to send.
    Spool running(folder.path);
    CHECK(drain_spool(folder.path, kafka.brokers(), std::nullopt, Millis{1'000})
              .error()
              .message.find("belongs to another process") != std::string::npos);
}
