#include "pg/table.hpp"

#include <algorithm>
#include <iterator>

namespace otto::pg {
namespace {

std::vector<const Statement*>& statements() {
    static std::vector<const Statement*> all;
    return all;
}

/// What `each` makes of the columns, with commas between.
template <class Each>
std::string joined(const detail::Texts& columns, Each each) {
    std::string out;
    for (std::size_t i = 0; i < columns.size(); ++i) out += (i > 0 ? ", " : "") + each(*columns[i], i);
    return out;
}

std::string names(const detail::Texts& columns) {
    return joined(columns, [](const ColumnText& c, std::size_t) { return c.name; });
}

/// unnest($1::text[], $2::uuid[])
std::string unnested(const detail::Texts& columns) {
    return "unnest(" +
           joined(columns,
                  [](const ColumnText& c, std::size_t i) { return "$" + std::to_string(i + 1) + "::" + c.type + "[]"; }) +
           ")";
}

detail::Texts keys_of(const detail::Texts& columns) {
    detail::Texts keys;
    std::copy_if(columns.begin(), columns.end(), std::back_inserter(keys), [](const ColumnText* c) { return c->is_key; });
    return keys;
}

/// What changes with any change of a row.
std::string always(const detail::Texts& all) {
    bool brings_its_own = std::any_of(all.begin(), all.end(), [](const ColumnText* c) { return c->name == "version"; });
    return brings_its_own ? "updated_at = now()" : "version = t.version + 1, updated_at = now()";
}

}  // namespace

Statement::Statement(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
    statements().push_back(this);
}

std::vector<Query> Statement::all() {
    std::vector<Query> out;
    for (const auto* statement : statements()) out.push_back(*statement);
    return out;
}

namespace detail {

std::string filled(std::string_view pattern, std::string_view placeholder, std::string_view with) {
    std::string out;
    for (std::size_t at = 0;;) {
        auto found = pattern.find(placeholder, at);
        out += pattern.substr(at, found - at);
        if (found == std::string_view::npos) return out;
        out += with;
        at = found + placeholder.size();
    }
}

std::string selected(const Texts& columns) {
    return joined(columns, [](const ColumnText& c, std::size_t) {
        return c.selected == "{}" ? c.name : filled(c.selected, "{}", c.name) + " AS " + c.name;
    });
}

std::string matching(const Texts& key) { return "(" + names(key) + ") IN (SELECT * FROM " + unnested(key) + ")"; }

std::string inserting(std::string_view table, const Texts& columns, std::string_view tail) {
    auto values = joined(columns, [](const ColumnText& c, std::size_t) { return filled(c.inserted, "{}", c.name); });
    return "INSERT INTO " + std::string(table) + " AS t (" + names(columns) + ") SELECT " + values + " FROM " +
           unnested(columns) + " AS i (" + names(columns) + ")" + (tail.empty() ? "" : " ") + std::string(tail);
}

std::string or_changing(const Texts& all) {
    std::string sets;
    for (const auto* c : all)
        if (!c->is_key && !c->is_once) sets += c->name + " = excluded." + c->name + ", ";
    auto key = names(keys_of(all));
    return "ORDER BY " + key + " ON CONFLICT (" + key + ") DO UPDATE SET " + sets + always(all);
}

std::string changing(std::string_view table, const Texts& all, const Texts& changed, std::string_view also,
                     std::string_view tail) {
    auto key = keys_of(all);
    auto given = key;
    given.insert(given.end(), changed.begin(), changed.end());
    auto sets = joined(changed,
                       [](const ColumnText& c, std::size_t) { return c.name + " = " + filled(c.inserted, "{}", "i." + c.name); });
    std::string where;
    for (const auto* c : key) where += (where.empty() ? "" : " AND ") + ("t." + c->name + " = i." + c->name);
    return "UPDATE " + std::string(table) + " t SET " + sets + ", " + always(all) + (also.empty() ? "" : ", ") +
           std::string(also) + " FROM " + unnested(given) + " AS i (" + names(given) + ") WHERE " + where +
           (tail.empty() ? "" : " ") + std::string(tail);
}

}  // namespace detail
}  // namespace otto::pg
