#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "base/uuid.hpp"

namespace otto::pg {

/// A named statement; constants of this type are generated from sql/*.sql ("-- name: raise_call_status"). Prepared once a
/// connection.
struct Query {
    std::string_view name, text;
};

/// One bound value in Postgres's text format. Implicit on purpose: a parameter list reads as the values it holds. null = SQL
/// NULL.
class Param {
public:
    Param(std::nullptr_t) {}
    Param(std::nullopt_t) {}
    Param(const char* v) : text_(v) {}
    Param(std::string_view v) : text_(v) {}
    Param(std::string v) : text_(std::move(v)) {}
    Param(bool v) : text_(v ? "t" : "f") {}
    Param(int v) : text_(std::to_string(v)) {}
    Param(std::int64_t v) : text_(std::to_string(v)) {}
    Param(double v);
    Param(const Uuid& v) : text_(v.to_string()) {}
    Param(Instant v);
    template <class Rep, class Tag>
    Param(const StrongId<Rep, Tag>& v) : Param(v.value()) {}
    template <class T>
    Param(const std::optional<T>& v) {
        if (v) *this = Param(*v);
    }
    /// A Postgres array literal; for `unnest($1::text[])` and `= ANY($1)`. Elements are quoted here; null elements stay null.
    static Param array(const std::vector<std::optional<std::string>>& items);
    static Param array(const std::vector<std::string>& items);
    /// bytea
    static Param bytes(std::string_view raw);

    const std::optional<std::string>& text() const& { return text_; }
    std::optional<std::string> text() && { return std::move(text_); }

private:
    std::optional<std::string> text_;
};
using Params = std::vector<Param>;

/// Builds array parameters column by column for set-based statements.
class Columns {
public:
    explicit Columns(std::size_t count) : columns_(count) {}
    /// Appends one row; its size must be the number of columns.
    void row(std::initializer_list<Param> values);
    std::size_t rows() const { return columns_.empty() ? 0 : columns_.front().size(); }
    /// One array parameter a column, in order.
    Params params() const;

private:
    std::vector<std::vector<std::optional<std::string>>> columns_;
};

/// One row of a result; columns by name. Asking for a column that is not there throws std::logic_error naming it.
class Fields {
public:
    Fields(const void* result, int row) : result_(result), row_(row) {}
    bool is_null(std::string_view column) const;
    std::string text(std::string_view column) const;  ///< "" for null
    std::optional<std::string> maybe_text(std::string_view column) const;
    std::optional<std::string_view> view(
        std::string_view column) const;                   ///< as long as the result lives: within the row's callback
    std::int64_t integer(std::string_view column) const;  ///< 0 for null
    std::optional<std::int64_t> maybe_integer(std::string_view column) const;
    double number(std::string_view column) const;
    bool boolean(std::string_view column) const;
    std::optional<bool> maybe_boolean(std::string_view column) const;
    Uuid uuid(std::string_view column) const;  ///< nil for null
    std::optional<Uuid> maybe_uuid(std::string_view column) const;
    std::optional<Instant> time(std::string_view column) const;
    std::string bytes(std::string_view column) const;  ///< bytea decoded
    std::string_view first() const;                    ///< the first column's name

private:
    int index(std::string_view column) const;
    const void* result_;
    int row_;
    mutable int next_ = 0;  ///< columns are mostly asked for in their order: the search goes on behind the last one found
};

/// A struct that knows how to read itself: `static R from(const pg::Fields&)`.
template <class R>
concept Row = requires(const Fields& f) {
    { R::from(f) } -> std::same_as<R>;
};

}  // namespace otto::pg
