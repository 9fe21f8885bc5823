// The web app as it is served: what is found where, packed how, kept for how long, under which policy.
#include "dashboard.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/json.hpp"
#include "http/encoding.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::query_service;
namespace fs = std::filesystem;

namespace {

const std::string kHtml =
    "<!doctype html><meta name=\"otto-config\" content=\"OTTO_CONFIG\"><script type=\"module\" "
    "src=\"/app/assets/main-1.js\"></script>";

/// A folder as the build leaves it.
struct Build {
    fs::path folder;
    Build() : folder(fs::temp_directory_path() / ("otto-app-" + std::to_string(::getpid()) + "-" + std::to_string(count()++))) {
        put("index.html", kHtml);
        put("index.html.br", "of another text");
        put("assets/main-1.js", "console.log('main')");
        put("assets/main-1.js.br", "as brotli");
        put("assets/main-1.js.gz", "as gzip");
        put("assets/main-1.js.map", "where it was");
        put("assets/main-1.css", "a{}");
        put(".stamp", "of what it was built");
        put("sw.js", "self");
        put("manifest.webmanifest", "{}");
    }
    ~Build() { fs::remove_all(folder); }
    void put(const std::string& name, const std::string& text) const {
        fs::create_directories((folder / name).parent_path());
        std::ofstream(folder / name, std::ios::binary) << text;
    }
    static int& count() {
        static int made = 0;
        return made;
    }
};

const DashboardConfig kSandbox{"http://127.0.0.1:8090", "http://127.0.0.1:8090", ""};

http::Request asking(const std::string& path, const std::string& accepts = "", const std::string& tag = "") {
    http::Request r;
    r.path_params = {{"path", path}};
    if (!accepts.empty()) r.headers.add("Accept-Encoding", accepts);
    if (!tag.empty()) r.headers.add("If-None-Match", tag);
    return r;
}

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

class FakeClock : public Clock {
public:
    Instant now() const override { return now_; }
    void advance(Millis by) { now_ += by; }

private:
    Instant now_ = system_clock().now();
};

}  // namespace

TEST_CASE("dashboard: its page at every path without a dot, with the settings in it") {
    Build build;
    DashboardConfig hostile{"https://clerk.example", "http://127.0.0.1:8090", "pk_\"'<&>"};
    Dashboard app(build.folder, hostile);
    std::string body;
    for (const auto* path :
         {"", "index.html", "calls", "calls/100036", "calendar/day/2026-12-01/", "a/b/c", "../../etc/passwd"}) {
        INFO(path);
        auto r = app.serve(asking(path));
        CHECK(r.status == 200);
        CHECK(r.headers.get("content-type") == "text/html; charset=utf-8");
        CHECK(r.headers.get("cache-control") == "no-cache");
        body = r.body;
    }
    CHECK_FALSE(has(body, "OTTO_CONFIG"));
    CHECK(has(
        body,
        "content=\"{&quot;issuer&quot;:&quot;https://clerk.example&quot;,&quot;sign_in&quot;:&quot;http://127.0.0.1:8090&quot;,"
        "&quot;publishable_key&quot;:&quot;pk_\\&quot;&#39;&lt;&amp;&gt;&quot;,&quot;build&quot;:&quot;"));
    auto packed = app.serve(asking("", "gzip, br"));
    CHECK(packed.headers.get("content-encoding") == "gzip");
    CHECK(packed.body == http::gzip(body, 9));
    for (const auto* path :
         {"nothing.js", "assets/gone-2.js", "..", "../../etc/otto.conf", "assets/main-1.js.br", "assets/main-1.js.map", ".stamp"})
        CHECK(app.serve(asking(path)).status == 404);
}

TEST_CASE("dashboard: the smallest that the client takes, and 304 for what it has") {
    Build build;
    Dashboard app(build.folder, kSandbox);
    struct {
        const char *accepts, *encoding, *body;
    } const cases[] = {{"gzip, deflate, br", "br", "as brotli"},
                       {"gzip", "gzip", "as gzip"},
                       {"br;q=0, gzip", "gzip", "as gzip"},
                       {"", "", "console.log('main')"}};
    for (const auto& c : cases) {
        auto r = app.serve(asking("assets/main-1.js", c.accepts));
        CHECK(r.body == c.body);
        CHECK(r.headers.get("content-encoding") == c.encoding);
        CHECK(r.headers.get("content-type") == "text/javascript; charset=utf-8");
        CHECK(r.headers.get("cache-control") == "public, max-age=31536000, immutable");
        CHECK(r.headers.get("vary") == "Accept-Encoding");
        const auto tag = std::string(r.headers.get("etag"));
        for (const auto& named : {tag, "\"x\", W/" + tag, std::string("*")}) {
            auto again = app.serve(asking("assets/main-1.js", c.accepts, named));
            CHECK(again.status == 304);
            CHECK(again.body.empty());
            CHECK(again.headers.get("etag") == tag);
            CHECK(again.headers.has("cache-control"));
        }
        CHECK(app.serve(asking("assets/main-1.js", c.accepts, "\"other\"")).status == 200);
    }
    CHECK(app.serve(asking("assets/main-1.js", "br")).headers.get("etag") !=
          app.serve(asking("assets/main-1.js")).headers.get("etag"));
    CHECK(app.serve(asking("sw.js")).headers.get("cache-control") == "no-cache");
    CHECK(app.serve(asking("manifest.webmanifest")).headers.get("content-type") == "application/manifest+json");
}

