#include "base/text.hpp"

#include "base/backoff.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("times: with and without zone, with an offset, as a number") {
    auto at = [](std::string_view text) {
        auto t = parse_time(text);
        return t ? to_rfc3339(*t) : "-";
    };
    CHECK(at("2018-02-19T13:41:00.236-05:00") == "2018-02-19T18:41:00.236000Z");
    CHECK(at("2018-02-19 18:41:00") == "2018-02-19T18:41:00Z");
    CHECK(at("2025-01-15T10:30:00Z") == "2025-01-15T10:30:00Z");
    CHECK(at("2025-01-15 10:30:00 UTC") == "2025-01-15T10:30:00Z");
    CHECK(at("2025-01-15T10:30+0530") == "2025-01-15T05:00:00Z");
    CHECK(at("2025-01-15") == "2025-01-15T00:00:00Z");
    CHECK(at("20250115") == "2025-01-15T00:00:00Z");
    CHECK(at("2025-01-15 10:30:00.25") == "2025-01-15T10:30:00.250000Z");
    CHECK(at("1736937000") == "2025-01-15T10:30:00Z");
    CHECK(at("1736937000123") == "2025-01-15T10:30:00.123000Z");
    CHECK(at("2024-02-29T00:00:00Z") == "2024-02-29T00:00:00Z");
    for (auto bad : {"", "yesterday", "2023-02-29T00:00:00Z", "2025-13-01", "2025-01-15T25:00:00Z", "2025-01-15T10:30:00+99:00",
                     "0001-01-01T00:00:00Z", "2025-01-15T10:30:00.Z", "99999999999999999999", "2025-01-15T10:30:00Zx",
                     "9999-01-01T00:00:00Z", "5", "2026", "202501151030", "2025-01-15 10:30 America/Denver"})
        CHECK(at(bad) == "-");
}

TEST_CASE("UUIDs: RFC 9562's name-based example, parsing, order in time") {
    auto dns = *Uuid::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    CHECK(Uuid::v5(dns, "www.example.com").to_string() == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    CHECK(Uuid::parse("2ED6657D-E927-568B-95E1-2665A8AEA6A2") == Uuid::v5(dns, "www.example.com"));
    for (auto bad : {"", "2ed6657d-e927-568b-95e1-2665a8aea6a", "2ed6657de927-568b-95e1-2665a8aea6a2-",
                     "2ed6657d-e927-568b-95e1-2665a8aea6ag"})
        CHECK_FALSE(Uuid::parse(bad));
    auto early = Uuid::v7(from_micros(1'700'000'000'000'000)), late = Uuid::v7(from_micros(1'700'000'000'001'000));
    CHECK(early < late);
    CHECK(early.to_string()[14] == '7');
}

TEST_CASE("UTF-8: well-formed only, cut between characters") {
    CHECK(valid_utf8("Zo\xc3\xab \xe2\x82\xac \xf0\x9f\x8f\xa0"));
    for (auto bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) CHECK_FALSE(valid_utf8(bad));
    CHECK(clip_utf8("Zo\xc3\xab", 3) == "Zo");
    CHECK(clip_utf8("Zo\xc3\xab", 4) == "Zo\xc3\xab");
}

TEST_CASE("forms and percent-encoding") {
    auto fields = parse_form("a=1&b=x+y%2B&&c&a=2&d=%zz");
    CHECK(form_value(fields, "a") == "1");
    CHECK(form_value(fields, "b") == "x y+");
    CHECK(form_value(fields, "c") == "");
    CHECK(form_value(fields, "d") == "%zz");
    CHECK_FALSE(form_value(fields, "e"));
    CHECK(percent_encode("a b/\xc3\xab") == "a%20b%2F%C3%AB");
    CHECK(path_segment("a/../b") == "a%2F..%2Fb");
    for (auto none : {"", ".", ".."}) CHECK_FALSE(path_segment(none));
}

TEST_CASE("URLs: what may be fetched is http or https with a plain host") {
    auto url = Url::parse("https://Api.CallRail.com/v3/a.json?x=1").value();
    CHECK(url.host == "api.callrail.com");
    CHECK(url.port == "443");
    CHECK(url.target == "/v3/a.json?x=1");
    CHECK(Url::parse("http://[::1]:8090").value().host == "::1");
    CHECK(Url::parse("http://h?q").value().target == "/?q");
    for (auto bad : {"", "ftp://h/", "//h", "http://", "http://u:p@h/", "http://h:0/", "http://h:99999/", "http://h/a b",
                     "http://h/#f", "http://h:x/"})
        CHECK_FALSE(Url::parse(bad));
}

TEST_CASE("pauses grow to their cap and spread within their jitter") {
    Backoff backoff{Millis{500}, Millis{60'000}, 4, 0.2};
    double expected = 500;
    for (int attempt = 0; attempt < 10; ++attempt, expected = std::min(expected * 4, 60'000.0))
        for (std::uint64_t seed : {1u, 2u, 77u}) {
            auto pause = static_cast<double>(backoff.pause(attempt, seed).count());
            CHECK(pause >= expected * 0.8 - 1);
            CHECK(pause <= expected * 1.2);
            CHECK(backoff.pause(attempt, seed) == backoff.pause(attempt, seed));
        }
    CHECK(backoff.pause(3, 1) != backoff.pause(3, 2));
}
