// The life cycle of a process: the test runs itself as the program.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "app/common.hpp"
#include "app/process.hpp"
#include "base/json.hpp"
#include "http/client.hpp"
#include "still.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

const app::Setting<std::string> kWord = app::text("word", "none", "a word for the test");

std::string folder() {
    static std::string made = [] {
        char name[] = "/tmp/otto-app-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    return made;
}

bool there(const std::string& name) { return std::ifstream(folder() + "/" + name).good(); }
void note(const std::string& file, const std::string& line) { std::ofstream(file, std::ios::app) << line << "\n"; }

std::string trail;  // where the child writes what happened to it

void wire(app::Service& s) {
    s.on_start("first", [] { note(trail, "start first"); });
    s.on_start("second", [&s] {
        note(trail, "start second");
        if (s.settings().get(kWord) == "explode") throw std::runtime_error("no such thing");
    });
    s.on_stop("first", [](Millis within) { note(trail, within > Millis{0} ? "stop first" : "no time for first"); });
    s.on_stop("second", [&s](Millis within) {
        note(trail, within > Millis{0} ? "stop second" : "no time for second");
        if (s.settings().get(kWord) == "stay") throw std::runtime_error("it goes on");
    });
    s.ready_when("mood", []() -> Result<void> { return {}; });
    s.depends_on("weather", [&s]() -> Result<void> {
        if (s.settings().get(kWord) == "rain") return Error("it rains");
        return {};
    });
    s.ready_after("reader", [&s]() -> std::optional<app::Awaited> {
        if (s.settings().get(kWord) != "read" || there("reader")) return std::nullopt;
        return app::Awaited{"reader", "it reads"};
    });
    s.warn("a remark");
    s.routes().add(http::Method::get, "/slow", [](const http::Request&) {
        note(trail, "request");
        std::this_thread::sleep_for(Millis{300});
        return http::Response::text(200, "done\n");
    });
    s.routes().add(http::Method::post, "/fail", [&s](const http::Request&) {
        s.fail("engine", "it broke");
        return http::Response::text(200, "\n");
    });
}

/// A second service of the process, which may wait.
void wire_waiting(app::Service& s) {
    s.wait_for("postgres", [&s]() -> std::optional<app::Awaited> {
        if (s.settings().get(kWord) != "wait" || there("postgres")) return std::nullopt;
        return app::Awaited{"postgres", "it refuses connections"};
    });
    s.on_start("third", [] { note(trail, "start third"); });
    s.routes().add(http::Method::get, "/kept", [](const http::Request&) { return http::Response::text(200, "here\n"); });
}

struct Child {
    pid_t pid = -1;
    std::string file, log;
    int port = 0, admin = 0;
    explicit Child(std::vector<std::string> arguments = {}) {
        static int n = 0;
        file = folder() + "/trail" + std::to_string(++n);
        log = folder() + "/log" + std::to_string(n);
        std::vector<std::string> all{"program", "--port=0", "--admin-port=0"};
        all.insert(all.end(), arguments.begin(), arguments.end());
        pid = ::fork();
        if (pid == 0) {
            trail = file;
            if (!std::freopen(log.c_str(), "w", stdout) || !std::freopen((log + ".err").c_str(), "w", stderr)) ::_exit(99);
            std::vector<char*> argv;
            for (auto& a : all) argv.push_back(a.data());
            int code = app::run(static_cast<int>(argv.size()), argv.data(), "program",
                                {{"test-service", "a service for the test", {kWord.row}, &wire},
                                 {"with-database", "another one", {app::kPgUrl.row}, [](app::Service&) {}},
                                 {"waiting", "a third one", {}, &wire_waiting}});
            std::fflush(nullptr);
            std::_Exit(code);
        }
    }
    ~Child() {
        if (pid > 0) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    }
    static std::string text(const std::string& path) {
        std::ifstream in(path);
        std::stringstream s;
        s << in.rdbuf();
        return s.str();
    }
    int number_after(const std::string& key, const std::string& message = "started") {
        auto lines = text(log);
        auto started = lines.find("\"message\":\"" + message + "\"");
        if (started == std::string::npos) return 0;
        auto at = lines.find("\"" + key + "\":", started);
        return at == std::string::npos ? 0 : std::atoi(lines.c_str() + at + key.size() + 3);
    }
    void until_started() { until("started"); }
    void until(const std::string& message) {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (number_after("admin_port", message) == 0) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            std::this_thread::sleep_for(Millis{10});
        }
        port = number_after("port", message);
        admin = number_after("admin_port", message);
    }
    /// The first answer that satisfies.
    template <class Check>
    http::Response until_answers(const std::string& path, Check check) {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        for (;;) {
            auto answer = ask(admin, path);
            if (answer.ok() && check(*answer)) return *answer;
            INFO((answer.ok() ? answer->body : answer.error().message));
            REQUIRE(std::chrono::steady_clock::now() < end);
            std::this_thread::sleep_for(Millis{10});
        }
    }
    int wait() {
        int status = 0;
        ::waitpid(pid, &status, 0);
        pid = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    Result<http::Response> ask(int to, const std::string& path, http::Method method = http::Method::get) {
        http::ClientOptions o;
        o.private_addresses = {"127.0.0.1:" + std::to_string(to)};
        o.retries = 0;
        return http::Client(o).send({method, "http://127.0.0.1:" + std::to_string(to) + path, {}, "", {}});
    }
};

}  // namespace