TEST_CASE("dashboard: one policy, which lets it ask where one signs in and nowhere else") {
    Build build;
    Dashboard sandbox(build.folder, kSandbox);
    CHECK(has(sandbox.policy(), "connect-src 'self' http://127.0.0.1:8090;"));
    CHECK(has(Dashboard(build.folder, {"https://clerk.example", "", "pk_test"}).policy(),
              "connect-src 'self' https://clerk.example;"));
    CHECK(has(Dashboard(build.folder, {"https://clerk.example", "", ""}).policy(), "connect-src 'self';"));
    for (const auto* path : {"", "sw.js", "assets/main-1.js"}) {
        auto r = sandbox.serve(asking(path));
        CHECK(r.headers.get("content-security-policy") == sandbox.policy());
        CHECK(r.headers.get("x-content-type-options") == "nosniff");
        CHECK(r.headers.get("referrer-policy") == "same-origin");
        CHECK(r.headers.get("cross-origin-opener-policy") == "same-origin");
        CHECK(r.headers.get("permissions-policy") == "microphone=(self), geolocation=(self), camera=(), payment=()");
    }
    for (const auto* rule : {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'",
                             "require-trusted-types-for 'script'", "trusted-types otto", "report-uri /api/v1/csp-report"})
        CHECK(has(sandbox.policy(), rule));
    CHECK_FALSE(has(sandbox.policy(), "unsafe"));
}

TEST_CASE("dashboard: without a build its page says how to make one") {
    for (const auto& folder : {std::string(), std::string("/nowhere/at/all"),
                               fs::temp_directory_path().string() + "/otto-empty-" + std::to_string(::getpid())}) {
        if (has(folder, "otto-empty")) fs::create_directories(folder);
        auto r = Dashboard(folder, kSandbox).serve(asking("calls"));
        CHECK(r.status == 404);
        CHECK(r.headers.get("content-type") == "text/html; charset=utf-8");
        CHECK(has(r.body, "services/dashboard/build"));
        if (has(folder, "otto-empty")) fs::remove_all(folder);
    }
    Build build;
    build.put("assets/large.js", std::string(DashboardFiles::kRoom, 'x'));
    CHECK(has(Dashboard(build.folder, kSandbox).serve(asking("")).body, "more than 5 MiB"));
    fs::remove(build.folder / "assets/large.js");
    fs::remove(build.folder / "index.html");
    CHECK(has(Dashboard(build.folder, kSandbox).serve(asking("")).body, "no index.html"));
}

TEST_CASE("dashboard: a newer build takes the former one's place once it is whole") {
    Build build;
    FakeClock clock;
    Dashboard app(build.folder, kSandbox, clock);
    const auto former = app.serve(asking("")).body;
    fs::remove_all(build.folder);
    clock.advance(Millis{2'000});
    CHECK(app.serve(asking("")).body == former);
    build.put("assets/main-2.js", "new");
    CHECK(app.serve(asking("assets/main-2.js")).status == 404);
    build.put("index.html", kHtml + "<p>new</p>");
    CHECK(app.serve(asking("")).body == former);  // it looks once a second
    clock.advance(Millis{2'000});
    CHECK(has(app.serve(asking("")).body, "<p>new</p>"));
    CHECK(app.serve(asking("assets/main-2.js")).status == 200);
    CHECK(app.serve(asking("assets/main-1.js")).status == 404);
}

TEST_CASE("dashboard: ten reports a minute of a client are counted") {
    FakeClock clock;
    Dashboard app("", kSandbox, clock);
    http::Request r;
    r.client_address = "192.0.2.1";
    for (const auto* body :
         {R"({"csp-report":{"effective-directive":"img-src","blocked-uri":"https://evil.example/a?b"}})", "{", "",
          R"([{"type":"csp-violation","body":{"effectiveDirective":"script-src-elem","blockedURL":"inline"}}])", "[]", "[1]",
          R"({"csp-report":7})", "null", R"({"csp-report":{"violated-directive":"made-up x"}})", "{}"}) {
        r.body = body;
        CHECK(app.report(r).status == 204);
    }
    CHECK(app.report(r).status == 429);
    r.client_address = "192.0.2.2";
    CHECK(app.report(r).status == 204);
    clock.advance(std::chrono::minutes(1));
    r.client_address = "192.0.2.1";
    CHECK(app.report(r).status == 204);
}
