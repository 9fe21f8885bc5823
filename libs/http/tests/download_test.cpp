#include <arpa/inet.h>
#include <sys/socket.h>

#include <numeric>

#include "http/client.hpp"
#include "http/server.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"
#include "tests/peers.hpp"

using namespace otto;
using namespace otto::http;
using namespace otto::http::testing;
using Steady = std::chrono::steady_clock;
using End = Download::End;

namespace {

ClientOptions reaching(const std::string& place) {
    ClientOptions o;
    o.private_addresses = {place};
    return o;
}

ClientRequest get(const std::string& url) { return {Method::get, url, {}, "", {}}; }

std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What came, and how it ended.
struct Taken {
    Download how;
    std::string body;
    std::size_t largest = 0;
};

Taken take(Client& client, const ClientRequest& request, const DownloadOptions& options = {}) {
    Taken t;
    t.how = client.download(
        request,
        [&](std::string_view piece) {
            t.body += piece;
            t.largest = std::max(t.largest, piece.size());
            return true;
        },
        options);
    return t;
}

std::string why(const Download& d) { return d.error ? d.error->describe() : ""; }

std::string long_text(std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return text;
}

}  // namespace

TEST_CASE("download: a body arrives piece by piece, whatever tells its length, and the connection is kept") {
    auto body = long_text(1'000'000);
    std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n";
    for (std::size_t at = 0; at < body.size(); at += 250'000) chunked += "3d090\r\n" + body.substr(at, 250'000) + "\r\n";
    RawPeer peer({{ok(body), chunked + "0\r\n\r\n", ok(""), "HTTP/1.1 200 OK\r\n\r\n" + body}});
    Client client(reaching(peer.place()));
    for (int i = 0; i < 2; ++i) {
        auto t = take(client, get(peer.url()));
        INFO(why(t.how));
        CHECK(t.how.end == End::answered);
        CHECK(t.how.response.status == 200);
        CHECK(t.how.response.body.empty());
        CHECK(t.how.bytes == body.size());
        CHECK(t.body == body);
        CHECK(t.largest <= 64u << 10);
        if (i == 1) CHECK(t.how.response.headers.get("x-a") == "1");
    }
    CHECK(take(client, get(peer.url())).how.answered());
    CHECK(take(client, get(peer.url())).body == body);  // its end is that of the connection
    CHECK(peer.connections() == 1);
}

