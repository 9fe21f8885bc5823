#pragma once
#include <functional>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "pg/tx.hpp"
#include "pg/value.hpp"

namespace otto::pg {

/// A statement that a table made. Its text must last as long as sessions may have it prepared, so statements are constants beside
/// their table.
class Statement {
public:
    Statement(std::string name, std::string text);
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    operator Query() const { return {name_, text_}; }
    /// All that this process has, for the test that prepares each.
    static std::vector<Query> all();

private:
    std::string name_, text_;
};

/// A column as statements name it.
struct ColumnText {
    std::string name, type, selected = "{}", inserted = "{}";
    bool is_key = false, is_once = false, is_read = true;
};

/// One column and what holds it in the row. Made by col() and derived().
template <class Row>
struct Column : ColumnText {
    std::function<void(Row&, const Fields&)> read;
    std::function<Param(const Row&)> write;

    /// Of the key: never changed, and what rows are sorted by.
    Column key() && {
        return with([](auto& c) { c.is_key = true; });
    }
    /// Written with a new row and never changed afterwards.
    Column once() && {
        return with([](auto& c) { c.is_once = true; });
    }
    /// Written, but not read.
    Column unread() && {
        return with([](auto& c) { c.is_read = false; });
    }
    /// What stands there for null.
    Column otherwise(std::string_view sql) && {
        return with([&](auto& c) { c.inserted = "coalesce(" + c.inserted + ", " + std::string(sql) + ")"; });
    }

private:
    template <class Change>
    Column with(Change change) {
        change(*this);
        return std::move(*this);
    }
};

namespace detail {

template <class Row, class T, class Get, class Set>
Column<Row> column(std::string_view name, Get get, Set set) {
    using V = ValueOf<T>;
    Column<Row> c;
    c.name = name;
    c.type = V::type;
    if constexpr (requires { V::selected; }) c.selected = V::selected;
    if constexpr (requires { V::inserted; }) c.inserted = V::inserted;
    c.read = [name = c.name, set](Row& row, const Fields& f) { set(row, detail::read<T>(f, name)); };
    c.write = [get](const Row& row) { return detail::write<T>(get(row)); };
    return c;
}

// Texts of statements; libs/pg/src/table.cpp.
using Texts = std::vector<const ColumnText*>;
std::string filled(std::string_view pattern, std::string_view placeholder, std::string_view with);
std::string selected(const Texts&);
std::string matching(const Texts& key);
std::string inserting(std::string_view table, const Texts&, std::string_view tail);
/// The tail of an upsert with all columns.
std::string or_changing(const Texts& all);
/// `all` are the table's columns, `changed` those that the statement sets.
std::string changing(std::string_view table, const Texts& all, const Texts& changed, std::string_view also,
                     std::string_view tail);

template <class Row>
const Row& row_of(const Row& row) {
    return row;
}
template <class Row>
const Row& row_of(const Row* row) {
    return *row;
}

}  // namespace detail

/// A column that is a member of the row.
template <class Row, class T>
Column<Row> col(std::string_view name, T Row::*member) {
    return detail::column<Row, T>(
        name, [member](const Row& row) -> const T& { return row.*member; },
        [member](Row& row, T v) { row.*member = std::move(v); });
}
/// A column that is a member of a part of the row.
template <class Row, class Part, class T>
Column<Row> col(std::string_view name, Part Row::*part, T Part::*member) {
    return detail::column<Row, T>(
        name, [part, member](const Row& row) -> const T& { return row.*part.*member; },
        [part, member](Row& row, T v) { row.*part.*member = std::move(v); });
}
/// A column that follows from the row, and what the row makes of it when it is read; columns are read in their order.
template <class Row, class Get, class Set>
Column<Row> derived(std::string_view name, Get get, Set set) {
    return detail::column<Row, std::decay_t<std::invoke_result_t<Get, const Row&>>>(name, get, set);
}
/// One that is only written.
template <class Row, class Get>
Column<Row> derived(std::string_view name, Get get) {
    return derived<Row>(name, get, [](Row&, const auto&) {}).unread();
}

template <class Row>
class Table;

/// Reads rows of a table.
template <class Row>
class Select : public Statement {
public:
    Select(const Table<Row>& table, std::string name, std::string text)
        : Statement(std::move(name), std::move(text)), table_(&table) {}

    std::vector<Row> operator()(Tx& tx, Params params) const {
        std::vector<Row> rows;
        tx.each(*this, std::move(params), [&](const Fields& f) { rows.push_back(table_->from(f)); });
        return rows;
    }
    /// The rows of these keys; several sets of keys are parameters one after another. No statement if there is no key at all.
    template <Tuples... Keys>
    std::vector<Row> operator()(Tx& tx, const Keys&... keys) const {
        if ((keys.empty() && ...)) return {};
        return (*this)(tx, params(keys...));
    }
    /// Queued: for the locks alone.
    template <Tuples Keys>
    void queue(Tx& tx, const Keys& keys) const {
        if (!keys.empty()) tx.write(*this, arrays(keys));
    }

private:
    template <Tuples... Keys>
    static Params params(const Keys&... keys) {
        Params all;
        auto add = [&](Params some) {
            all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
        };
        (add(arrays(keys)), ...);
        return all;
    }
    const Table<Row>* table_;
};

/// Writes rows of a table, any number in one statement.
template <class Row>
class Write : public Statement {
public:
    Write(std::string name, std::string text, std::vector<std::function<Param(const Row&)>> columns)
        : Statement(std::move(name), std::move(text)), columns_(std::move(columns)) {}

