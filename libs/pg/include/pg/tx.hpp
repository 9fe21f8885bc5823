#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "pg/query.hpp"
#include "pg/value.hpp"

namespace otto::pg {

/// What a failed statement or a lost connection means for who must go on.
enum class FailureClass {
    transient,   ///< 08, 25006, 25P03, 26, 40, 53, 57, 58, lost connection: the same again later
    contention,  ///< 40001, 40P01, 55P03, a time-out (57014), XX: transient, but five times in a row means: one by one
    schema,      ///< 42, 28, 0A, 3D, 3F: code and database do not fit; nobody's event is guilty
    data         ///< everything else: the statement's own data
};
class SqlFailure : public std::runtime_error {
public:
    SqlFailure(std::string state, std::string message, std::string constraint, std::string statement);
    const std::string& sqlstate() const { return state_; }  ///< "" for a lost connection
    const std::string& constraint() const { return constraint_; }
    FailureClass kind() const;
    /// The statement took longer than it may. Not so for what a Canceller ended.
    bool timed_out() const { return state_ == "57014"; }
    /// The server's trouble or that of one row among many: a statement that takes too long, an internal error. Who has several
    /// things to do and meets it again and again does them one by one, so that one does not hold up the others.
    bool perhaps_its_own() const { return timed_out() || state_.starts_with("XX"); }

private:
    std::string state_, constraint_;
};
/// The transaction's Canceller was used: nobody waits for what it was to give, and nothing of it stays.
class Cancelled : public SqlFailure {
public:
    Cancelled() : SqlFailure("", "the transaction was cancelled", "", "") {}
};

/// Ends a transaction from outside, for a client that is gone. Any thread, at any time, also when the transaction is over; never
/// waits.
class Canceller {
public:
    Canceller() = default;  ///< of no transaction
    /// The statement under way is ended in the server too; it and all that follow in this transaction throw Cancelled. A COMMIT
    /// that has been sent is let be.
    void cancel() const noexcept;

private:
    friend class Tx;
    friend class Connection;
    struct State;
    std::shared_ptr<State> state_;
};

/// What one transaction may take, where that is less than its session's limits. 0: the session's.
struct Limits {
    Millis statement{0};
};

/// Whose rows a transaction may see and write (forced row-level security; runtime.md §7).
class Scope {
public:
    static Scope company(const CompanyId&);                 ///< a request: one company
    static Scope companies(const std::vector<CompanyId>&);  ///< a consumer's batch: the set of its companies
    static Scope none();                                    ///< only tables without row-level security
    /// The settings, to be set local to the transaction: `otto.company_id` and `otto.company_ids`.
    const std::string& company_id() const { return one_; }
    const std::string& company_ids() const { return many_; }

private:
    std::string one_, many_;
};

/// An open transaction. Writes are queued and go out in one pipeline with the next read or the commit; errors of queued writes
/// surface there, as SqlFailure. Destroyed without commit() it rolls back. Not thread-safe; one transaction a connection.
class Tx {
public:
    void write(const Query&, Params = {});                  ///< queued
    std::int64_t write_counted(const Query&, Params = {});  ///< waits; rows affected
    template <Row R>
    std::optional<R> maybe(const Query& q, Params p = {}) {
        auto rows = many<R>(q, std::move(p));
        if (rows.empty()) return std::nullopt;
        if (rows.size() > 1) too_many(q);
        return std::move(rows.front());
    }
    template <Row R>
    R one(const Query& q, Params p = {}) {
        auto row = maybe<R>(q, std::move(p));
        if (!row) missing(q);
        return std::move(*row);
    }
    template <Row R>
    std::vector<R> many(const Query& q, Params p = {}) {
        std::vector<R> out;
        each(q, std::move(p), [&](const Fields& f) { out.push_back(R::from(f)); });
        return out;
    }
    /// The one value of a statement of one column; nullopt: there is no row. Where it may be null, T is an optional.
    template <class T>
    std::optional<T> value(const Query& q, Params p = {}) {
        auto all = values<T>(q, std::move(p));
        if (all.empty()) return std::nullopt;
        if (all.size() > 1) too_many(q);
        return std::optional<T>(std::in_place, std::move(all.front()));
    }
    template <class T>
    std::vector<T> values(const Query& q, Params p = {}) {
        std::vector<T> out;
        each(q, std::move(p), [&](const Fields& f) { out.push_back(detail::read<T>(f, f.first())); });
        return out;
    }
    /// Rows one by one, without a struct.
    void each(const Query&, Params, const std::function<void(const Fields&)>&);
    /// Waits for all queued writes; throws what failed.
    void flush();
    void commit();
    void rollback() noexcept;
    /// Runs once the transaction is committed, and only then: for what is counted and told.
    void on_commit(std::function<void()>);
    bool open() const;
    Canceller canceller();
    /// How many statements have been queued so far.
    std::size_t statements() const;

    Tx(Tx&&) noexcept;
    Tx& operator=(Tx&&) = delete;
    ~Tx();

private:
    friend class Connection;
    friend class Pool;
    struct Impl;
    explicit Tx(std::unique_ptr<Impl>);
    [[noreturn]] static void too_many(const Query&);
    [[noreturn]] static void missing(const Query&);
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::pg
