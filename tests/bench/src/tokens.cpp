// How long it takes to tell who asks: a session token's signature and claims, and whether the person is still a member, among
// 100,000. Prints {"us": …, "checks": …}.
#include <cstdlib>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/crypto.hpp"
#include "identity/authenticator.hpp"
#include "identity/tests/signer.hpp"
#include "otto/members/v1/members.pb.h"

int main() {
    using namespace otto;
    using namespace otto::identity;
    constexpr int kMembers = 100'000, kTokens = 1'000, kChecks = 100'000;
    testing::IssuerKey key;
    char folder[] = "/tmp/otto-tokens-XXXXXX";
    const auto snapshot = std::string(::mkdtemp(folder)) + "/members.snapshot";
    std::ofstream written(snapshot);
    for (int n = 0; n < kMembers; ++n) {
        members::v1::Member m;
        m.set_status(members::v1::STATUS_ACTIVE);
        m.set_role("csr");
        m.set_version(n + 1);
        written << R"({"id":"org_)" << n % 500 << ":user_" << n << R"(","value":")" << base64_encode(m.SerializeAsString())
                << "\"}\n";
    }
    written.close();
    auto members = std::make_shared<Members>(Members::Options{"127.0.0.1:1", "bench", snapshot});
    members->start();
    std::filesystem::remove_all(folder);
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(system_clock().now().time_since_epoch()).count();
    Authenticator authenticator(
        testing::rules("https://users", false), testing::rules("https://operators", true), "https://users/keys",
        "https://operators/keys",
        [&](const std::string&) -> Result<std::string> { return R"({"keys":[)" + key.jwk("k1") + "]}"; }, system_clock());
    authenticator.mind(members);
    std::vector<http::Request> requests(kTokens);
    for (int n = 0; n < kTokens; ++n)
        requests[static_cast<std::size_t>(n)].headers.add(
            "Authorization",
            "Bearer " + key.token(R"({"v":2,"iss":"https://users","sub":"user_)" + std::to_string(n * 97) + R"(","iat":)" +
                                  std::to_string(now - 5) + R"(,"exp":)" + std::to_string(now + 600) + R"(,"o":{"id":"org_)" +
                                  std::to_string(n * 97 % 500) + R"(","rol":"csr"}})"));
    auto check = [&](int n) {
        auto who = authenticator.authenticate(requests[static_cast<std::size_t>(n % kTokens)]);
        if (!who || who->membership != Membership::good) {
            std::fprintf(stderr, "a good token was refused: %s\n", who ? "no member" : who.error().message.c_str());
            std::exit(1);
        }
    };
    check(0);
    auto began = std::chrono::steady_clock::now();
    for (int n = 0; n < kChecks; ++n) check(n);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    std::printf("{\"us\": %.2f, \"checks\": %d}\n", took.count() / kChecks, kChecks);
}
