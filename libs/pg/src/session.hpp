#pragma once
#include <libpq-fe.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "pg/connection.hpp"

namespace otto::pg {

struct ResultFree {
    void operator()(PGresult* r) const { PQclear(r); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultFree>;

/// One libpq session and the pipeline on it. All statements of a transaction travel in pipeline mode; every flush ends with a Sync, because a client
/// that stops without one leaves the session "active", and then no server time-out fires.
struct Connection::Impl {
    Secret url;
    std::string application;
    SessionLimits limits;
    PGconn* conn = nullptr;
    bool in_tx = false;
    std::chrono::steady_clock::time_point planned{};  ///< since when the session keeps the plans that it has

    Impl(Secret u, std::string a, SessionLimits l) : url(std::move(u)), application(std::move(a)), limits(l) {}
    ~Impl() { close(); }

    void connect();                 ///< if need be
    void close() noexcept;
    bool healthy() const { return conn && PQstatus(conn) == CONNECTION_OK; }

    void enter_pipeline();
    void leave_pipeline() noexcept;
    void queue_text(const char* sql, const Params& = {});
    void queue(const Query&, const Params&);
    /// Sends a Sync and reads everything up to it. `last` gets the result of the last queued statement. Throws the first failure.
    void sync(ResultPtr* last = nullptr);
    ResultPtr run(const std::string& sql);   ///< outside pipeline mode

private:
    struct Expected {
        std::string statement;   // its name, for messages
        bool prepare = false;
    };
    void send_all(std::chrono::steady_clock::time_point deadline);
    ResultPtr next_result(std::chrono::steady_clock::time_point deadline);
    void wait(bool for_write, std::chrono::steady_clock::time_point deadline);
    [[noreturn]] void lost(const std::string& what);
    SqlFailure failure(const PGresult*, const std::string& statement) const;

    std::deque<Expected> expected_;
    std::unordered_map<std::string, std::string_view> prepared_;
    std::unordered_map<std::string, std::string_view> prepared_texts_;
    std::unordered_set<std::string> preparing_;
};

struct Tx::Impl {
    std::shared_ptr<Connection::Impl> connection;
    bool open = true;
    std::size_t statements = 0;
    std::function<void()> release;   ///< hands a pooled connection back
    void finish() noexcept;
};

}  // namespace otto::pg
