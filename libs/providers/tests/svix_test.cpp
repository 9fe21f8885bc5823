// Svix's signatures, held against the published vector and each way of being wrong (providers.md §3.3).
#include "providers/svix.hpp"

#include "base/crypto.hpp"
#include "testing/catch.hpp"

using namespace otto;
namespace svix = otto::providers::svix;

namespace {

const Secret kWritten("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const Instant kThen = Instant{} + std::chrono::seconds(1614265330);

http::Headers headers(const std::string& signature = kSignature, const std::string& time = "1614265330",
                      const std::string& family = "svix-") {
    http::Headers h;
    h.add(family + "id", kId);
    h.add(family + "timestamp", time);
    h.add(family + "signature", signature);
    return h;
}

/// "" or which check failed.
std::string check(const http::Headers& h, std::string_view body = kBody, Instant now = kThen, const Secret& secrets = kWritten) {
    auto head = svix::read_head(h, now);
    if (!head) return head.error().message;
    auto good = svix::verify(*head, body, svix::keys_of(secrets).value());
    return good ? "" : good.error().message;
}

}  // namespace

TEST_CASE("Svix's published vector verifies, under either family of names, and is what we sign") {
    CHECK(check(headers()).empty());
    CHECK(check(headers(kSignature, "1614265330", "webhook-")).empty());
    CHECK(svix::sign(kId, "1614265330", kBody, svix::key_of(kWritten).value()) == kSignature);
}

TEST_CASE("any v1 entry may match, others count for nothing") {
    CHECK(check(headers("v1,AAAA v1a,xyz " + std::string(kSignature))).empty());
    CHECK(check(headers("v1a," + std::string(kSignature).substr(3))).find("no entry of version v1") != std::string::npos);
    CHECK(check(headers("v1,")).find("no signature of version v1") != std::string::npos);
    CHECK(check(headers("v1,not base64 at all")).find("no signature") != std::string::npos);
}

TEST_CASE("each secret of a list may have signed") {
    CHECK(
        check(headers(), kBody, kThen, Secret("whsec_" + base64_encode(std::string(24, 'x')) + "," + kWritten.reveal())).empty());
    CHECK_FALSE(check(headers(), kBody, kThen, Secret("whsec_" + base64_encode(std::string(24, 'x')))).empty());
    CHECK_FALSE(svix::keys_of(Secret("whsec_???")));
    CHECK_FALSE(svix::keys_of(Secret("whsec_QUFB")));
}

TEST_CASE("another body, id or time, and a time too far away, are refused by name") {
    CHECK(check(headers(), R"({"test": 2432232315})").find("no signature") != std::string::npos);
    CHECK(check(headers(), kBody, kThen + std::chrono::minutes(5)).empty());
    CHECK(check(headers(), kBody, kThen + std::chrono::seconds(301)).find("old") != std::string::npos);
    CHECK(check(headers(), kBody, kThen - std::chrono::seconds(301)).find("ahead") != std::string::npos);
    CHECK(check(headers(kSignature, "1614265331")).find("no signature") != std::string::npos);
    for (const char* bad : {"", "-5", "1e9", "99999999999999999999", "1614265330x"})
        CHECK(check(headers(kSignature, bad)).find("seconds since 1970") != std::string::npos);
    http::Headers twice = headers();
    twice.add("svix-id", kId);
    CHECK(check(twice).find("two headers") != std::string::npos);
    CHECK(check(http::Headers{}).find("svix-id is missing") != std::string::npos);
}
