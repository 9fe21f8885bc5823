#include "log_level.hpp"

#include "telemetry/log_output.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;
using app::LogLevel;

namespace {

struct Hands : Clock {
    Instant at = system_clock().now();
    Instant now() const override { return at; }
};

http::Request asked(const std::string& body, const std::string& type, const std::string& query = "") {
    http::Request r;
    r.method = http::Method::post;
    r.path = r.target = "/log-level";
    r.query = query;
    r.body = body;
    if (!type.empty()) r.headers.add("Content-Type", type);
    return r;
}

}  // namespace

TEST_CASE("another level lasts for a quarter of an hour") {
    Hands clock;
    std::vector<tel::Level> set;
    LogLevel level(
        tel::Level::info, [&](tel::Level l) { set.push_back(l); }, clock);
    for (const auto& request : {asked(R"({"level":"debug"})", "application/json"),
                                asked("level=debug", "application/x-www-form-urlencoded"), asked("", "", "level=debug")}) {
        auto answer = level.change(request);
        CHECK(answer.status == 200);
        CHECK(answer.body.find("\"until\":\"" + to_rfc3339(clock.at + std::chrono::minutes(15)) + "\"") != std::string::npos);
    }
    CHECK(set == std::vector<tel::Level>(3, tel::Level::debug));
    clock.at += std::chrono::minutes(14);
    level.look();
    CHECK(set.size() == 3);
    clock.at += std::chrono::minutes(2);
    level.look();
    level.look();
    CHECK(set.size() == 4);
    CHECK(set.back() == tel::Level::info);
    level.change(asked("", "", "level=error"));
    CHECK(level.change(asked("", "", "level=info")).body == R"({"level":"info","configured":"info"})");  // back by hand
    clock.at += std::chrono::hours(1);
    level.look();
    CHECK(set.size() == 6);
}

TEST_CASE("what is no level is refused, and the field is named") {
    LogLevel level(tel::Level::info, [](tel::Level) { FAIL("it was set"); });
    for (const auto& request :
         {asked("", ""), asked("loud", "text/plain"), asked(R"({"level":"loud"})", "application/json"),
          asked(R"({"level":3})", "application/json"), asked("levl=debug", "application/x-www-form-urlencoded")}) {
        auto answer = level.change(request);
        CHECK(answer.status == 422);
        CHECK(answer.body.find("debug, info, warn, error") != std::string::npos);
        CHECK(answer.body.find("\"level\"") != std::string::npos);
    }
}

TEST_CASE("the level is taken up at once, and lines are counted") {
    std::vector<std::string> lines;
    tel::set_log_sink([&](std::string_view line) { lines.emplace_back(line); });
    tel::debug("not wanted");
    tel::set_log_level(tel::Level::debug);
    tel::debug("wanted");
    tel::set_log_level(tel::Level::info);
    tel::debug("not wanted any more");
    tel::set_log_sink({});
    CHECK(lines.size() == 1);
    CHECK(tel::expose_metrics().find("otto_log_lines_total{level=\"debug\"} 1\n") != std::string::npos);
}