TEST_CASE("download: any other status is a response with its body, nothing reaches the sink, and no redirect is followed") {
    RawPeer peer(
        {{"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 5\r\n\r\nmoved",
          "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 500 Oh\r\nContent-Length: 50000\r\n\r\n" + long_text(50'000)}});
    auto options = reaching(peer.place());
    options.body_limit = 1'000;
    Client client(options);
    auto moved = take(client, get(peer.url()));
    CHECK(moved.how.answered());
    CHECK(moved.how.response.status == 302);
    CHECK(moved.how.response.headers.get("location") == "/there");
    CHECK(moved.how.response.body == "moved");
    CHECK(moved.body == "");
    CHECK(take(client, get(peer.url())).how.response.body == "none");
    CHECK(take(client, get(peer.url())).how.response.status == 503);  // and is not asked again
    auto sick = take(client, get(peer.url()));
    CHECK(sick.how.answered());
    CHECK(sick.how.response.status == 500);
    CHECK(sick.how.response.body == long_text(1'000));
    CHECK(peer.requests().size() == 4);
}

TEST_CASE("download: the byte limit holds before the body and within it") {
    auto body = long_text(300'000);
    RawPeer peer({{ok(body), ok(body)},
                  {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"},
                  {kFlood + "HTTP/1.1 200 OK\r\n\r\n"},
                  {kFlood + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n"}});
    Client client(reaching(peer.place()));
    DownloadOptions limits;
    limits.byte_limit = body.size();
    CHECK(take(client, get(peer.url()), limits).body == body);
    limits.byte_limit = body.size() - 1;
    auto said = take(client, get(peer.url()), limits);
    CHECK(said.how.end == End::too_large);
    CHECK(has(why(said.how), "larger than 299999 bytes"));
    CHECK(said.body == "");  // it was said beforehand
    CHECK(take(client, get(peer.url()), limits).how.end == End::too_large);
    for (int i = 0; i < 2; ++i) {
        auto endless = take(client, get(peer.url()), limits);
        INFO(why(endless.how));
        CHECK(endless.how.end == End::too_large);
        CHECK(endless.how.bytes == endless.body.size());
        CHECK(endless.body.size() <= limits.byte_limit);
    }
    CHECK(peer.connections() == 4);
}

TEST_CASE("download: less than the whole body is an error") {
    for (std::string cut :
         {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n", "HTTP/1.1 200 OK\r\nContent-Le",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n"}) {
        INFO(cut);
        RawPeer peer({{cut}});
        Client client(reaching(peer.place()));
        auto t = take(client, get(peer.url()));
        CHECK(t.how.end == End::broken);
        CHECK(has(why(t.how), peer.place()));
        CHECK(t.how.bytes == t.body.size());
        CHECK(peer.requests().size() == 1);  // what the sink has cannot be taken back, so nothing is begun anew
    }
}

TEST_CASE("download: a peer that falls silent, or never comes to an end, is left") {
    DownloadOptions patient;
    patient.idle_timeout = Millis{500};
    patient.total_timeout = Millis{120'000};
    RawPeer silent({{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", kSilence}});
    Client one(reaching(silent.place()));
    auto begun = Steady::now();
    auto t = take(one, get(silent.url()), patient);
    CHECK(t.how.end == End::broken);
    CHECK(t.body == "half");
    CHECK(has(why(t.how), "nothing came for 500 ms"));
    RawPeer mute({{kSilence}});
    Client two(reaching(mute.place()));
    CHECK(has(why(take(two, get(mute.url()), patient).how), "did not answer: nothing came for 500 ms"));

    DownloadOptions brief;
    brief.idle_timeout = Millis{120'000};
    brief.total_timeout = Millis{300};
    RawPeer slow({{kDrip + "HTTP/1.1 200 OK\r\n\r\n"}, {kDrip + "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"}});
    Client three(reaching(slow.place()));
    for (int i = 0; i < 2; ++i) {  // bytes of a body, then bytes that are none
        auto late = take(three, get(slow.url()), brief);
        INFO(why(late.how));
        CHECK(late.how.end == End::broken);
        CHECK(has(why(late.how), "300 ms are granted"));
    }
    CHECK(Steady::now() - begun < std::chrono::seconds(60));
}

TEST_CASE("download: who wants no more gets no more") {
    RawPeer peer({{kFlood + "HTTP/1.1 200 OK\r\n\r\n"}, {ok("next")}});
    Client client(reaching(peer.place()));
    int pieces = 0;
    auto how = client.download(get(peer.url()), [&](std::string_view) { return ++pieces < 3; });
    CHECK(how.end == End::stopped);
    CHECK(how.error.has_value());
    CHECK(how.response.status == 200);
    CHECK(pieces == 3);
    CHECK(take(client, get(peer.url())).body == "next");
    CHECK(peer.connections() == 2);  // nobody reads the rest of the first
}

TEST_CASE("download: where it does not go") {
    RawPeer peer({{ok("inside")}});
    ClientOptions nowhere;
    Client client(nowhere);
    auto t = take(client, get(peer.url()));
    CHECK(t.how.end == End::refused);
    CHECK(has(why(t.how), "is a private address"));
    CHECK(take(client, get("ftp://" + peer.place() + "/")).how.end == End::refused);
    auto broken_header = get(peer.url());
    broken_header.headers.add("X-A", "a\r\nX-B: b");
    CHECK(take(client, broken_header).how.end == End::refused);
    CHECK(peer.connections() == 0);

    int port = 0;
    {
        RawPeer gone({{ok("")}});
        port = std::stoi(gone.place().substr(10));
    }
    auto place = "127.0.0.1:" + std::to_string(port);
    Client other(reaching(place));
    CHECK(take(other, get("http://" + place + "/")).how.end == End::broken);
}

TEST_CASE("download: a kept connection that has ended is replaced, and what came is counted") {
    RawPeer peer({{ok("one"), kDeaf + ""}, {ok("two")}});
    auto options = reaching(peer.place());
    options.metrics_name = "download_test";
    Client client(options);
    CHECK(take(client, get(peer.url())).body == "one");
    auto t = take(client, get(peer.url()));
    INFO(why(t.how));
    CHECK(t.body == "two");
    CHECK(peer.connections() == 2);
    CHECK(has(tel::expose_metrics(),
              "otto_http_client_requests_total{client=\"download_test\",method=\"GET\",outcome=\"2xx\"} 2\n"));
}
