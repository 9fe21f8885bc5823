#include "providers/object_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Folder {
    fs::path path;
    Folder() {
        char text[] = "/tmp/otto-objects-XXXXXX";
        REQUIRE(::mkdtemp(text));
        path = text;
    }
    ~Folder() { fs::remove_all(path); }
};

std::unique_ptr<ObjectStore> store_in(const fs::path& path) { return make_object_store("file:" + path.string()).value(); }

TemporaryFile file_of(const ObjectStore& store, const std::string& content) {
    auto file = store.temporary().value();
    file.write(content).value();
    return file;
}

/// "" if there is none.
std::string content_of(const ObjectStore& store, const std::string& key) {
    auto object = store.open(key).value();
    return object ? object->read(0, 1'000'000).value() : "";
}

std::size_t files_in(const fs::path& path) {
    std::size_t n = 0;
    for (const auto& entry : fs::recursive_directory_iterator(path)) n += entry.is_regular_file();
    return n;
}

}  // namespace

TEST_CASE("object store: what is put can be opened, replaced and removed") {
    Folder folder;
    auto store = store_in(folder.path / "a" / "b");
    const std::string key = "org_a/calls/17.mp3";
    CHECK_FALSE(store->exists(key).value());
    CHECK_FALSE(store->open(key).value().has_value());
    CHECK(store->remove(key).ok());
    REQUIRE(store->put(key, file_of(*store, "first")).ok());
    CHECK(store->exists(key).value());
    auto first = store->open(key).value();
    REQUIRE(first.has_value());
    CHECK(first->size() == 5);
    CHECK(first->read(1, 3).value() == "irs");
    CHECK(first->read(4, 10).value() == "t");
    CHECK(first->read(9, 10).value() == "");
    REQUIRE(store->put(key, file_of(*store, "another content")).ok());
    CHECK(content_of(*store, key) == "another content");
    CHECK(first->read(0, 10).value() == "first");  // who reads the former goes on
    CHECK(store->open(key).value()->tag() != first->tag());
    CHECK(store->remove(key).ok());
    CHECK_FALSE(store->exists(key).value());
    CHECK_FALSE(store->signed_url(key, Millis{1'000}).has_value());
    CHECK(files_in(folder.path) == 0);
}

TEST_CASE("object store: a second one on the same folder sees the same objects, and nobody else may read them") {
    Folder folder;
    auto one = store_in(folder.path), two = store_in(folder.path);
    REQUIRE(one->put("org_a/calls/1.wav", file_of(*one, "sound")).ok());
    CHECK(content_of(*two, "org_a/calls/1.wav") == "sound");
    struct stat about {};
    REQUIRE(::stat((folder.path / "org_a/calls/1.wav").c_str(), &about) == 0);
    CHECK((about.st_mode & 0777) == 0600);
    REQUIRE(::stat((folder.path / "org_a/calls").c_str(), &about) == 0);
    CHECK((about.st_mode & 0777) == 0700);
}

TEST_CASE("object store: a temporary file is hashed on the way, and gone unless it was put") {
    Folder folder;
    auto store = store_in(folder.path);
    {
        auto file = store->temporary().value();
        CHECK(file.sha256() == hex_encode(sha256("")));
        file.write("abc").value();
        CHECK(file.sha256() == hex_encode(sha256("abc")));
        file.write("def").value();
        CHECK(file.bytes() == 6);
        CHECK(file.sha256() == hex_encode(sha256("abcdef")));
        CHECK(file.read(2, 3).value() == "cde");
        auto moved = std::move(file);
        CHECK(moved.read(0, 9).value() == "abcdef");
        moved.clear().value();
        CHECK(moved.bytes() == 0);
        moved.write("x").value();
        CHECK(moved.sha256() == hex_encode(sha256("x")));
        CHECK(files_in(folder.path) == 1);
    }
    CHECK(files_in(folder.path) == 0);
}

TEST_CASE("object store: keys") {
    for (std::string key : {"a", "org_2abc/calls/17.mp3", "A-b_c/1.2.3", "a/b/c/d"}) {
        INFO(key);
        CHECK(valid_key(key));
    }
    Folder folder;
    std::ofstream(folder.path / "outside") << "secret";
    auto store = store_in(folder.path / "objects");
    for (std::string key :
         {std::string(""), std::string("/etc/passwd"), std::string("../outside"), std::string("a/../../outside"),
          std::string("a/./b"), std::string("a//b"), std::string("a/"), std::string("."), std::string(".unfinished/x"),
          std::string("a/.hidden"), std::string("a b"), std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3),
          std::string("caf\xc3\xa9"), std::string("a%2fb"), std::string(513, 'a'), std::string(256, 'a')}) {
        INFO(key);
        CHECK_FALSE(valid_key(key));
        CHECK_FALSE(store->open(key).ok());
        CHECK_FALSE(store->exists(key).ok());
        CHECK_FALSE(store->remove(key).ok());
        CHECK_FALSE(store->put(key, file_of(*store, "x")).ok());
    }
    CHECK(valid_key(std::string(255, 'a')));
    CHECK(files_in(folder.path) == 1);
    // A link that somebody laid there leads nowhere, a folder is no object.
    fs::create_directories(folder.path / "objects/a/b");
    fs::create_symlink(folder.path / "outside", folder.path / "objects/a/link");
    CHECK_FALSE(store->open("a/link").ok());
    CHECK_FALSE(store->exists("a/link").value());
    CHECK_FALSE(store->open("a/b").value().has_value());
    CHECK_FALSE(store->exists("a/b").value());
}

TEST_CASE("object store: what broken off writings left is removed once it is old") {
    Folder folder;
    auto store = store_in(folder.path);
    std::ofstream(folder.path / ".unfinished/old") << "half";
    std::ofstream(folder.path / ".unfinished/young") << "half";
    fs::last_write_time(folder.path / ".unfinished/old", fs::file_time_type::clock::now() - std::chrono::hours(25));
    store = store_in(folder.path);
    CHECK_FALSE(fs::exists(folder.path / ".unfinished/old"));
    CHECK(fs::exists(folder.path / ".unfinished/young"));
}

TEST_CASE("object store: what OTTO_OBJECT_STORE may say") {
    Folder folder;
    std::ofstream(folder.path / "file") << "x";
    struct Row {
        std::string spec, says;
    };
    for (const auto& row : std::vector<Row>{{"s3://bucket/prefix", "not built yet"},
                                            {"gs://bucket", "not built yet"},
                                            {"", "file:PATH"},
                                            {"file:", "file:PATH"},
                                            {"/var/lib/otto", "file:PATH"},
                                            {"file:" + (folder.path / "file").string(), "file"},
                                            {"file:/proc/otto/objects", "/proc/otto"}}) {
        INFO(row.spec);
        auto store = make_object_store(row.spec);
        REQUIRE_FALSE(store.ok());
        CHECK(has(store.error().describe(), "OTTO_OBJECT_STORE"));
        CHECK(has(store.error().describe(), row.says));
        CHECK_FALSE(store.error().hint.empty());
    }
    CHECK(make_object_store("file:" + (folder.path / "with/slash/").string()).ok());
    CHECK(fs::is_directory(folder.path / "with/slash"));
}
