#include "app/process.hpp"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <mutex>

#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "telemetry/log.hpp"
#include "telemetry/log_output.hpp"
#include "telemetry/metrics.hpp"

namespace otto::app {
namespace {

struct StartStep {
    std::string service, what;
    std::function<void()> run;
};
struct StopStep {
    std::string service, what;
    std::function<void(Millis)> run;
};
struct Check {
    std::string service, what;
    std::function<Result<void>()> run;
};

/// What a stop keeps of its time for what comes after: for all that follows HTTP, and for each component that follows another.
constexpr Millis kAfterHttp{10'000}, kAfterEach{1'000};

std::string pg_setting(std::string_view service) { return "pg-url-" + std::string(service); }

}  // namespace

/// What the services of one process share.
struct Shared {
    Settings settings;
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::vector<StartStep> starts;
    std::vector<StopStep> stops;
    std::vector<Check> checks;
    std::mutex remarks_lock;
    std::vector<std::string> remarks;  ///< also while it runs
    void remark(std::string text) {
        std::lock_guard guard(remarks_lock);
        remarks.push_back(std::move(text));
    }
    std::vector<std::pair<int, std::function<void()>>> watches;
    std::vector<std::pair<Millis, std::function<void()>>> periodic;
    std::deque<std::shared_ptr<void>> owned;
    std::atomic<bool> started{false}, stopping{false}, failed{false};

