// The life cycle of a process: the test runs itself as the program.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include "app/common.hpp"
#include "app/process.hpp"
#include "http/client.hpp"
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
                                 {"with-database", "another one", {app::kPgUrl.row}, [](app::Service&) {}}});
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
    int number_after(const std::string& key) {
        auto lines = text(log);
        auto started = lines.find("\"message\":\"started\"");
        if (started == std::string::npos) return 0;
        auto at = lines.find("\"" + key + "\":", started);
        return at == std::string::npos ? 0 : std::atoi(lines.c_str() + at + key.size() + 3);
    }
    void until_started() {
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (number_after("admin_port") == 0) {
            REQUIRE(std::chrono::steady_clock::now() < end);
            std::this_thread::sleep_for(Millis{10});
        }
        port = number_after("port");
        admin = number_after("admin_port");
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
    CHECK(child.wait() == 0);
    asking.join();
    REQUIRE(slow.ok());
    CHECK(slow->body == "done\n");
    CHECK(Child::text(child.file) == "start first\nstart second\nrequest\nstop second\nstop first\n");
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
    CHECK(Child::text(child.file) == "start first\nstart second\nstop second\nstop first\n");
}

TEST_CASE("a component that does not stop keeps no other from it; the process ends with an error after them") {
    Child child({"--word=stay"});
    child.until_started();
    ::kill(child.pid, SIGTERM);
    CHECK(child.wait() == 1);
    CHECK(Child::text(child.log).find("it goes on") != std::string::npos);
    CHECK(Child::text(child.file) == "start first\nstart second\nstop second\nstop first\n");
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
}
