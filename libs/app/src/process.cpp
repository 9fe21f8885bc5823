#include "app/process.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <mutex>
#include <optional>

#include "app/common.hpp"
#include "app/secrets.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "kafka/access.hpp"
#include "log_level.hpp"
#include "outside.hpp"
#include "process_metrics.hpp"
#include "start.hpp"
#include "still.hpp"
#include "telemetry/log.hpp"
#include "telemetry/log_output.hpp"
#include "telemetry/metrics.hpp"
#include "traces.hpp"

namespace otto::app {
namespace {

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

/// An I/O thread that has not turned for so long will not turn again by itself: /healthz fails.
constexpr Millis kStill{60'000};

/// How long /readyz?all=1 waits for what is outside.
constexpr Millis kAll{3'000};

/// How long a process that ends waits for a question to Postgres or Kafka that is under way.
constexpr Millis kLastQuestion{200};

std::string pg_setting(std::string_view service) { return "pg-url-" + std::string(service); }
std::string pg_password_setting(std::string_view service) { return "pg-password-" + std::string(service); }

}  // namespace

/// What the services of one process share.
struct Shared {
    Settings settings;
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::vector<StopStep> stops;
    std::vector<Check> checks;
    Outside outside;
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
    std::vector<StartStep> start;

    void wait(std::string what, Probe probe, bool holds) {
        auto same = std::find_if(start.begin(), start.end(), [&](const StartStep& s) { return s.probe && s.what == what; });
        if (same == start.end())
            start.push_back({std::move(what), {}, std::move(probe), holds});
        else
            same->holds = same->holds || holds;
    }
};

Service::Service(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
const std::string& Service::name() const { return impl_->name; }
const Settings& Service::settings() const { return impl_->shared->settings; }
http::Router& Service::routes() { return *impl_->shared->router; }
void Service::keep(std::shared_ptr<void> thing) { impl_->shared->owned.push_back(std::move(thing)); }

pg::Login Service::pg_login() const {
    auto own_or = [this](const std::string& own, const Setting<Secret>& common) -> pg::Login::Ask {
        const auto mine = secret(own, "");
        const bool has = settings().given(mine.row) && !settings().get(mine).empty();
        return [live = settings().live(has ? mine : common)] { return live.now(); };
    };
    return {own_or(pg_setting(name()), kPgUrl), own_or(pg_password_setting(name()), kPgPassword)};
}

void Service::on_start(std::string what, std::function<void()> f) { impl_->start.push_back({std::move(what), std::move(f)}); }
void Service::wait_for(std::string what, Probe probe) { impl_->wait(std::move(what), std::move(probe), true); }
void Service::ready_after(std::string what, Probe probe) { impl_->wait(std::move(what), std::move(probe), false); }
void Service::on_stop(std::string what, std::function<void(Millis)> f) {
    impl_->shared->stops.push_back({name(), std::move(what), std::move(f)});
}
void Service::ready_when(std::string what, std::function<Result<void>()> f) {
    impl_->shared->checks.push_back({name(), std::move(what), std::move(f)});
}
void Service::depends_on(std::string what, std::function<Result<void>()> f) {
    impl_->shared->outside.add(name(), std::move(what), std::move(f));
}
void Service::warn(std::string remark) { impl_->shared->remark(name() + ": " + std::move(remark)); }
void Service::watch(int fd, std::function<void()> f) { impl_->shared->watches.emplace_back(fd, std::move(f)); }
void Service::every(Millis period, std::function<void()> f) { impl_->shared->periodic.emplace_back(period, std::move(f)); }

void Service::fail(std::string_view what, std::string_view why) {
    tel::error("a component cannot go on: the process ends", {{"component", what}, {"why", why}});
    impl_->shared->failed = true;
    ::kill(::getpid(), SIGTERM);
}

/// Wakes the thread that starts and ends the process: for a signal, or because a start may go on.
class Wake {
public:
    explicit Wake(const sigset_t& signals)
        : signals_(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC)), again_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Wake() {
        ::close(signals_);
        ::close(again_);
    }
    Wake(const Wake&) = delete;
    /// Any thread.
    void again() const {
        std::uint64_t one = 1;
        [[maybe_unused]] auto written = ::write(again_, &one, sizeof one);
    }
    /// The signal that came; nothing: the start may go on.
    std::optional<int> wait() const {
        for (;;) {
            pollfd both[] = {{signals_, POLLIN, 0}, {again_, POLLIN, 0}};
            ::poll(both, 2, -1);
            signalfd_siginfo came{};
            if (::read(signals_, &came, sizeof came) == sizeof came) return static_cast<int>(came.ssi_signo);
            std::uint64_t count = 0;
            if (::read(again_, &count, sizeof count) == sizeof count) return std::nullopt;
        }
    }

private:
    int signals_, again_;
};

/// The one place that knows the order of starting and stopping.
class Process {
public:
    Process(std::string_view program, Settings settings) : program_(program) {
        shared_->settings = std::move(settings);
        log_level_.emplace(shared_->settings.get(kLogLevel), tel::set_log_level);
    }

    void wire(const Definition& d) {
        auto impl = std::make_shared<Service::Impl>();
        impl->name = d.name;
        impl->shared = shared_;
        services_.push_back(Service(impl));  // as long as the process: what is wired may refer to it
        tel::ServiceScope scope(d.name);
        auto gate = std::make_shared<http::Gate>([this, name = impl->name] {
            return "This service starts, and waits " + start_->held_by(name) + ". Try again shortly.";
        });
        shared_->router->behind(gate);
        d.wire(services_.back());
        waits_.push_back({impl, gate});
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
        auto traces = export_traces(shared_->settings, program_);  // to the end, so that what a stop does is told too
        wake_.emplace(signals);
        start_.emplace([this] { wake_->again(); });
        for (auto& [service, gate] : waits_) start_->add(service->name, service->start, gate);
        auto admin = admin_server();
        if (auto up = admin->start(); !up) return give_up("the admin port does not open", up.error().describe());
        admin_ = admin.get();
        shared_->outside.start();
        std::unique_ptr<http::Server> server;
        std::optional<int> signal;
        try {
            // What waits holds up nothing else: webhooks are taken while an API of the same process waits for its database.
            for (bool all = false; !all && !signal;) {
                all = start_->advance();
                if (!server) server = open_public_port(admin->port());
                if (!all) signal = wake_->wait();
            }
        } catch (const StartFailure& e) {
            stop_all(server.get());
            return ended(std::move(server), give_up(e.what_failed, e.what()));
        }
        if (!signal) {
            shared_->started = true;
            tel::info("started", {{"port", server ? server->port() : 0}, {"admin_port", admin->port()}});
            while (!signal) signal = wake_->wait();
        }
        tel::info("stopping", {{"signal", *signal == SIGINT ? "SIGINT" : "SIGTERM"}});
        shared_->stopping = true;
        bool clean = stop_all(server.get());
        tel::info("stopped", {{"clean", clean}});
        return ended(std::move(server), shared_->failed ? 1 : 0);
    }

private:
    /// Null: the process serves nothing.
    std::unique_ptr<http::Server> open_public_port(unsigned short admin_port) {
        if (shared_->router->entries().empty()) return nullptr;
        auto server = public_server();
        if (auto up = server->start(); !up) throw StartFailure("the public port does not open", up.error().describe());
        tel::info("listening", {{"port", server->port()}, {"admin_port", admin_port}});
        std::lock_guard guard(serving_lock_);
        serving_ = server.get();
        return server;
    }

    /// What asks Postgres and Kafka may wait for their answer longer than a process should take to end, and it uses what would be
    /// destroyed.
    int ended(std::unique_ptr<http::Server> server, int code) {
        {
            std::lock_guard guard(serving_lock_);
            serving_ = nullptr;
        }
        server.reset();
        start_->end();
        shared_->outside.end();
        if (start_->over(kLastQuestion) && shared_->outside.over(kLastQuestion)) return code;
        tel::flush_log();
        std::fflush(nullptr);
        std::_Exit(code);
    }

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
        // On the I/O thread, which is one of those it tells of: it needs no worker, and waits for nothing.
        routes->add_async(http::Method::get, {"/healthz"}, [this](std::vector<http::PendingRequest> all) {
            for (auto& asked : all) asked.respond(health(asked.request));
        });
        routes->add_async(http::Method::get, {"/readyz"}, [this](std::vector<http::PendingRequest> all) {
            for (auto& asked : all) {
                auto answer = std::make_shared<http::Responder>(std::move(asked.respond));
                if (!wants_all(asked.request))
                    (*answer)(readiness(false));
                else
                    answer->offload([this, answer] { (*answer)(readiness(true)); }, [] {});
            }
        });
        routes->add(http::Method::get, "/metrics", [](const http::Request&) {
            measure_process();
            return http::Response::text(200, tel::expose_metrics(), "text/plain; version=0.0.4");
        });
        routes->add(http::Method::post, "/log-level", [this](const http::Request& r) { return log_level_->change(r); },
                    {1u << 10, {"application/json", "application/x-www-form-urlencoded"}});
        http::ServerOptions o;
        o.address = shared_->settings.get(kAdminAddress);
        o.port = static_cast<unsigned short>(shared_->settings.get(kAdminPort));
        o.workers = 2;
        o.metrics_name = "admin";
        auto server = std::make_unique<http::Server>(o, routes);
        server->every(Millis{1'000}, [this] { log_level_->look(); });
        return server;
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

    http::Response health(const http::Request& request) {
        std::lock_guard guard(serving_lock_);
        auto why = still(admin_, serving_, kStill);
        if (why.empty()) return http::Response::text(200, "ok\n");
        tel::error("not alive", {{"why", why}});
        return http::problem({503, "Not alive", why}, request);
    }

    static bool wants_all(const http::Request& request) {
        for (const auto& [name, value] : request.query_fields())
            if (name == "all") return value != "0" && value != "false";
        return false;
    }

    http::Response readiness(bool all) {
        JsonWriter w;
        const bool stopping = shared_->stopping, started = shared_->started;
        bool ready = started && !stopping;
        w.begin_object().member("state", stopping ? "stopping" : started ? "started" : "starting");
        if (auto waiting = start_->waiting(); !waiting.empty()) w.member("waiting", waiting);
        w.key("own").begin_array();
        for (const auto& check : shared_->checks) {
            auto result = check.run();
            ready = ready && result.ok();
            write_check(w, check.service, check.what, result ? std::nullopt : std::optional(result.error().describe()));
        }
        w.end_array().key("outside").begin_array();
        for (const auto& one : shared_->outside.known(all ? kAll : Millis{0})) {
            ready = ready && (!all || !one.why);
            write_check(w, one.service, one.name, one.why);
        }
        w.end_array().key("warnings").begin_array();
        {
            std::lock_guard guard(shared_->remarks_lock);
            for (const auto& remark : shared_->remarks) w.value(remark);
        }
        w.end_array().member("ready", ready).end_object();
        return http::Response::json(ready ? 200 : 503, w.take());
    }

    static void write_check(JsonWriter& w, const std::string& service, const std::string& name,
                            const std::optional<std::string>& why) {
        w.begin_object().member("service", service).member("name", name).member("ok", !why);
        if (why) w.member("why", *why);
        w.end_object();
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
    std::vector<std::pair<std::shared_ptr<Service::Impl>, std::shared_ptr<http::Gate>>> waits_;
    std::optional<Wake> wake_;
    std::optional<Start> start_;  ///< after what its probes ask, so that it goes first
    std::optional<LogLevel> log_level_;
    std::mutex serving_lock_;
    http::Server* serving_ = nullptr;  ///< while it serves
    const http::Server* admin_ = nullptr;
};

namespace {

/// Before anything is made of them: until all files of secrets hold what they should, the process is alive, not ready, and says
/// which one it waits for. False if it was told to end meanwhile.
bool wait_for_secrets(const Settings& settings) {
    auto missing = settings.missing_secret();
    if (!missing) return true;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    tell_waiting("secret", true);
    std::mutex lock;
    std::string waiting;
    auto routes = std::make_shared<http::Router>();
    routes->add(http::Method::get, "/healthz", [](const http::Request&) { return http::Response::text(200, "ok\n"); });
    routes->add(http::Method::get, "/metrics", [](const http::Request&) {
        return http::Response::text(200, tel::expose_metrics(), "text/plain; version=0.0.4");
    });
    routes->add(http::Method::get, "/readyz", [&](const http::Request&) {
        JsonWriter w;
        std::lock_guard guard(lock);
        w.begin_object().member("state", "starting").member("waiting", "for a secret: " + waiting).member("ready", false);
        for (const char* none : {"own", "outside", "warnings"}) w.key(none).begin_array().end_array();
        w.end_object();
        return http::Response::json(503, w.take());
    });
    http::ServerOptions o;
    o.address = settings.get(kAdminAddress);
    o.port = static_cast<unsigned short>(settings.get(kAdminPort));
    o.workers = 1;
    o.metrics_name = "admin";
    http::Server admin(o, routes);
    if (auto up = admin.start(); !up) tel::warn("the admin port does not open", {{"why", up.error().describe()}});
    std::optional<std::chrono::steady_clock::time_point> told;
    for (std::string former; missing; missing = settings.missing_secret()) {
        const auto now = std::chrono::steady_clock::now();
        if (former != missing->message || !told || now - *told > std::chrono::seconds(30)) {
            tel::warn("waiting for a secret", {{"why", missing->message}, {"cure", missing->hint}, {"admin_port", admin.port()}});
            told = now;
        }
        former = missing->message;
        {
            std::lock_guard guard(lock);
            waiting = missing->describe();
        }
        const timespec second{1, 0};
        if (::sigtimedwait(&signals, nullptr, &second) > 0) return false;
    }
    tell_waiting("secret", false);
    return true;
}

}  // namespace

int run(int argc, char** argv, const Program& its, std::vector<Definition> services) {
    const auto program = its.name;
    Rows rows = common_rows();
    std::string about;
    for (const auto& d : services) {
        about.append(about.empty() ? "" : "\n").append(d.name).append(": ").append(d.about);
        rows.insert(rows.end(), d.rows.begin(), d.rows.end());
        bool database = std::any_of(d.rows.begin(), d.rows.end(), [](const Row& r) { return r.name == kPgUrl.row.name; });
        if (database) {
            const std::string name(d.name);
            rows.push_back(kPgPassword.row);
            rows.push_back(pg_url_setting(pg_setting(name), "Postgres for " + name + ", instead of OTTO_PG_URL").row);
            rows.push_back(secret(pg_password_setting(name), "password for " + name + ", instead of OTTO_PG_PASSWORD").row);
        }
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
    tell_build(its.version, its.schema);
    struct Last {
        ~Last() { tel::flush_log(); }
    } last;
    if (!wait_for_secrets(*settings)) return 0;
    tel::configure_log(std::string(program), settings->get(kLogLevel), settings->get(kLogHashKey));  // if that key was waited for
    if (auto fits = use_kafka_settings(*settings); !fits) {
        std::fprintf(stderr, "%s: %s\n", std::string(program).c_str(), fits.error().describe().c_str());
        return 2;
    }
    SecretWatch watch(*settings, &kafka::refresh_access);
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
