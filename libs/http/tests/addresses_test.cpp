#include "http/addresses.hpp"

#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("an address is one however it is written") {
    CHECK(http::address_bytes("::ffff:10.0.0.1") == http::address_bytes("10.0.0.1"));
    CHECK(http::address_bytes("2001:DB8:0::1") == http::address_bytes("2001:db8::1"));
    CHECK(http::address_bytes("fe80::1%eth0") == http::address_bytes("fe80::1"));
    CHECK(http::plain_address("::ffff:10.0.0.1") == "10.0.0.1");
    CHECK(http::plain_address("::ffff:0a00:0001") == "10.0.0.1");
    for (const char* same : {"10.0.0.1", "2001:db8::1", "::1", "unknown", "", "10.0.0.1:4711", "[::1]:1"})
        CHECK(http::plain_address(same) == same);
    for (const char* none : {"", "10.0.0", "10.0.0.256", "1.2.3.4.5", "::g", "host", "10.0.0.1 ", "%eth0"})
        CHECK_FALSE(http::address_bytes(none));
}

TEST_CASE("ranges hold what they say and nothing beside it") {
    auto in = [](const std::vector<std::string>& list, std::string_view address) {
        return http::AddressRanges::parse(list).value().contains(address);
    };
    CHECK(in({"10.0.0.0/8"}, "10.255.255.255"));
    CHECK_FALSE(in({"10.0.0.0/8"}, "11.0.0.0"));
    CHECK_FALSE(in({"10.0.0.0/8"}, "9.255.255.255"));
    CHECK(in({"10.1.2.3/8"}, "10.0.0.0"));  // the rest of the bits says nothing
    CHECK(in({"10.0.0.0/8"}, "::ffff:10.4.4.4"));
    CHECK(in({"::ffff:10.0.0.0/104"}, "10.4.4.4"));
    CHECK(in({"192.168.7.1"}, "192.168.7.1"));
    CHECK_FALSE(in({"192.168.7.1"}, "192.168.7.2"));
    CHECK(in({"192.168.7.0/31"}, "192.168.7.1"));
    CHECK_FALSE(in({"192.168.7.0/31"}, "192.168.7.2"));
    CHECK(in({"2001:db8::/32"}, "2001:db8:ffff::1"));
    CHECK_FALSE(in({"2001:db8::/32"}, "2001:db9::"));
    CHECK(in({"2001:db8::/33"}, "2001:db8:7fff::"));
    CHECK_FALSE(in({"2001:db8::/33"}, "2001:db8:8000::"));
    CHECK(in({"0.0.0.0/0"}, "255.255.255.255"));
    CHECK_FALSE(in({"0.0.0.0/0"}, "::1"));  // all of version 4, and no other
    CHECK(in({"::/0"}, "10.0.0.1"));
    CHECK_FALSE(in({}, "10.0.0.1"));
    for (const char* none : {"", "unknown", "10.0.0", "fe80"}) CHECK_FALSE(in({"0.0.0.0/0", "::/0"}, none));
}

TEST_CASE("ranges may overlap and come in any order") {
    auto ranges =
        http::AddressRanges::parse({"172.16.0.0/12", "10.0.0.0/8", "10.0.0.7", "10.9.0.0/16", "fd00::/8", "127.0.0.1"}).value();
    for (const char* held : {"10.0.0.7", "10.9.1.1", "10.255.0.1", "172.31.255.255", "fd12::1", "127.0.0.1"}) {
        INFO(held);
        CHECK(ranges.contains(held));
    }
    for (const char* other : {"9.9.9.9", "11.0.0.1", "172.32.0.0", "fe00::1", "127.0.0.2", "::"}) {
        INFO(other);
        CHECK_FALSE(ranges.contains(other));
    }
}

TEST_CASE("what is no range is named") {
    for (const char* wrong : {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "gateway", "10.0.0.*", "/8",
                              "fe80::1%eth0", "10.0.0.0/8x", "10.0.0.0/+8"}) {
        INFO(wrong);
        auto parsed = http::AddressRanges::parse({"10.0.0.1", wrong});
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().message.find(std::string("'") + wrong + "'") != std::string::npos);
        CHECK(parsed.error().hint.find("10.0.0.0/8") != std::string::npos);
    }
}