TEST_CASE("a process starts in order, says it is ready, finishes what is under way, and stops in reverse") {
    Child child;
    child.until_started();
    auto ready = child.ask(child.admin, "/readyz");
    REQUIRE(ready.ok());
    CHECK(ready->status == 200);
    CHECK(ready->body.find("\"mood\"") != std::string::npos);
    CHECK(ready->body.find("a remark") != std::string::npos);
    CHECK(child.ask(child.admin, "/metrics")->status == 200);
    CHECK(child.ask(child.port, "/metrics")->status == 404);
    Result<http::Response> slow = Error("not asked");
    std::thread asking([&] { slow = child.ask(child.port, "/slow"); });
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (Child::text(child.file).find("request") == std::string::npos && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(Millis{5});
    ::kill(child.pid, SIGTERM);
    auto stopping = child.until_answers("/readyz", [](const auto& r) { return r.status == 503; });
    CHECK(stopping.body.starts_with(R"({"state":"stopping")"));
    CHECK(child.wait() == 0);
    asking.join();
    REQUIRE(slow.ok());
    CHECK(slow->body == "done\n");
    CHECK(slow->headers.get("Connection") == "close");
    CHECK(Child::text(child.file) == "start first\nstart second\nstart third\nrequest\nstop second\nstop first\n");
}

TEST_CASE("a component that does not start, or cannot go on, ends the process with a reason") {
    Child broken({"--word=explode"});
    CHECK(broken.wait() == 1);
    CHECK(Child::text(broken.log + ".err").find("second does not start: no such thing") != std::string::npos);
    Child failing;
    failing.until_started();
    (void)failing.ask(failing.port, "/fail", http::Method::post);
    CHECK(failing.wait() == 1);
    CHECK(Child::text(failing.log).find("it broke") != std::string::npos);
    CHECK(Child::text(failing.file).find("stop first") != std::string::npos);
}

TEST_CASE("a client that sends its body slowly does not take the time in which the components end") {
    Child child({"--drain=2s"});
    child.until_started();
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(static_cast<std::uint16_t>(child.port));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    const std::string head = "POST /fail HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n";
    REQUIRE(::send(fd, head.data(), head.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(head.size()));
    std::atomic<bool> over{false};
    std::thread trickle([&] {
        while (!over && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1) std::this_thread::sleep_for(Millis{50});
    });
    CHECK(child.ask(child.port, "/no-such-path")->status == 404);  // by then the first one's head has been read
    ::kill(child.pid, SIGTERM);
    CHECK(child.wait() == 0);
    over = true;
    trickle.join();
    ::close(fd);
    CHECK(Child::text(child.file) == "start first\nstart second\nstart third\nstop second\nstop first\n");
}

TEST_CASE("a component that does not stop keeps no other from it; the process ends with an error after them") {
    Child child({"--word=stay"});
    child.until_started();
    ::kill(child.pid, SIGTERM);
    CHECK(child.wait() == 1);
    CHECK(Child::text(child.log).find("it goes on") != std::string::npos);
    CHECK(Child::text(child.file) == "start first\nstart second\nstart third\nstop second\nstop first\n");
}

TEST_CASE("settings that do not fit stop the start and are named") {
    for (const char* wrong : {"--port=99999", "--nonsense=1", "--log-level=loud"}) {
        Child child({wrong});
        INFO(wrong);
        CHECK(child.wait() == 2);
        CHECK_FALSE(Child::text(child.log + ".err").empty());
    }
    Child help({"--help"});
    CHECK(help.wait() == 0);
    auto told = Child::text(help.log);
    CHECK(told.find("OTTO_WORD") != std::string::npos);
    CHECK(told.find("OTTO_PG_URL_WITH_DATABASE") != std::string::npos);
    CHECK(told.find("OTTO_PG_URL_TEST_SERVICE") == std::string::npos);  // it has none
    Child proxies({"--trusted-proxies=10.0.0.0/8,gateway"});
    CHECK(proxies.wait() == 2);
    CHECK(Child::text(proxies.log + ".err").find("'gateway'") != std::string::npos);
}

TEST_CASE("--describe says what a program is made of, as JSON") {
    Child child({"--describe"});
    CHECK(child.wait() == 0);
    auto document = JsonDocument::parse(Child::text(child.log)).value();
    auto said = document.root();
    CHECK(said["program"].string() == "program");
    CHECK(said["services"].at(0)["name"].string() == "test-service");
    std::map<std::string, std::string> kinds;
    for (std::size_t i = 0; i < said["settings"].size(); ++i) {
        auto s = said["settings"].at(i);
        kinds[std::string(s["name"].string().value())] = s["kind"].string().value();
        CHECK(s["secret"].boolean() == (s["kind"].string() == "secret"));
    }
    CHECK(kinds["OTTO_PORT"] == "number");
    CHECK(kinds["OTTO_WORD"] == "text");
    CHECK(kinds["OTTO_PG_PASSWORD_WITH_DATABASE"] == "secret");
    CHECK_FALSE(kinds.contains("OTTO_PG_PASSWORD_TEST_SERVICE"));
    bool any = false;
    for (std::size_t i = 0; i < said["metrics"].size(); ++i)
        any = any || said["metrics"].at(i)["name"].string() == "otto_secret_age_seconds";
    CHECK(any);
}

TEST_CASE("a process waits for the file of a secret, says which one and what it should hold, and can be told to end meanwhile") {
    const auto file = folder() + "/ring";
    auto waits = [&](Child& child) {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        auto port = [&] {
            auto log = Child::text(child.log);
            auto at = log.find("\"admin_port\":", log.find("waiting for a secret"));
            return at == std::string::npos ? 0 : std::atoi(log.c_str() + at + 13);
        };
        while (port() == 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(Millis{10});
        return port();
    };
    ::setenv("OTTO_PG_URL_FILE", file.c_str(), 1);
    Child child, ended;
    ::unsetenv("OTTO_PG_URL_FILE");
    const auto port = waits(child);
    REQUIRE(port > 0);
    CHECK(child.ask(port, "/healthz")->status == 200);
    auto ready = child.ask(port, "/readyz");
    CHECK(ready->status == 503);
    CHECK(ready->body.find("which is missing") != std::string::npos);
    CHECK(child.ask(port, "/metrics")->body.find("otto_start_waiting{for=\"secret\"} 1") != std::string::npos);
    CHECK(ready->body.find("postgresql://") != std::string::npos);
    REQUIRE(waits(ended) > 0);
    ::kill(ended.pid, SIGTERM);
    CHECK(ended.wait() == 0);
    note(file, "no such form");
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (Child::text(child.log).find("does not hold what it should") == std::string::npos) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        std::this_thread::sleep_for(Millis{10});
    }
    CHECK(Child::text(child.log).find("no such form") == std::string::npos);
    std::ofstream(file) << "postgresql://nobody@127.0.0.1/none\n";
    child.until_started();
    CHECK(child.ask(child.admin, "/metrics")->body.find("otto_secret_age_seconds{name=\"pg-url\"}") != std::string::npos);
    ::kill(child.pid, SIGTERM);
    CHECK(child.wait() == 0);
}

TEST_CASE("a process that waits is alive and not ready, says for what, answers for what waits, and does all else") {
    Child child({"--word=wait"});
    child.until("listening");
    auto waiting = child.until_answers("/readyz", [](const auto& r) { return r.body.find("refuses") != std::string::npos; });
    CHECK(waiting.status == 503);
    CHECK(waiting.body.starts_with(R"({"state":"starting","waiting":"for postgres: it refuses connections")"));
    CHECK(child.ask(child.admin, "/healthz")->status == 200);
    CHECK(child.ask(child.admin, "/metrics")->body.find("otto_start_waiting{for=\"postgres\"} 1\n") != std::string::npos);
    CHECK(child.ask(child.port, "/slow")->status == 200);  // another service of the process
    auto kept = child.ask(child.port, "/kept");
    CHECK(kept->status == 503);
    CHECK(kept->body.find("This service starts, and waits for postgres. Try again shortly.") != std::string::npos);
    CHECK(kept->headers.get("Retry-After") == "5");
    note(folder() + "/postgres", "");
    child.until_answers("/readyz", [](const auto& r) { return r.status == 200; });
    CHECK(child.ask(child.port, "/kept")->body == "here\n");
    CHECK(Child::text(child.file) == "start first\nstart second\nrequest\nstart third\n");
    CHECK(child.ask(child.admin, "/metrics")->body.find("otto_start_waiting{for=\"postgres\"} 0\n") != std::string::npos);
    ::unlink((folder() + "/postgres").c_str());
}

TEST_CASE("a process that waits ends at once when it is told to") {
    Child child({"--word=wait"});
    child.until("listening");
    ::kill(child.pid, SIGTERM);
    auto begun = std::chrono::steady_clock::now();
    CHECK(child.wait() == 0);
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
    CHECK(Child::text(child.file) == "start first\nstart second\nstop second\nstop first\n");
}

TEST_CASE("what a service does without meanwhile keeps it from being ready, and from nothing else") {
    Child child({"--word=read"});
    child.until("listening");
    auto waiting = child.until_answers("/readyz", [](const auto& r) { return r.body.find("it reads") != std::string::npos; });
    CHECK(waiting.status == 503);
    CHECK(child.ask(child.port, "/slow")->status == 200);
    note(folder() + "/reader", "");
    child.until_answers("/readyz", [](const auto& r) { return r.status == 200; });
    ::unlink((folder() + "/reader").c_str());
}

TEST_CASE("what is outside is shown in /readyz, and counts for who asks for all") {
    Child child({"--word=rain"});
    child.until_started();
    auto own = child.until_answers("/readyz", [](const auto& r) { return r.body.find("it rains") != std::string::npos; });
    CHECK(own.status == 200);
    CHECK(own.body.find(R"("own":[{"service":"test-service","name":"mood","ok":true}])") != std::string::npos);
    CHECK(own.body.find(R"("outside":[{"service":"test-service","name":"weather","ok":false,"why":"it rains)") !=
          std::string::npos);
    CHECK(own.body.ends_with(R"("ready":true})"));
    auto all = child.ask(child.admin, "/readyz?all=1");
    CHECK(all->status == 503);
    CHECK(all->body.ends_with(R"("ready":false})"));
    CHECK(child.ask(child.admin, "/metrics")->body.find("otto_dependency_up{name=\"weather\"} 0\n") != std::string::npos);
    Child fair;
    fair.until_started();
    CHECK(fair.ask(fair.admin, "/readyz?all=1")->status == 200);
}

TEST_CASE("the admin port changes the log level, and shows what the process takes") {
    Child child;
    child.until_started();
    CHECK(child.ask(child.admin, "/log-level?level=debug", http::Method::post)->status == 200);
    CHECK(child.ask(child.admin, "/log-level?level=loud", http::Method::post)->status == 422);
    auto metrics = child.ask(child.admin, "/metrics")->body;
    for (const char* name : {"otto_process_cpu_seconds_total ", "otto_process_resident_memory_bytes ", "otto_process_open_fds ",
                             "otto_process_max_fds ", "otto_process_threads ", "otto_process_start_time_seconds ",
                             "otto_log_lines_total{level=\"info\"} "}) {
        INFO(name);
        auto at = metrics.find("\n" + std::string(name));
        REQUIRE(at != std::string::npos);
        CHECK(std::atof(metrics.c_str() + at + std::string(name).size() + 1) > 0);
    }
}

TEST_CASE("liveness asks whether the I/O threads turn, and nothing else") {
    auto router = std::make_shared<http::Router>();
    http::ServerOptions options;
    http::Server admin(options, router), serving(options, router);
    REQUIRE(admin.start());
    REQUIRE(serving.start());
    CHECK(app::still(&admin, nullptr, Millis{60'000}).empty());
    std::promise<void> go;
    serving.post([held = go.get_future().share()] { held.wait(); });
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (app::still(&admin, &serving, Millis{600}).empty()) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        std::this_thread::sleep_for(Millis{10});
    }
    CHECK(app::still(&admin, &serving, Millis{600}).find("an I/O thread of the public port has not turned") == 0);
    CHECK(app::still(&admin, nullptr, Millis{600}).empty());
    go.set_value();
    while (!app::still(&admin, &serving, Millis{600}).empty()) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        std::this_thread::sleep_for(Millis{10});
    }
}
