#include "pg/connection.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/time.hpp"
#include "pg/login.hpp"
#include "session.hpp"
#include "telemetry/metrics.hpp"

namespace otto::pg {
namespace {

using Steady = std::chrono::steady_clock;

// Every transaction begins and ends with these: prepared, so that they are parsed and planned once a session.
constexpr Query kBegin{"pg.begin", "BEGIN"};
constexpr Query kScope{"pg.scope", "SELECT set_config('otto.company_id', $1, true), set_config('otto.company_ids', $2, true)"};
constexpr Query kStatementLimit{"pg.statement_limit", "SELECT set_config('statement_timeout', $1, true)"};
constexpr Query kCommit{"pg.commit", "COMMIT"};
// A plan is made for tables as large as they are, and kept: one made for an empty table reads all of it long after. Forty
// statements planned anew cost 10 ms.
constexpr Query kForgetPlans{"pg.forget_plans", "DISCARD PLANS"};
constexpr std::chrono::seconds kPlansLast{5};
// More than any service's own; lists with filters make more, one for each combination, and a plan takes 200 kB.
constexpr std::size_t kMostPrepared = 150;
constexpr Millis kBeyondStatement{5'000};  // how much later than the server's time-out the client's own comes
constexpr Millis kCancelTakes{2'000};

const tel::Gauges kPool{
    "otto_pg_pool",
    "Sessions of this process's pools: used, idle (connected, or connected anew when wanted), unopened (there may be "
    "so many more); and waiting, the threads that wait for one.",
    {"state"}};
const tel::Counters kErrors{
    "otto_pg_errors_total",
    "What went wrong with Postgres: unreachable (no connection), lost (it ended, or gave no answer in time), busy "
    "(no session was free in time), transient, contention (deadlocks, serialization, time-outs), schema, data, "
    "and fenced (another process has the partition or the work by now).",
    {"class"}};

/// Counts a failure of the server's by what it means for who must go on.
void count(const SqlFailure& e) {
    if (e.sqlstate().starts_with("OT")) return kErrors({"fenced"}).inc();
    switch (e.kind()) {
        case FailureClass::transient:
            return kErrors({"transient"}).inc();
        case FailureClass::contention:
            return kErrors({"contention"}).inc();
        case FailureClass::schema:
            return kErrors({"schema"}).inc();
        case FailureClass::data:
            return kErrors({"data"}).inc();
    }
}

std::string trimmed(const char* message) {
    std::string text = message ? message : "";
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

}  // namespace

SqlFailure::SqlFailure(std::string state, std::string message, std::string constraint, std::string statement)
    : std::runtime_error((statement.empty() ? "" : statement + ": ") + message + (state.empty() ? "" : " [" + state + "]")),
      state_(std::move(state)),
      constraint_(std::move(constraint)) {}

FailureClass SqlFailure::kind() const {
    std::string_view s = state_;
    if (s.empty()) return FailureClass::transient;
    auto group = s.substr(0, 2);
    auto one_of = [](std::string_view what, std::initializer_list<std::string_view> these) {
        return std::find(these.begin(), these.end(), what) != these.end();
    };
    if (one_of(s, {"40001", "40P01", "55P03", "57014"}) || group == "XX") return FailureClass::contention;
    if (one_of(s, {"25006", "25P03"}) || one_of(group, {"08", "26", "40", "53", "57", "58"})) return FailureClass::transient;
    if (one_of(group, {"42", "28", "0A", "3D", "3F"})) return FailureClass::schema;
    return FailureClass::data;
}

Scope Scope::company(const CompanyId& id) {
    Scope s;
    s.one_ = s.many_ = id.value();
    return s;
}

Scope Scope::companies(const std::vector<CompanyId>& ids) {
    Scope s;
    for (const auto& id : ids) s.many_.append(s.many_.empty() ? "" : ",").append(id.value());
    return s;
}

Scope Scope::none() { return {}; }

Canceller::State::State() : wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
Canceller::State::~State() {
    if (wake >= 0) ::close(wake);
}

void Canceller::cancel() const noexcept {
    if (!state_ || state_->asked.exchange(true)) return;
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(state_->wake, &one, sizeof one);
}

void Connection::Impl::connect() {
    if (healthy()) return;
    close();
    std::string timeout = std::to_string(std::max<std::int64_t>(2, (limits.connect.count() + 999) / 1000));
    std::string options =
        "-c TimeZone=UTC -c DateStyle=ISO -c client_connection_check_interval=1s -c idle_in_transaction_session_timeout=" +
        std::to_string(limits.idle_in_transaction.count()) + " -c lock_timeout=" + std::to_string(limits.lock.count()) +
        " -c statement_timeout=" + std::to_string(limits.statement.count());
    const Secret url = login.url(), password = login.password();
    auto who = login_of(url.reveal());
    if (auto planning = session_settings(who.user); !planning.empty()) options += " " + planning;
    if (!who.options.empty()) options += " " + who.options;  // the URL has the last word, as ever, but not the only one
    // What stands before dbname gives way to what the URL says (its password, if it has one); what stands behind counts for more.
    std::array<const char*, 8> keys{"application_name", "connect_timeout", "client_encoding", "keepalives_idle",
                                    "password",         "dbname",          "options",         nullptr};
    std::array<const char*, 8> values{
        application.c_str(),  timeout.c_str(), "UTF8", "15", password.empty() ? nullptr : password.reveal().c_str(),
        url.reveal().c_str(), options.c_str(), nullptr};
    conn = PQconnectdbParams(keys.data(), values.data(), 1);
    if (!healthy()) {
        std::string why = trimmed(conn ? PQerrorMessage(conn) : "out of memory");
        close();
        kErrors({"unreachable"}).inc();
        throw SqlFailure("", "Postgres cannot be reached: " + why, "", "");
    }
    PQsetnonblocking(conn, 1);
    planned = Steady::now();
}

void Connection::Impl::close() noexcept {
    if (conn) PQfinish(conn);
    conn = nullptr;
    in_tx = false;
    expected_.clear();
    prepared_.clear();
    used_.clear();
    preparing_.clear();
}

void Connection::Impl::lost(const std::string& what) {
    std::string why = conn ? trimmed(PQerrorMessage(conn)) : "";
    close();
    kErrors({"lost"}).inc();
    throw SqlFailure("", what + (why.empty() ? "" : ": " + why), "", "");
}

void Connection::Impl::wait(bool for_write, Steady::time_point deadline) {
    auto left = std::chrono::duration_cast<Millis>(deadline - Steady::now()).count();
    if (left <= 0) lost("Postgres gave no answer within " + std::to_string(answer_within.count()) + " ms");
    bool listens = cancellable_ && !ended_ && canceller;
    std::array<pollfd, 2> p{{{PQsocket(conn), static_cast<short>(POLLIN | (for_write ? POLLOUT : 0)), 0},
                             {listens ? canceller->wake : -1, POLLIN, 0}}};
    int n = ::poll(p.data(), p.size(), static_cast<int>(std::min<std::int64_t>(left, 1'000'000)));
    if (n < 0 && errno != EINTR) lost("waiting for Postgres failed");
    if (n > 0 && (p[0].revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(conn))
        lost("the connection to Postgres is lost");
    if (n > 0 && p[1].revents) end_statement();
}

/// Asks the server to end what this session is doing, and waits until it knows: asked later, it would end whatever the session
/// does then. libpq asks over a connection of its own without any time-out, so on a thread of its own; a server that does not
/// answer loses the session, which ends the statement too.
void Connection::Impl::end_statement() {
    ended_ = true;
    struct Request {
        std::unique_ptr<PGcancel, decltype(&PQfreeCancel)> handle;
        std::promise<bool> taken;
    };
    auto request = std::make_shared<Request>(Request{{PQgetCancel(conn), &PQfreeCancel}, {}});
    auto taken = request->taken.get_future();
    std::thread([request] {
        std::array<char, 256> why{};
        request->taken.set_value(request->handle && PQcancel(request->handle.get(), why.data(), why.size()) == 1);
    }).detach();
    if (taken.wait_for(kCancelTakes) == std::future_status::ready && taken.get()) return;
    close();
    throw Cancelled();
}

void Connection::Impl::send_all(Steady::time_point deadline) {
    for (;;) {
        int pending = PQflush(conn);
        if (pending < 0) lost("the connection to Postgres is lost");
        if (pending == 0) return;
        wait(true, deadline);
    }
}

ResultPtr Connection::Impl::next_result(Steady::time_point deadline) {
    while (PQisBusy(conn)) wait(false, deadline);
    return ResultPtr(PQgetResult(conn));
}

SqlFailure Connection::Impl::failure(const PGresult* r, const std::string& statement) const {
    auto field = [&](int code) {
        const char* text = PQresultErrorField(r, code);
        return std::string(text ? text : "");
    };
    auto message = field(PG_DIAG_MESSAGE_PRIMARY);
    SqlFailure failed(field(PG_DIAG_SQLSTATE), message.empty() ? trimmed(PQresultErrorMessage(r)) : message,
                      field(PG_DIAG_CONSTRAINT_NAME), statement);
    if (!(ended_ && failed.timed_out())) count(failed);  // else a Canceller ended it, which is no error
    return failed;
}

void Connection::Impl::enter_pipeline() {
    if (PQpipelineStatus(conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(conn)) lost("pipeline mode refused");
}

void Connection::Impl::leave_pipeline() noexcept {
    if (conn && PQpipelineStatus(conn) != PQ_PIPELINE_OFF && !PQexitPipelineMode(conn)) close();
}

namespace {

/// Parameters as libpq wants them. It would cut a text at a NUL, which Postgres has no text for.
struct Bound {
    std::vector<const char*> values;
    Bound(const Params& params, std::string_view statement) {
        values.reserve(params.size());
        for (const auto& p : params) {
            if (p.text() && p.text()->find('\0') != std::string::npos)
                throw SqlFailure("22021", "parameter " + std::to_string(values.size() + 1) + " holds a NUL character", "",
                                 std::string(statement));
            values.push_back(p.text() ? p.text()->c_str() : nullptr);
        }
    }
};

}  // namespace

void Connection::Impl::queue_text(const char* sql, const Params& params) {
    Bound bound(params, sql);
    if (!PQsendQueryParams(conn, sql, static_cast<int>(params.size()), nullptr, bound.values.data(), nullptr, nullptr, 0))
        lost("a statement could not be sent");
    expected_.push_back({sql, false});
}

void Connection::Impl::queue(const Query& q, const Params& params) {
    std::string name(q.name);
    Bound bound(params, name);
    auto known = prepared_.find(name);
    if (known != prepared_.end()) {
        if (known->second.text != q.text) throw std::logic_error("two statements are named '" + name + "'");
        used_.splice(used_.begin(), used_, known->second.place);
    } else if (auto [text, fresh] = preparing_.try_emplace(name, q.text); fresh) {
        if (!PQsendPrepare(conn, name.c_str(), text->second.c_str(), 0, nullptr)) lost("a statement could not be sent");
        expected_.push_back({name, true});
    }
    if (!PQsendQueryPrepared(conn, name.c_str(), static_cast<int>(params.size()), bound.values.data(), nullptr, nullptr, 0))
        lost("a statement could not be sent");
    expected_.push_back({name, false});
    if (PQflush(conn) < 0) lost("the connection to Postgres is lost");  // the server may begin while we go on queueing
}

void Connection::Impl::forget_some() {
    while (prepared_.size() > kMostPrepared) {
        std::string quoted = "DEALLOCATE \"";
        for (char c : used_.back()) quoted.append(c == '"' ? 2 : 1, c);
        queue_text((quoted + '"').c_str());
        prepared_.erase(used_.back());
        used_.pop_back();
    }
}

void Connection::Impl::sync(ResultPtr* last, Ends ends) {
    cancellable_ = ends == Ends::when_cancelled;
    ended_ = false;
    if (cancellable_ && canceller && canceller->asked) throw Cancelled();
    auto deadline = Steady::now() + answer_within;
    if (!PQpipelineSync(conn)) lost("a Sync could not be sent");
    send_all(deadline);
    std::optional<SqlFailure> first;
    while (!expected_.empty()) {
        auto expected = std::move(expected_.front());
        expected_.pop_front();
        while (auto result = next_result(deadline)) {
            auto status = PQresultStatus(result.get());
            if (status == PGRES_FATAL_ERROR) {
                if (!first) first = failure(result.get(), expected.statement);
            } else if (status != PGRES_PIPELINE_ABORTED) {
                if (expected.prepare) {
                    used_.push_front(expected.statement);
                    prepared_[expected.statement] = {std::move(preparing_[expected.statement]), used_.begin()};
                } else if (last) {
                    *last = std::move(result);
                }
            }
            if (!conn || PQstatus(conn) != CONNECTION_OK) lost("the connection to Postgres is lost");
        }
    }
    for (;;) {  // up to the Sync's own mark
        auto mark = next_result(deadline);
        if (mark && PQresultStatus(mark.get()) == PGRES_PIPELINE_SYNC) break;
        if (!mark && PQstatus(conn) != CONNECTION_OK) lost("the connection to Postgres is lost");
    }
    preparing_.clear();
    if (first) {
        // 57P01 and the like: the server is about to close the session. 26000: it does not know what we believe to have prepared.
        for (auto over : {"57P", "25P03", "26"})
            if (first->sqlstate().starts_with(over)) close();
        if (ended_ && first->sqlstate() == "57014") throw Cancelled();
        throw *first;
    }
}

ResultPtr Connection::Impl::run(const std::string& sql) {
    auto deadline = Steady::now() + answer_within;
    cancellable_ = false;
    if (!PQsendQuery(conn, sql.c_str())) lost("a statement could not be sent");
    send_all(deadline);
    ResultPtr last;
    std::optional<SqlFailure> first;
    while (auto result = next_result(deadline)) {
        if (PQresultStatus(result.get()) == PGRES_FATAL_ERROR && !first) first = failure(result.get(), "");
        last = std::move(result);
    }
    if (PQstatus(conn) != CONNECTION_OK) lost("the connection to Postgres is lost");
    if (first) throw *first;
    return last;
}

Connection::Connection(Login login, std::string application, SessionLimits limits)
    : impl_(std::make_shared<Impl>(std::move(login), std::move(application), limits)) {}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;

Tx Connection::begin(const Scope& scope, Limits limits) {
    if (impl_->in_tx) throw std::logic_error("a transaction is open on this connection already");
    impl_->connect();
    impl_->enter_pipeline();
    if (auto now = Steady::now(); now - impl_->planned > kPlansLast) {
        impl_->queue(kForgetPlans, {});
        impl_->planned = now;
    }
    impl_->forget_some();
    impl_->queue(kBegin, {});
    impl_->queue(kScope, {scope.company_id(), scope.company_ids()});
    bool less = limits.statement > Millis{0} && limits.statement < impl_->limits.statement;
    if (less) impl_->queue(kStatementLimit, {limits.statement.count()});
    impl_->answer_within = less ? std::min(impl_->limits.deadline, limits.statement + kBeyondStatement) : impl_->limits.deadline;
    impl_->in_tx = true;
    auto tx = std::make_unique<Tx::Impl>();
    tx->connection = impl_;
    return Tx(std::move(tx));
}

void Connection::execute(std::string_view sql) {
    if (impl_->in_tx) throw std::logic_error("execute() while a transaction is open");
    impl_->connect();
    impl_->run(std::string(sql));
}

bool Connection::wait_notification(Millis wait) {
    auto& c = *impl_;
    c.connect();
    auto deadline = Steady::now() + wait;
    for (;;) {
        if (!PQconsumeInput(c.conn)) {
            c.close();
            throw SqlFailure("", "the connection to Postgres is lost", "", "");
        }
        bool came = false;
        while (PGnotify* n = PQnotifies(c.conn)) {
            PQfreemem(n);
            came = true;
        }
        if (came) return true;
        auto left = std::chrono::duration_cast<Millis>(deadline - Steady::now()).count();
        if (left <= 0) return false;
        pollfd p{PQsocket(c.conn), POLLIN, 0};
        ::poll(&p, 1, static_cast<int>(left));
    }
}

Connection::Backend Connection::backend() {
    impl_->connect();
    auto result = impl_->run("SELECT pg_backend_pid(), backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()");
    return {std::stoi(PQgetvalue(result.get(), 0, 0)), PQgetvalue(result.get(), 0, 1)};
}

std::string Connection::password_verifier(std::string_view login, const Secret& password) {
    impl_->connect();
    std::unique_ptr<char, decltype(&PQfreemem)> made(
        PQencryptPasswordConn(impl_->conn, password.reveal().c_str(), std::string(login).c_str(), "scram-sha-256"), &PQfreemem);
    if (!made) throw SqlFailure("", "a password cannot be kept: " + trimmed(PQerrorMessage(impl_->conn)), "", "");
    return made.get();
}

void Connection::close() noexcept { impl_->close(); }

void Connection::close_if_ended() noexcept {
    if (!impl_->conn) return;
    // Nobody has asked anything, so whatever the server says now is its farewell, or as good as one.
    pollfd socket{PQsocket(impl_->conn), POLLIN, 0};
    if (::poll(&socket, 1, 0) > 0) impl_->close();
}

void Tx::Impl::finish() noexcept {
    open = false;
    connection->in_tx = false;
    connection->canceller.reset();
    connection->answer_within = connection->limits.deadline;
    connection->leave_pipeline();
    if (release) std::exchange(release, nullptr)();
}

Tx::Tx(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tx::Tx(Tx&&) noexcept = default;
Tx::~Tx() {
    if (impl_) rollback();
}

bool Tx::open() const { return impl_ && impl_->open; }

void Tx::write(const Query& q, Params params) {
    if (!open()) throw std::logic_error("write after the transaction ended");
    ++impl_->statements;
    impl_->connection->queue(q, params);
}

Canceller Tx::canceller() {
    Canceller c;
    if (open()) {
        auto& mine = impl_->connection->canceller;
        if (!mine) mine = std::make_shared<Canceller::State>();
        c.state_ = mine;
    }
    return c;
}

std::size_t Tx::statements() const { return impl_ ? impl_->statements : 0; }

std::int64_t Tx::write_counted(const Query& q, Params params) {
    write(q, std::move(params));
    ResultPtr last;
    impl_->connection->sync(&last);
    return last ? std::atoll(PQcmdTuples(last.get())) : 0;
}

void Tx::each(const Query& q, Params params, const std::function<void(const Fields&)>& row) {
    write(q, std::move(params));
    ResultPtr last;
    impl_->connection->sync(&last);
    int rows = last ? PQntuples(last.get()) : 0;
    for (int i = 0; i < rows; ++i) row(Fields(last.get(), i));
}

void Tx::flush() {
    if (!open()) throw std::logic_error("flush after the transaction ended");
    impl_->connection->sync();
}

void Tx::commit() {
    if (!open()) throw std::logic_error("commit after the transaction ended");
    auto& c = *impl_->connection;
    if (c.canceller && c.canceller->asked) throw Cancelled();
    c.queue(kCommit, {});
    ResultPtr last;
    c.sync(&last, Connection::Impl::Ends::by_itself);  // once it is sent, only its answer tells what happened
    // COMMIT of a failed transaction answers ROLLBACK and no error.
    bool committed = last && std::string_view(PQcmdStatus(last.get())) == "COMMIT";
    impl_->finish();
    if (!committed) throw SqlFailure("25P02", "the transaction had failed before its commit", "", "COMMIT");
    for (const auto& then : std::exchange(impl_->on_commit, {})) then();
}

void Tx::on_commit(std::function<void()> then) { impl_->on_commit.push_back(std::move(then)); }

void Tx::rollback() noexcept {
    if (!open()) return;
    auto& c = *impl_->connection;
    try {
        if (c.healthy()) {
            c.queue_text("ROLLBACK");
            c.sync(nullptr, Connection::Impl::Ends::by_itself);
        }
    } catch (const SqlFailure&) {
        // The queued writes failed first, or the connection is gone; a session whose state is not known is not used again.
        if (c.healthy() && PQtransactionStatus(c.conn) != PQTRANS_IDLE) {
            try {
                c.queue_text("ROLLBACK");
                c.sync(nullptr, Connection::Impl::Ends::by_itself);
            } catch (...) {
                c.close();
            }
        }
    } catch (...) {
        c.close();
    }
    impl_->finish();
}

void Tx::too_many(const Query& q) { throw std::logic_error("statement " + std::string(q.name) + " gave more than one row"); }
void Tx::missing(const Query& q) { throw std::logic_error("statement " + std::string(q.name) + " gave no row"); }

struct Pool::Impl : std::enable_shared_from_this<Pool::Impl> {
    Login login;
    std::string application;
    std::size_t size;
    SessionLimits limits;
    Millis wait;
    std::mutex lock;
    std::condition_variable freed;
    std::vector<std::unique_ptr<Connection>> idle;
    std::size_t made = 0;
    // All pools of a process add to these.
    tel::Gauge used = kPool({"used"}), resting = kPool({"idle"}), unopened = kPool({"unopened"}), waiting = kPool({"waiting"});

    Impl(Login by, std::string a, std::size_t n, SessionLimits l, Millis w)
        : login(std::move(by)), application(std::move(a)), size(n), limits(l), wait(w) {
        unopened.add(static_cast<double>(size));
        // From the start: of a counter that begins with its first failure no rate is seen.
        for (auto what : {"unreachable", "lost", "busy", "transient", "contention", "schema", "data", "fenced"}) kErrors({what});
    }
    ~Impl() {
        resting.add(-static_cast<double>(idle.size()));
        unopened.add(-static_cast<double>(size - made));
    }

    std::unique_ptr<Connection> take() {
        std::unique_lock guard(lock);
        auto there = [&] { return !idle.empty() || made < size; };
        if (!there()) {
            waiting.add(1);
            bool came = freed.wait_for(guard, wait, there);
            waiting.add(-1);
            if (!came) {
                kErrors({"busy"}).inc();
                throw SqlFailure("", "all " + std::to_string(size) + " database connections are busy", "", "");
            }
        }
        used.add(1);
        if (!idle.empty()) {
            auto connection = std::move(idle.back());
            idle.pop_back();
            resting.add(-1);
            guard.unlock();
            connection->close_if_ended();
            return connection;
        }
        ++made;
        unopened.add(-1);
        return std::make_unique<Connection>(login, application, limits);
    }
    void give(std::unique_ptr<Connection> connection) {
        used.add(-1);
        {
            std::lock_guard guard(lock);
            idle.push_back(std::move(connection));
            resting.add(1);
        }
        freed.notify_one();
    }
};

Pool::Pool(Login login, std::string application, std::size_t size, SessionLimits limits, Millis wait)
    : impl_(std::make_shared<Impl>(std::move(login), std::move(application), size, limits, wait)) {}
Pool::~Pool() = default;

Tx Pool::begin(const Scope& scope, Limits limits) {
    auto connection = impl_->take();
    try {
        Tx tx = connection->begin(scope, limits);
        tx.impl_->release = [pool = impl_, c = std::make_shared<std::unique_ptr<Connection>>(std::move(connection))]() mutable {
            pool->give(std::move(*c));
        };
        return tx;
    } catch (...) {
        if (connection) impl_->give(std::move(connection));
        throw;
    }
}

otto::Result<void> Pool::ping() {
    try {
        auto tx = begin(Scope::none());
        tx.commit();
        return {};
    } catch (const std::exception& e) {
        return Error(e.what(), "is Postgres running, and does OTTO_PG_URL name it?");
    }
}

}  // namespace otto::pg
