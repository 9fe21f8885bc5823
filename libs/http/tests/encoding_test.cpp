#include "http/encoding.hpp"

#include <zlib.h>

#include "http/server.hpp"
#include "raw.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http::testing;
using http::Method;

namespace {

std::string unpacked(const std::string& packed) {
    z_stream stream{};
    REQUIRE(::inflateInit2(&stream, 16 + 15) == Z_OK);
    std::string out(1u << 20, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    CHECK(::inflate(&stream, Z_FINISH) == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    out.resize(stream.total_out);
    ::inflateEnd(&stream);
    return out;
}

http::Response packed(http::Response response, const std::string& accepts) {
    http::Request request;
    if (!accepts.empty()) request.headers.add("Accept-Encoding", accepts);
    http::pack(request, response);
    return response;
}

std::string long_text() {
    std::string text;
    for (int i = 0; i < 500; ++i) text += "{\"call_id\":" + std::to_string(i * 7919) + "},";
    return text;
}

}  // namespace

TEST_CASE("encodings: which ones a client takes") {
    struct {
        const char *field, *encoding;
        bool taken;
    } const cases[] = {
        {"", "gzip", false},
        {"gzip", "gzip", true},
        {"GZip , deflate", "gzip", true},
        {"deflate, br;q=1.0, gzip;q=0.5", "br", true},
        {"gzip;q=0", "gzip", false},
        {"gzip; q=0.000", "gzip", false},
        {"gzip;q=0.001", "gzip", true},
        {"*", "gzip", true},
        {"*;q=0", "gzip", false},
        {"br, *;q=0", "gzip", false},
        {"gzip;q=0, *", "gzip", false},
        {"xgzip, gzipx", "gzip", false},
        {"identity", "gzip", false},
        {"gzip;level=9;q=0", "gzip", false},
    };
    for (const auto& c : cases) {
        INFO(c.field << " " << c.encoding);
        CHECK(http::accepts_encoding(c.field, c.encoding) == c.taken);
    }
}

TEST_CASE("encodings: long texts are packed, and nothing else is") {
    const auto text = long_text();
    auto one = packed(http::Response::json(200, text), "gzip, br");
    CHECK(one.body.size() * 4 < text.size());
    CHECK(unpacked(one.body) == text);
    CHECK(one.headers.get("content-encoding") == "gzip");
    CHECK(one.headers.get("vary") == "Accept-Encoding");
    auto plain = packed(http::Response::json(200, text), "br");
    CHECK(plain.body == text);
    CHECK(plain.headers.get("vary") == "Accept-Encoding");
    CHECK_FALSE(plain.headers.has("content-encoding"));
    CHECK(packed(http::Response::json(200, std::string(1024, 'x')), "gzip").body.size() == 1024);
    CHECK(packed(http::Response::text(200, text, "audio/mpeg"), "gzip").body == text);
    CHECK(packed(http::Response::text(206, text), "gzip").body == text);
    auto already = http::Response::text(200, text);
    already.headers.add("Content-Encoding", "br");
    CHECK(packed(already, "gzip, br").body == text);
    auto tagged = http::Response::json(404, text);
    tagged.headers.add("ETag", "\"a\"");
    CHECK(packed(tagged, "gzip").headers.get("etag") == "W/\"a\"");
    CHECK(packed(tagged, "").headers.get("etag") == "\"a\"");
    for (const auto* type : {"text/csv; charset=utf-8", "application/problem+json", "text/javascript", "image/svg+xml"})
        CHECK(packed(http::Response::text(200, text, type), "gzip").headers.has("content-encoding"));
    for (std::size_t size : {0u, 1u, 100'000u})
        for (int level : {1, 9}) CHECK(unpacked(http::gzip(std::string(size, 'a'), level)) == std::string(size, 'a'));
}

TEST_CASE("encodings: a server packs what its handlers answer", "[integration]") {
    auto router = std::make_shared<http::Router>();
    router->add(Method::get, "/calls", [](const http::Request&) { return http::Response::json(200, long_text()); });
    http::Server server({}, router);
    REQUIRE(server.start());
    auto ask = [&](const std::string& method, const std::string& field) {
        return Raw(server.port()).say(method + " /calls HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + field + "\r\n").to_end();
    };
    auto answer = ask("GET", "Accept-Encoding: gzip\r\n");
    CHECK(has(answer, "Content-Encoding: gzip\r\n"));
    auto body = answer.substr(answer.find("\r\n\r\n") + 4);
    CHECK(has(answer, "Content-Length: " + std::to_string(body.size()) + "\r\n"));
    CHECK(unpacked(body) == long_text());
    CHECK(has(ask("HEAD", "Accept-Encoding: gzip\r\n"), "Content-Length: " + std::to_string(body.size()) + "\r\n"));
    CHECK(ask("GET", "").ends_with(long_text()));
}
