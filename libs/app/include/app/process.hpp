#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings.hpp"
#include "base/result.hpp"
#include "http/server.hpp"
#include "pg/connection.hpp"

namespace otto::app {

/// What a start waits for, by its name (as the metric otto_start_waiting and /readyz tell it), and what is the matter with it.
struct Awaited {
    std::string what, why;
};
/// Nothing: it is there. Asked again and again, on a thread of its own; it may block for some seconds, and throws only for what
/// other settings alone could mend: that ends the process.
using Probe = std::function<std::optional<Awaited>()>;

/// One service while it is put together. wire() fills it, line by line: what it owns, what it serves, what must start, what it
/// waits for. Everything owned lives until the process ends and goes in the reverse order.
class Service {
public:
    const std::string& name() const;
    const Settings& settings() const;

    template <class T, class... Args>
    T& own(Args&&... args) {
        auto thing = std::make_shared<T>(std::forward<Args>(args)...);
        T& reference = *thing;
        keep(std::move(thing));
        return reference;
    }
    /// The public routes; all services of a process share one port.
    http::Router& routes();
    /// OTTO_PG_URL_<SERVICE>, else OTTO_PG_URL; where that has no password, OTTO_PG_PASSWORD_<SERVICE>, else OTTO_PG_PASSWORD. As
    /// they stand at each connection.
    pg::Login pg_login() const;

    /// Runs when the process starts, in order of registration, after what is waited for has come. Throwing ends the process with
    /// the reason.
    void on_start(std::string what, std::function<void()>);
    /// What starts after this waits, for as long as it takes, and so do the service's routes, which answer 503 meanwhile. The
    /// process is alive and not ready; other services of it go on. Waits that no start stands between are asked side by side.
    void wait_for(std::string what, Probe);
    /// The service does without it meanwhile, but is not ready: nothing is held up. To wait for one thing twice is to
    /// wait once, at its first place.
    void ready_after(std::string what, Probe);
    /// Runs when the process stops, in reverse order, after HTTP has drained; done within the time given, or it throws: then the
    /// others stop too, and the process ends with 1 under what goes on.
    void on_stop(std::string what, std::function<void(Millis within)>);
    /// Something of its own without which it must get no requests; the error is shown in /readyz, which is 503 then. Asked on an
    /// I/O thread: it must not wait.
    void ready_when(std::string what, std::function<Result<void>()>);
    /// Something outside that it depends on, by its name in the metric otto_dependency_up (postgres, kafka, …). Shown in /readyz
    /// and counted with ?all=1 only: to take all processes out of service because of what they share helps nobody. Asked every
    /// few seconds, on a thread of its own; the first of a name counts.
    void depends_on(std::string name, std::function<Result<void>()>);
    /// A remark for /readyz and the start-up log that does not make the process unready.
    void warn(std::string remark);
    /// Runs on the HTTP thread when `fd` is readable, or every `period`.
    void watch(int fd, std::function<void()>);
    void every(Millis period, std::function<void()>);
    /// Ends the process with an error: for a component that cannot go on. Any thread, any time after start.
    void fail(std::string_view what, std::string_view why);

private:
    friend class Process;
    struct Impl;
    explicit Service(std::shared_ptr<Impl>);
    void keep(std::shared_ptr<void>);
    std::shared_ptr<Impl> impl_;
};

/// A service as main() names it.
struct Definition {
    std::string_view name, about;
    Rows rows;  ///< its own settings beside the common ones; with kPgUrl among them it has OTTO_PG_URL_<SERVICE> and the
                ///< passwords too
    void (*wire)(Service&);
    std::string_view manifest = {};  ///< its service.json, which the build writes here
};

/// What main() is of.
struct Program {
    std::string_view name;
    std::string_view version = {}, schema = {};  ///< of Otto, and of the database that it needs
    Program(const char* n, std::string_view v = {}, std::string_view s = {}) : name(n), version(v), schema(s) {}
};

/// Loads the settings, wires, starts, serves until SIGTERM or SIGINT, stops in reverse. The exit code: 0 after a clean stop, 1
/// with a reason on the log, 2 for settings that do not fit.
int run(int argc, char** argv, const Program&, std::vector<Definition> services);

/// What `--describe` prints: the program's services, settings and metrics as JSON, for whoever makes manifests and monitoring.
std::string describe(const Program&, std::string_view about, const Rows&, const std::vector<Definition>& services);

}  // namespace otto::app
