#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/secret.hpp"
#include "pg/tx.hpp"

namespace otto::pg {

/// Time-outs of a session. The server's own fire only while the server runs: `deadline` is the client's, for every answer.
struct SessionLimits {
    Millis idle_in_transaction{10'000}, lock{5'000}, statement{30'000}, deadline{35'000}, connect{5'000};
};

/// How a session logs in: a connection string as libpq takes it, and a password for one that has none. Both are asked for at each
/// connection, so that what is replaced while the process runs (a rotated password) holds from the next one on.
class Login {
public:
    using Ask = std::function<Secret()>;
    Login() = default;
    Login(Secret url) : url_([url = std::move(url)] { return url; }) {}
    Login(Ask url, Ask password) : url_(std::move(url)), password_(std::move(password)) {}
    Secret url() const { return url_ ? url_() : Secret(); }
    Secret password() const { return password_ ? password_() : Secret(); }

private:
    Ask url_, password_;
};

/// One session, one thread at a time. Reconnects when asked to begin after a loss; statements are prepared on first use, and the
/// session keeps the 150 that were used last.
class Connection {
public:
    /// Several hosts with target_session_attrs=read-write are fine. Connects at the first begin().
    Connection(Login, std::string application, SessionLimits = {});
    ~Connection();
    Connection(Connection&&) noexcept;

    /// BEGIN and the scope's settings travel with the first statement. Throws SqlFailure (transient) if the server cannot be
    /// reached.
    Tx begin(const Scope&, Limits = {});
    /// One statement outside a transaction (LISTEN, advisory locks, maintenance).
    void execute(std::string_view sql);
    /// Waits up to `wait` for a NOTIFY on a channel that this session listens to; true if one came. Needs an idle connection.
    bool wait_notification(Millis wait);
    /// Backend pid and start, for fencing (runtime.md §1); connects if need be.
    struct Backend {
        int pid;
        std::string started;
    };
    Backend backend();
    /// What the server keeps of a login's password, made here, so that the password itself reaches neither the server nor its
    /// log.
    std::string password_verifier(std::string_view login, const Secret& password);
    void close() noexcept;
    /// Closes a session that the server has ended meanwhile, so that the next begin() makes a new one. For idle connections;
    /// costs no round trip.
    void close_if_ended() noexcept;

private:
    friend class Tx;
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// Connections for many short transactions of HTTP handlers. begin() waits for a free one up to `wait`, then throws SqlFailure
/// (transient).
class Pool {
public:
    Pool(Login, std::string application, std::size_t size, SessionLimits = {}, Millis wait = Millis{2'000});
    ~Pool();
    Tx begin(const Scope&, Limits = {});
    /// Cheap round trip, for readiness; the reason if it fails.
    otto::Result<void> ping();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::pg
