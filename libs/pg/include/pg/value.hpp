#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "pg/query.hpp"

namespace otto::pg {

/// How a C++ type stands in a column: its type there, and what is read of it (nullopt for null). A service says so of a type of
/// its own, and how it is written:
///
///     template <>
///     struct otto::pg::Value<Origins> {
///         static constexpr std::string_view type = "text";
///         static std::optional<Origins> read(const Fields& f, std::string_view column) { return Origins::parse(f.text(column));
/// }
///         static Param write(const Origins& o) { return o.text(); }
///     };
///
/// Where a column does not travel as it is, `selected` and `inserted` say as what it does; {} is its name.
template <class T>
struct Value;

template <>
struct Value<std::string> {
    static constexpr std::string_view type = "text";
    static std::optional<std::string> read(const Fields& f, std::string_view column) { return f.maybe_text(column); }
};
template <>
struct Value<std::int64_t> {
    static constexpr std::string_view type = "bigint";
    static std::optional<std::int64_t> read(const Fields& f, std::string_view column) { return f.maybe_integer(column); }
};
template <>
struct Value<int> {
    static constexpr std::string_view type = "int";
    static std::optional<int> read(const Fields& f, std::string_view column) {
        auto v = f.maybe_integer(column);
        return v ? std::optional(static_cast<int>(*v)) : std::nullopt;
    }
};
template <>
struct Value<bool> {
    static constexpr std::string_view type = "boolean";
    static std::optional<bool> read(const Fields& f, std::string_view column) { return f.maybe_boolean(column); }
};
template <>
struct Value<Uuid> {
    static constexpr std::string_view type = "uuid";
    static std::optional<Uuid> read(const Fields& f, std::string_view column) { return f.maybe_uuid(column); }
};
template <>
struct Value<Instant> {
    static constexpr std::string_view type = "timestamptz";
    static std::optional<Instant> read(const Fields& f, std::string_view column) { return f.time(column); }
};
template <class Rep, class Tag>
struct Value<StrongId<Rep, Tag>> {
    static constexpr std::string_view type = Value<Rep>::type;
    static std::optional<StrongId<Rep, Tag>> read(const Fields& f, std::string_view column) {
        auto v = Value<Rep>::read(f, column);
        return v ? std::optional(StrongId<Rep, Tag>(std::move(*v))) : std::nullopt;
    }
};
/// A column of text[]. It travels as JSON: an array of arrays would have to be of one length.
template <>
struct Value<std::vector<std::string>> {
    static constexpr std::string_view type = "jsonb", selected = "to_jsonb({})",
                                      inserted = "ARRAY(SELECT jsonb_array_elements_text({}))";
    static std::optional<std::vector<std::string>> read(const Fields&, std::string_view column);
    static Param write(const std::vector<std::string>&);
};

namespace detail {

template <class T>
struct Bare {
    using type = T;
    static constexpr bool may_be_null = false;
};
template <class T>
struct Bare<std::optional<T>> {
    using type = T;
    static constexpr bool may_be_null = true;
};
/// What stands in the column of a member that may be an optional.
template <class T>
using ValueOf = Value<typename Bare<T>::type>;

template <class T>
T read(const Fields& f, std::string_view column) {
    auto v = ValueOf<T>::read(f, column);
    if constexpr (Bare<T>::may_be_null)
        return v;
    else
        return v ? std::move(*v) : T{};
}

template <class T>
Param write(const T& v) {
    if constexpr (Bare<T>::may_be_null)
        return v ? write(*v) : Param(nullptr);
    else if constexpr (requires { Value<T>::write(v); })
        return Value<T>::write(v);
    else
        return Param(v);
}

}  // namespace detail

/// A container of pairs or tuples: keys, mostly.
template <class R>
concept Tuples = requires(const R& rows) {
    std::tuple_size<typename R::value_type>::value;
    rows.begin();
    rows.end();
};

/// One array parameter for each member of these pairs or tuples, for `unnest($1::text[], $2::uuid[])`.
template <Tuples R>
Params arrays(const R& rows) {
    Columns columns(std::tuple_size<typename R::value_type>::value);
    for (const auto& row : rows) std::apply([&](const auto&... member) { columns.row({detail::write(member)...}); }, row);
    return columns.params();
}

}  // namespace otto::pg