    ~Shared() {
        while (!owned.empty()) owned.pop_back();
    }
};

struct Service::Impl {
    std::string name;
    std::shared_ptr<Shared> shared;
};

Service::Service(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
const std::string& Service::name() const { return impl_->name; }
const Settings& Service::settings() const { return impl_->shared->settings; }
http::Router& Service::routes() { return *impl_->shared->router; }
void Service::keep(std::shared_ptr<void> thing) { impl_->shared->owned.push_back(std::move(thing)); }

Secret Service::pg_url() const {
    auto own = settings().get(secret(pg_setting(name()), ""));
    return own.empty() ? settings().get(kPgUrl) : own;
}

void Service::on_start(std::string what, std::function<void()> f) {
    impl_->shared->starts.push_back({name(), std::move(what), std::move(f)});
}
void Service::on_stop(std::string what, std::function<void(Millis)> f) {
    impl_->shared->stops.push_back({name(), std::move(what), std::move(f)});
}
void Service::ready_when(std::string what, std::function<Result<void>()> f) {
    impl_->shared->checks.push_back({name(), std::move(what), std::move(f)});
}
void Service::warn(std::string remark) { impl_->shared->remark(name() + ": " + std::move(remark)); }
void Service::watch(int fd, std::function<void()> f) { impl_->shared->watches.emplace_back(fd, std::move(f)); }
void Service::every(Millis period, std::function<void()> f) { impl_->shared->periodic.emplace_back(period, std::move(f)); }

void Service::fail(std::string_view what, std::string_view why) {
    tel::error("a component cannot go on: the process ends", {{"component", what}, {"why", why}});
    impl_->shared->failed = true;
    ::kill(::getpid(), SIGTERM);
}

/// The one place that knows the order of starting and stopping.
class Process {
public:
    Process(std::string_view program, Settings settings) : program_(program) { shared_->settings = std::move(settings); }

    void wire(const Definition& d) {
        auto impl = std::make_shared<Service::Impl>();
        impl->name = d.name;
        impl->shared = shared_;
        services_.push_back(Service(impl));  // as long as the process: what is wired may refer to it
        tel::ServiceScope scope(d.name);
        d.wire(services_.back());
    }

    int run() {
        // Before any thread is made, so that all of them leave these signals to us.
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        ::signal(SIGPIPE, SIG_IGN);

        announce();
        auto admin = admin_server();
        if (auto up = admin->start(); !up) return give_up("the admin port does not open", up.error().describe());
        for (auto& step : shared_->starts) {
            tel::ServiceScope scope(step.service);
            try {
                step.run();
            } catch (const std::exception& e) {
                stop_all(nullptr);
                return give_up(step.what + " does not start", e.what());
            }
        }
        std::unique_ptr<http::Server> server;
        if (!shared_->router->entries().empty()) {
            server = public_server();
            if (auto up = server->start(); !up) {
                stop_all(nullptr);
                return give_up("the public port does not open", up.error().describe());
            }
        }
        shared_->started = true;
        tel::info("started", {{"port", server ? server->port() : 0}, {"admin_port", admin->port()}});

        int received = 0;
        while (::sigwait(&signals, &received) != 0) {
        }
        tel::info("stopping", {{"signal", received == SIGINT ? "SIGINT" : "SIGTERM"}});
        shared_->stopping = true;
        bool clean = stop_all(server.get());
        server.reset();
        tel::info("stopped", {{"clean", clean}});
        return shared_->failed ? 1 : 0;
    }

private:
    int give_up(const std::string& what, const std::string& why) {
        tel::error("start failed: " + what, {{"why", why}});
        std::fprintf(stderr, "%s: %s: %s\n", program_.c_str(), what.c_str(), why.c_str());
        return 1;
    }

    void announce() {
        const auto& s = shared_->settings;
        JsonWriter w;
        w.begin_object();
        for (const auto& [name, value] : s.shown()) w.member(name, value);
        w.end_object();
        tel::info("settings", {tel::Field::json("settings", w.take())});
        std::string unknown;
        for (const auto& name : s.unknown())
            if (!name.starts_with("OTTO_PG_")) unknown.append(unknown.empty() ? "" : " ").append(name);
        if (!unknown.empty()) tel::warn("the environment has settings that this program does not know", {{"names", unknown}});
        for (const auto& remark : shared_->remarks) tel::warn(remark);
    }

    std::unique_ptr<http::Server> admin_server() {
        auto routes = std::make_shared<http::Router>();
        routes->add(http::Method::get, "/healthz", [](const http::Request&) { return http::Response::text(200, "ok\n"); });
        routes->add(http::Method::get, "/metrics", [](const http::Request&) {
            return http::Response::text(200, tel::expose_metrics(), "text/plain; version=0.0.4");
        });
        routes->add(http::Method::get, "/readyz", [this](const http::Request&) { return readiness(); });
        http::ServerOptions o;
        o.address = shared_->settings.get(kAdminAddress);
        o.port = static_cast<unsigned short>(shared_->settings.get(kAdminPort));
        o.workers = 2;
        o.metrics_name = "admin";
        return std::make_unique<http::Server>(o, routes);
    }

    std::unique_ptr<http::Server> public_server() {
        const auto& s = shared_->settings;
        http::ServerOptions o;
        o.address = s.get(kAddress);
        o.port = static_cast<unsigned short>(s.get(kPort));
        o.io_threads = static_cast<int>(s.get(kHttpThreads));
        o.workers = static_cast<int>(s.get(kHttpWorkers));
        o.trusted_proxies = s.get(kTrustedProxies);
        o.untrusted_proxy = [shared = shared_](const std::string& address) {
            auto remark = "a proxy at " + address +
                          " forwards clients whose addresses are not believed: all of them count as one where a client address "
                          "has a limit. Name it in OTTO_TRUSTED_PROXIES";
            tel::warn(remark);
            shared->remark(std::move(remark));
        };
        auto server = std::make_unique<http::Server>(o, shared_->router);
        for (auto& [fd, f] : shared_->watches) server->watch(fd, f);
        for (auto& [period, f] : shared_->periodic) server->every(period, f);
        return server;
    }

    http::Response readiness() {
        JsonWriter w;
        bool ready = shared_->started && !shared_->stopping;
        w.begin_object()
            .member("state", shared_->stopping  ? "stopping"
                             : shared_->started ? "started"
                                                : "starting")
            .key("checks")
            .begin_array();
        for (const auto& check : shared_->checks) {
            auto result = check.run();
            ready = ready && result.ok();
            w.begin_object().member("service", check.service).member("name", check.what).member("ok", result.ok());
            if (!result) w.member("why", result.error().describe());
            w.end_object();
        }
        w.end_array().key("warnings").begin_array();
        {
            std::lock_guard guard(shared_->remarks_lock);
            for (const auto& remark : shared_->remarks) w.value(remark);
        }
        w.end_array().member("ready", ready).end_object();
        return http::Response::json(ready ? 200 : 503, w.take());
    }

    bool stop_all(http::Server* server) {
        auto end = std::chrono::steady_clock::now() + shared_->settings.get(kDrain);
        auto left = [&] {
            return std::max(Millis{0}, std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now()));
        };
        // One slow client, or one component, must not take the time in which the others end cleanly.
        auto but = [&](Millis kept) { return left() - std::min(kept, left() / 2); };
        bool clean = !server || server->drain(but(kAfterHttp)), under_way = false;
        auto behind = static_cast<std::int64_t>(shared_->stops.size());
        for (auto step = shared_->stops.rbegin(); step != shared_->stops.rend(); ++step) {
            tel::ServiceScope scope(step->service);
            try {
                step->run(but(kAfterEach * --behind));
            } catch (const std::exception& e) {
                tel::error("a component did not stop: the process ends under it", {{"component", step->what}, {"why", e.what()}});
                under_way = true;
            }
        }
        if (under_way) {  // its threads run on what would be destroyed
            tel::flush_log();
            std::fflush(nullptr);
            std::_Exit(1);
        }
        return clean;
    }

    std::string program_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    std::deque<Service> services_;
};

int run(int argc, char** argv, const Program& its, std::vector<Definition> services) {
    const auto program = its.name;
    Rows rows = common_rows();
    std::string about;
    for (const auto& d : services) {
        about.append(about.empty() ? "" : "\n").append(d.name).append(": ").append(d.about);
        rows.insert(rows.end(), d.rows.begin(), d.rows.end());
        bool database = std::any_of(d.rows.begin(), d.rows.end(), [](const Row& r) { return r.name == kPgUrl.row.name; });
        if (database)
            rows.push_back(secret(pg_setting(d.name), "Postgres for " + std::string(d.name) + ", instead of OTTO_PG_URL").row);
    }
    std::vector<std::string> arguments(argv + 1, argv + argc);
    for (const auto& a : arguments) {
        if (a == "--help" || a == "-h") {
            std::fputs(help_text(program, about, rows).c_str(), stdout);
            return 0;
        }
        if (a == "--describe") {
            std::fputs(describe(its, about, rows, services).c_str(), stdout);
            return 0;
        }
        if (a == "--settings-page") {
            std::fputs(settings_page(rows).c_str(), stdout);
            return 0;
        }
        if (a == "--metrics-page") {
            std::fputs(tel::metrics_page().c_str(), stdout);
            return 0;
        }
    }
    auto settings = Settings::load(rows, arguments, environment_of_process());
    if (!settings) {
        std::fprintf(stderr, "%s: %s (%s)\n", std::string(program).c_str(), settings.error().message.c_str(),
                     settings.error().hint.c_str());
        return 2;
    }
    tel::configure_log(std::string(program), settings->get(kLogLevel), settings->get(kLogHashKey));
    tel::buffer_log();
    struct Last {
        ~Last() { tel::flush_log(); }
    } last;
    try {
        Process process(program, std::move(*settings));
        for (const auto& d : services) process.wire(d);
        return process.run();
    } catch (const std::exception& e) {
        tel::error("start failed", {{"why", e.what()}});
        std::fprintf(stderr, "%s: %s\n", std::string(program).c_str(), e.what());
        return 1;
    }
}

}  // namespace otto::app
