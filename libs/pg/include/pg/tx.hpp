#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "pg/query.hpp"

namespace otto::pg {

/// What a failed statement or a lost connection means for who must go on.
enum class FailureClass {
    transient,   ///< 08, 25006, 40, 53, 55P03, 57P, 58, lost connection: the same again later
    contention,  ///< 40001, 40P01, 55P03: transient, but five times in a row means: one by one
    schema,      ///< 42, 28, 0A: code and database do not fit; nobody's event is guilty
    data         ///< everything else: the statement's own data
};
class SqlFailure : public std::runtime_error {
public:
    SqlFailure(std::string state, std::string message, std::string constraint, std::string statement);
    const std::string& sqlstate() const { return state_; }      ///< "" for a lost connection
    const std::string& constraint() const { return constraint_; }
    FailureClass kind() const;

private:
    std::string state_, constraint_;
};

/// Whose rows a transaction may see and write (forced row-level security; runtime.md §7).
class Scope {
public:
    static Scope company(const CompanyId&);                     ///< a request: one company
    static Scope companies(const std::vector<CompanyId>&);      ///< a consumer's batch: the set of its companies
    static Scope none();                                        ///< only tables without row-level security
    /// The settings, to be set local to the transaction: `otto.company_id` and `otto.company_ids`.
    const std::string& company_id() const { return one_; }
    const std::string& company_ids() const { return many_; }

private:
    std::string one_, many_;
};

/// An open transaction. Writes are queued and go out in one pipeline with the next read or the commit; errors of queued writes surface there,
/// as SqlFailure. Destroyed without commit() it rolls back. Not thread-safe; one transaction a connection.
class Tx {
public:
    void write(const Query&, Params = {});                        ///< queued
    std::int64_t write_counted(const Query&, Params = {});        ///< waits; rows affected
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
    /// Rows one by one, without a struct.
    void each(const Query&, Params, const std::function<void(const Fields&)>&);
    /// Waits for all queued writes; throws what failed.
    void flush();
    void commit();
    void rollback() noexcept;
    bool open() const;
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
