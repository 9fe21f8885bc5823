// Who was removed, or has another role, before his token runs out.
#include "identity/members.hpp"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "base/crypto.hpp"
#include "identity/authenticator.hpp"
#include "otto/members/v1/members.pb.h"
#include "signer.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::identity;

namespace {

namespace pb = otto::members::v1;
constexpr std::int64_t kNow = 1'800'000'000;

std::string member(std::int64_t version, const char* role, bool removed = false, std::int64_t changed_at = kNow - 1'000) {
    pb::Member m;
    m.set_version(version);
    m.set_role(role);
    m.set_status(removed ? pb::STATUS_REMOVED : pb::STATUS_ACTIVE);
    m.set_changed_at_us(changed_at * 1'000'000);
    return m.SerializeAsString();
}

class FrozenClock : public Clock {
public:
    Instant now() const override { return from_micros(kNow * 1'000'000); }
};

/// Members as a snapshot of that age has them; Kafka is away.
struct Known {
    FrozenClock clock;
    std::string folder;
    std::shared_ptr<Members> members;
    explicit Known(std::chrono::seconds age = std::chrono::seconds(0), bool snapshot = true) {
        char made[] = "/tmp/otto-members-XXXXXX";
        folder = ::mkdtemp(made);
        auto file = folder + "/members.snapshot";
        if (snapshot) {
            std::ofstream(file) << R"({"id":"org_a:user_known","value":")" << base64_encode(member(1, "csr")) << "\"}\n";
            struct timespec at[2] = {{kNow - age.count(), 0}, {kNow - age.count(), 0}};
            ::utimensat(AT_FDCWD, file.c_str(), at, 0);
        }
        members = std::make_shared<Members>(Members::Options{"127.0.0.1:1", "t", file}, clock);
        members->start();
    }
};

struct Asked {
    testing::IssuerKey users, operators;
    Known known;
    Authenticator authenticator;
    explicit Asked(std::chrono::seconds age = std::chrono::seconds(0))
        : known(age),
          authenticator(
              testing::rules("https://users", false), testing::rules("https://operators", true), "https://users/keys",
              "https://operators/keys",
              [this](const std::string& url) -> Result<std::string> {
                  return R"({"keys":[)" + (url.find("operators") == std::string::npos ? users : operators).jwk("k1") + "]}";
              },
              known.clock) {
        authenticator.mind(known.members);
    }
    std::string token(const std::string& user, const char* role, std::int64_t issued) const {
        return users.token(R"({"v":2,"iss":"https://users","sub":")" + user + R"(","iat":)" + std::to_string(issued) +
                           R"(,"exp":)" + std::to_string(kNow + 60) + R"(,"o":{"id":"org_a","rol":")" + role + R"("}})");
    }
    Principal ask(const std::string& user, const char* role, std::int64_t issued) const {
        http::Request r;
        r.headers.add("Authorization", "Bearer " + token(user, role, issued));
        auto who = authenticator.authenticate(r);
        REQUIRE(who);
        return *who;
    }
};

}  // namespace

TEST_CASE("what is older on the topic has no effect, and a tombstone forgets") {
    Known known;
    auto& m = *known.members;
    m.apply("org_a:user_1", member(2, "manager"));
    m.apply("org_a:user_1", member(1, "csr", true));
    CHECK_FALSE(m.find("org_a", "user_1")->removed);
    CHECK(m.find("org_a", "user_1")->role == Role::manager);
    CHECK(m.version_of("org_a", "user_1") == 2);
    m.apply("org_a:user_1", "not protobuf at all");
    m.apply("org_a:user_1", member(3, "plumber", true));
    CHECK(m.find("org_a", "user_1")->removed);
    CHECK_FALSE(m.find("org_a", "user_1")->role);
    CHECK_FALSE(m.find("org_b", "user_1"));
    m.apply("org_a:user_1", "");
    CHECK_FALSE(m.find("org_a", "user_1"));
}

TEST_CASE("a removed member's token is no longer believed, and a role counts that changed after it was issued") {
    Asked asked;
    auto& m = *asked.known.members;
    CHECK(asked.ask("user_new", "org:csr", kNow - 10).role == Role::csr);  // nobody has told of him
    CHECK(asked.ask("user_known", "org:csr", kNow - 10).membership == Membership::good);
    m.apply("org_a:user_known", member(2, "csr", true, kNow - 5));
    for (auto issued : {kNow - 50, kNow}) CHECK(asked.ask("user_known", "org:csr", issued).membership == Membership::removed);
    m.apply("org_a:user_known", member(3, "manager", false, kNow - 3));
    CHECK(asked.ask("user_known", "org:csr", kNow - 4).role == Role::manager);
    CHECK(asked.ask("user_known", "org:csr", kNow - 2).role == Role::csr);  // who issued it knew
    m.apply("org_a:user_known", member(4, "", false, kNow - 1));
    CHECK_FALSE(asked.ask("user_known", "org:admin", kNow - 2).role);
}

TEST_CASE("a start without Kafka goes by a snapshot of an hour at most") {
    CHECK(Asked(std::chrono::minutes(59)).ask("user_known", "org:csr", kNow).membership == Membership::good);
    CHECK(Asked(std::chrono::minutes(61)).ask("user_known", "org:csr", kNow).membership == Membership::not_known_yet);
    auto old = Known(std::chrono::minutes(61)).members->whether_known();
    REQUIRE_FALSE(old);
    CHECK(old.error().message.find("older than an hour") != std::string::npos);
    auto none = Known(std::chrono::seconds(0), false).members->whether_known();
    REQUIRE_FALSE(none);
    CHECK(none.error().message.find("not been read yet") != std::string::npos);
}

TEST_CASE("a hundred thousand members are under 40 MB") {
    Known known;
    auto before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
    for (int i = 0; i < 100'000; ++i)
        known.members->apply(
            "org_" + std::string(27, 'x') + std::to_string(i / 50) + ":user_" + std::string(27, 'y') + std::to_string(i),
            member(1, "csr"));
    auto bytes = ::mallinfo2().uordblks + ::mallinfo2().hblkhd - before;
    CHECK(known.members->size() == 100'001);
    CHECK(bytes < 40u << 20);
}