    /// Queued; none if there are no rows. `rows` is a container of rows or of pointers to rows.
    template <class Rows>
    void operator()(Tx& tx, const Rows& rows) const {
        if (!rows.empty()) tx.write(*this, params(rows));
    }
    /// Waits, and gives what the statement returns.
    template <class Rows>
    void returning(Tx& tx, const Rows& rows, const std::function<void(const Fields&)>& row) const {
        if (!rows.empty()) tx.each(*this, params(rows), row);
    }

private:
    template <class Rows>
    Params params(const Rows& rows) const {
        Params all;
        std::vector<std::optional<std::string>> items;
        for (const auto& column : columns_) {
            items.clear();
            for (const auto& row : rows) items.push_back(column(detail::row_of<Row>(row)).text());
            all.push_back(Param::array(items));
        }
        return all;
    }
    std::vector<std::function<Param(const Row&)>> columns_;
};

/// A table's columns, once: what is selected, inserted, updated and read follows from it. One constant in the source of its row,
/// with the statements on it below it:
///
///     const pg::Table<ContactRow> kCards("lead_pipeline", "contact_cards", {
///         pg::col("company_id", &ContactRow::company).key(),
///         pg::col("id", &ContactRow::id).key(),
///         pg::col("first_name", &ContactRow::contact, &Contact::first_name),
///     });
///     const pg::Select<ContactRow> lock_cards = kCards.by("lock_cards", {"company_id", "id"}, "FOR UPDATE");
///     const pg::Write<ContactRow> name_cards = kCards.update("name_cards", {"first_name"});
///
///     for (auto& card : lock_cards(tx, keys)) …
///     name_cards(tx, changed);
///
/// A row that changes has a new updated_at, and a version one higher unless the row brings its own. A column that is not there is
/// a std::logic_error where the statement is made, that is at the process's start.
template <class Row>
class Table {
public:
    /// `owner` begins the statements' names: the service.
    Table(std::string_view owner, std::string_view name, std::vector<Column<Row>> columns)
        : owner_(owner), name_(name), columns_(std::move(columns)) {}
    Table(const Table&) = delete;

    Row from(const Fields& f) const {
        Row row{};
        for (const auto& c : columns_)
            if (c.is_read) c.read(row, f);
        return row;
    }

    using Names = std::initializer_list<std::string_view>;
    /// Any statement that gives rows of this table; {columns} stands for the columns that are read.
    Select<Row> select(std::string_view name, std::string_view text) const {
        return {*this, full(name),
                detail::filled(text, "{columns}", detail::selected(texts([](const auto& c) { return c.is_read; })))};
    }
    /// The rows whose columns of these names are among the keys that are asked for.
    Select<Row> by(std::string_view name, Names key, std::string_view tail = "") const {
        return select(name, "SELECT {columns} FROM " + name_ + " WHERE " + detail::matching(texts(key)) +
                                (tail.empty() ? "" : " ") + std::string(tail));
    }
    /// New rows with these columns; the tail is an ORDER BY and what to do about a conflict.
    Write<Row> insert(std::string_view name, Names columns, std::string_view tail) const {
        return {full(name), detail::inserting(name_, texts(columns), tail), writers(texts(columns))};
    }
    /// New rows with all columns.
    Write<Row> insert(std::string_view name, std::string_view tail) const {
        return {full(name), detail::inserting(name_, all(), tail), writers(all())};
    }
    /// New rows, or what their keys' rows become: all but the key and what is written once. In the key's order, so that two who
    /// write do not wait for each other crosswise.
    Write<Row> upsert(std::string_view name) const {
        return {full(name), detail::inserting(name_, all(), detail::or_changing(all())), writers(all())};
    }
    /// These columns of the rows that are there; `also` sets further ones, in SQL: t is the row as it stands, i what it becomes.
    /// The tail is further conditions (AND …) and what is returned.
    Write<Row> update(std::string_view name, Names columns, std::string_view also = "", std::string_view tail = "") const {
        auto written = texts([](const auto& c) { return c.is_key; });
        const auto changed = texts(columns);
        written.insert(written.end(), changed.begin(), changed.end());
        return {full(name), detail::changing(name_, all(), changed, also, tail), writers(written)};
    }

private:
    std::string full(std::string_view name) const { return owner_ + "." + std::string(name); }
    template <class Which>
    detail::Texts texts(Which which) const
        requires std::is_invocable_v<Which, const ColumnText&>
    {
        detail::Texts out;
        for (const auto& c : columns_)
            if (which(c)) out.push_back(&c);
        return out;
    }
    detail::Texts texts(Names names) const {
        detail::Texts out;
        for (auto name : names) out.push_back(&at(name));
        return out;
    }
    detail::Texts all() const {
        return texts([](const auto&) { return true; });
    }
    const Column<Row>& at(std::string_view name) const {
        for (const auto& c : columns_)
            if (c.name == name) return c;
        throw std::logic_error("the table " + name_ + " has no column '" + std::string(name) + "'");
    }
    std::vector<std::function<Param(const Row&)>> writers(const detail::Texts& some) const {
        std::vector<std::function<Param(const Row&)>> out;
        for (const auto* c : some) out.push_back(static_cast<const Column<Row>*>(c)->write);
        return out;
    }

    std::string owner_, name_;
    std::vector<Column<Row>> columns_;
};

}  // namespace otto::pg
