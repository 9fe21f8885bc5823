#pragma once
#include <libpq-fe.h>

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pg/connection.hpp"

namespace otto::pg {

struct ResultFree {
    void operator()(PGresult* r) const { PQclear(r); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultFree>;

/// What a transaction and whoever may cancel it share: the word, and a descriptor that wakes the thread which waits for Postgres.
struct Canceller::State {
    State();
    ~State();
    std::atomic<bool> asked{false};
    int wake = -1;
};

/// One libpq session and the pipeline on it. All statements of a transaction travel in pipeline mode; every flush ends with a
/// Sync, because a client that stops without one leaves the session "active", and then no server time-out fires.
struct Connection::Impl {
    Login login;
    std::string application;
    SessionLimits limits;
    PGconn* conn = nullptr;
    bool in_tx = false;
    std::chrono::steady_clock::time_point planned{};  ///< since when the session keeps the plans that it has
    Millis answer_within;                             ///< of the transaction that is open
    std::shared_ptr<Canceller::State> canceller;      ///< its own, if somebody asked for it

    Impl(Login u, std::string a, SessionLimits l)
        : login(std::move(u)), application(std::move(a)), limits(l), answer_within(l.deadline) {}
    ~Impl() { close(); }

    void connect();  ///< if need be
    void close() noexcept;
    bool healthy() const { return conn && PQstatus(conn) == CONNECTION_OK; }

    void enter_pipeline();
    void leave_pipeline() noexcept;
    void queue_text(const char* sql, const Params& = {});
    void queue(const Query&, const Params&);
    /// Takes the statements that were not used for the longest time from a session that has prepared too many.
    void forget_some();
    /// Sends a Sync and reads everything up to it. `last` gets the result of the last queued statement. Throws the first failure.
    enum class Ends { when_cancelled, by_itself };
    void sync(ResultPtr* last = nullptr, Ends = Ends::when_cancelled);
    ResultPtr run(const std::string& sql);  ///< outside pipeline mode

private:
    struct Expected {
        std::string statement;  // its name, for messages
        bool prepare = false;
    };
    void send_all(std::chrono::steady_clock::time_point deadline);
    ResultPtr next_result(std::chrono::steady_clock::time_point deadline);
    void wait(bool for_write, std::chrono::steady_clock::time_point deadline);
    void end_statement();
    [[noreturn]] void lost(const std::string& what);
    SqlFailure failure(const PGresult*, const std::string& statement) const;

    struct Prepared {
        std::string text;
        std::list<std::string>::iterator place;  // in used_
    };
    std::deque<Expected> expected_;
    std::unordered_map<std::string, Prepared> prepared_;
    std::list<std::string> used_;                             // names, the one used last in front
    std::unordered_map<std::string, std::string> preparing_;  // name and text, until Postgres has taken them
    bool cancellable_ = false, ended_ = false;                // of the sync that is going on: may it be cancelled, was it
};

struct Tx::Impl {
    std::shared_ptr<Connection::Impl> connection;
    bool open = true;
    std::size_t statements = 0;
    std::function<void()> release;  ///< hands a pooled connection back
    std::vector<std::function<void()>> on_commit;
    void finish() noexcept;
};

}  // namespace otto::pg
