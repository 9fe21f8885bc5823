// Where redirects lead, and who is told a key on the way.
#include "http/follow.hpp"
#include "testing/catch.hpp"
#include "tests/peers.hpp"

using namespace otto;
using namespace otto::http;
using testing::RawPeer;

namespace {

std::string answer(const std::string& head, const std::string& body = "") {
    return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string leading(const std::string& to) { return answer("302 Found\r\nLocation: " + to); }

/// A way that begins at a peer, with a key for who is asked first.
struct Way {
    Followed end;
    std::string body;
    Way(const std::vector<RawPeer*>& known, const std::string& url, int most = 5) {
        ClientOptions reaching;
        for (auto* peer : known) reaching.private_addresses.push_back(peer->place());
        Client client(reaching);
        FollowOptions options;
        options.most = most;
        options.credentials.add("Authorization", "the key");
        end = follow(
            client, {Method::get, url, {}, "", {}}, [this](std::string_view piece) { return body += piece, true; }, options);
    }
    std::string astray() const { return end.astray ? end.astray->message : ""; }
};

}  // namespace

TEST_CASE("follow: where redirects lead") {
    auto leads = [](const std::string& from, const std::string& location) {
        auto to = redirect_target(*Url::parse(from), location);
        return to ? to->scheme + "://" + to->host + ":" + to->port + to->target : to.error().message;
    };
    struct Row {
        std::string from, location, to;
    };
    for (const auto& row : std::vector<Row>{
             {"https://a.example/x/y?k=1", "https://b.example/z?q=%2F#part", "https://b.example:443/z?q=%2F"},
             {"https://a.example/x/y?k=1", "//b.example:8443/z", "https://b.example:8443/z"},
             {"https://a.example:444/x/y?k=1", "/z?q=http://c.example/", "https://a.example:444/z?q=http://c.example/"},
             {"http://a.example/x/y?k=1", "z", "http://a.example:80/x/z"},
             {"http://a.example/x/y?k=1", "../z/./w/?q=../1", "http://a.example:80/z/w/?q=../1"},
             {"http://a.example/x/y", "../../../..", "http://a.example:80/"},
             {"http://a.example/x/y?k=1", "?k=2", "http://a.example:80/x/y?k=2"},
             {"http://[2001:db8::1]:81/x", "/z", "http://2001:db8::1:81/z"},
             {"http://a.example/x", "https://a.example/x", "https://a.example:443/x"},
             {"https://a.example/x", "http://a.example/x", "leads from https to http"},
             {"https://a.example/x", "ftp://a.example/x", "leads to an address that is no usable URL"},
             {"https://a.example/x", "javascript:alert(1)", "leads to an address that is no usable URL"},
             {"https://a.example/x", "https://user@b.example/", "leads to an address that is no usable URL"},
             {"https://a.example/x", "/a b", "leads to an address that is no usable URL"}}) {
        INFO(row.from << " " << row.location);
        CHECK(leads(row.from, row.location) == row.to);
    }
}

TEST_CASE("follow: the answer at the end of the way is the body, and nobody but the first is shown the key") {
    RawPeer last({{answer("200 OK", "sound")}});
    RawPeer first({{leading("/second?x=1"), leading(last.url())}});
    Way way({&first, &last}, first.url());
    CHECK(way.astray() == "");
    CHECK(way.end.got.answered());
    CHECK(way.body == "sound");
    CHECK(way.end.redirects == 2);
    CHECK(shown(way.end.place) == "http://" + last.place());
    REQUIRE(first.requests().size() == 2);
    CHECK(first.requests()[0].find("Authorization: the key") != std::string::npos);
    CHECK(first.requests()[1].find("GET /second?x=1") == 0);
    CHECK(first.requests()[1].find("the key") == std::string::npos);  // not even within one host
    CHECK(last.requests().at(0).find("the key") == std::string::npos);
}

TEST_CASE("follow: a redirect that is not followed says why, and what it said reaches nobody") {
    RawPeer peer({{leading("/1"), leading("/2"), leading("/3"), answer("200 OK", "sound")}});
    Way far({&peer}, peer.url(), 2);
    CHECK(far.astray() == "leads on more than 2 times");
    CHECK(far.end.redirects == 2);
    CHECK(far.end.got.response.status == 302);
    CHECK(far.body.empty());
    RawPeer nowhere({{answer("302 Found", "a page")}});
    CHECK(Way({&nowhere}, nowhere.url()).astray() == "answers with status 302 and does not say where to");
    RawPeer odd({{leading("ftp://a.example/")}});
    CHECK(Way({&odd}, odd.url()).astray() == "leads to an address that is no usable URL");
}

TEST_CASE("follow: an address inside is refused wherever it comes from") {
    RawPeer inside({{answer("200 OK", "secret")}});
    RawPeer first({{leading(inside.url())}});
    Way way({&first}, first.url());
    CHECK(way.end.got.end == Download::End::refused);
    CHECK(way.end.redirects == 1);
    CHECK(way.body.empty());
    CHECK(inside.connections() == 0);
    CHECK(Way({}, "no url").end.got.end == Download::End::refused);
}
