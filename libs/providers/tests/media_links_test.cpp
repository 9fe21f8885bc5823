#include "providers/media_links.hpp"

#include "base/crypto.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers;

namespace {

const std::string kOld = "one key of thirty-two characters", kNew = "and another one that is a little longer";
const Instant kNow = *parse_time("2026-11-21T12:00:00Z");
const std::string kKey = "org_a/calls/17.mp3";

MediaLinks links(const std::string& keys, const std::string& ring = "") {
    return MediaLinks::make("https://otto.example.com/", Secret(keys), Secret(ring)).value();
}

std::string token_of(const std::string& url) { return url.substr(url.rfind('/') + 1); }

std::string ring_of(std::initializer_list<std::pair<std::string, char>> keys) {
    std::string out;
    for (const auto& [id, byte] : keys) out += (out.empty() ? "" : ",") + id + ":" + base64_encode(std::string(32, byte));
    return out;
}

}  // namespace

TEST_CASE("media links: a link names its object until its end, and is the same each time") {
    auto l = links(kNew);
    auto url = l.url_until("org_a", kKey, kNow + std::chrono::seconds(60));
    CHECK(url.starts_with("https://otto.example.com/media/"));
    CHECK(url == links(kNew).url_until("org_a", kKey, kNow + std::chrono::milliseconds(60'999)));
    auto target = l.open(token_of(url), kNow);
    REQUIRE(target.has_value());
    CHECK(target->company_id == "org_a");
    CHECK(target->object_key == kKey);
    CHECK(target->expires_at == kNow + std::chrono::seconds(60));
    CHECK(l.open(token_of(url), kNow + std::chrono::milliseconds(59'999)).has_value());
    CHECK_FALSE(l.open(token_of(url), kNow + std::chrono::seconds(60)).has_value());

    struct Fixed : Clock {
        Instant now() const override { return kNow; }
    } clock;
    CHECK(l.url("org_a", kKey, Millis{60'000}, clock) == url);
    CHECK(token_of(url).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
          std::string::npos);
}

TEST_CASE("media links: no changed token opens") {
    auto l = links(kNew);
    auto token = token_of(l.url_until("org_a", kKey, kNow + std::chrono::hours(1)));
    REQUIRE(l.open(token, kNow).has_value());
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto changed = token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        INFO(i);
        CHECK_FALSE(l.open(changed, kNow).has_value());
    }
    auto dot = token.find('.');
    auto other = token_of(l.url_until("org_b", "org_b/calls/1.mp3", kNow + std::chrono::hours(1)));
    for (std::string bad :
         {std::string(""), std::string("."), token.substr(0, dot), token.substr(0, dot + 1), token.substr(dot), token + "A",
          token + ".", "A" + token, token.substr(0, token.size() - 1), token.substr(0, dot) + other.substr(other.find('.')),
          std::string(5'000, 'A'), token.substr(0, dot) + "." + base64url_encode(std::string(32, '\0'))}) {
        INFO(bad);
        CHECK_FALSE(l.open(bad, kNow).has_value());
    }
}

TEST_CASE("media links: the first key signs, all of them open") {
    auto later = kNow + std::chrono::hours(1);
    auto by_old = token_of(links(kOld).url_until("org_a", kKey, later)),
         by_new = token_of(links(kNew).url_until("org_a", kKey, later));
    auto both = links(kNew + "," + kOld);
    CHECK(token_of(both.url_until("org_a", kKey, later)) == by_new);
    CHECK(both.open(by_old, kNow).has_value());
    CHECK(both.open(by_new, kNow).has_value());
    CHECK_FALSE(links(kNew).open(by_old, kNow).has_value());

    // Without keys of their own they come from the ring, in its order whatever its ids are.
    auto first = links("", ring_of({{"z", 1}})), rotated = links("", ring_of({{"b", 2}, {"z", 1}}));
    auto token = token_of(first.url_until("org_a", kKey, later));
    CHECK(rotated.open(token, kNow).has_value());
    CHECK(token_of(rotated.url_until("org_a", kKey, later)) ==
          token_of(links("", ring_of({{"b", 2}})).url_until("org_a", kKey, later)));
    CHECK_FALSE(links("", ring_of({{"b", 2}})).open(token, kNow).has_value());
    CHECK(token_of(links(std::string(32, '\1')).url_until("org_a", kKey, later)) != token);  // not the ring's key itself
}

TEST_CASE("media links: nobody gets a link to another company's object") {
    auto l = links(kNew);
    for (std::string key : {"org_b/calls/17.mp3", "org_ab/calls/17.mp3", "org_a", "org_a/", "org_a/../org_b/1.mp3", ""}) {
        INFO(key);
        CHECK_THROWS_AS(l.url_until("org_a", key, kNow), Failure);
    }
    CHECK_THROWS_AS(l.url_until("", "/a", kNow), Failure);
}

TEST_CASE("media links: settings that are of no use are named") {
    auto says = [](const std::string& url, const std::string& keys, const std::string& ring) {
        auto made = MediaLinks::make(url, Secret(keys), Secret(ring));
        return made.ok() ? "" : made.error().describe();
    };
    CHECK(says("https://a", kNew, "") == "");
    CHECK(says("https://a", kNew + ",short", "").find("OTTO_MEDIA_KEYS") != std::string::npos);
    CHECK(says("https://a", "", "").find("OTTO_SECRET_KEYS") != std::string::npos);
    CHECK(says("https://a", "", "nonsense").find("OTTO_SECRET_KEYS") != std::string::npos);
    CHECK(says("nowhere", kNew, "").find("OTTO_PUBLIC_URL") != std::string::npos);
    CHECK(says("https://a/?b", kNew, "").find("OTTO_PUBLIC_URL") != std::string::npos);
}
