#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "pg/migrate.hpp"

namespace otto::pg {
namespace {

bool of_a_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

/// Where what begins at `at` ends, if it is no plain SQL: a comment, a quoted text or name, a dollar-quoted text; else `at`.
std::size_t skip_opaque(std::string_view sql, std::size_t at) {
    auto until = [&](std::string_view end, std::size_t from) {
        auto found = sql.find(end, from);
        return found == std::string_view::npos ? sql.size() : found + end.size();
    };
    auto rest = sql.substr(at);
    if (rest.starts_with("--")) return until("\n", at + 2);
    if (rest.starts_with("/*")) {
        int depth = 0;
        for (std::size_t i = at; i < sql.size(); ++i) {
            if (sql.substr(i).starts_with("/*"))
                ++depth, ++i;
            else if (sql.substr(i).starts_with("*/")) {
                ++i;
                if (--depth == 0) return i + 1;
            }
        }
        return sql.size();
    }
    if (rest.front() == '\'' || rest.front() == '"') {
        // E'…' knows backslashes; two quotes are one, which two texts side by side read just as well.
        bool escapes =
            rest.front() == '\'' && at > 0 && (sql[at - 1] == 'E' || sql[at - 1] == 'e') && (at < 2 || !of_a_name(sql[at - 2]));
        for (std::size_t i = at + 1; i < sql.size(); ++i) {
            if (escapes && sql[i] == '\\')
                ++i;
            else if (sql[i] == rest.front())
                return i + 1;
        }
        return sql.size();
    }
    if (rest.front() == '$' && (at == 0 || !of_a_name(sql[at - 1]))) {
        std::size_t end = at + 1;
        while (end < sql.size() && of_a_name(sql[end])) ++end;
        bool tag = end < sql.size() && sql[end] == '$' && !std::isdigit(static_cast<unsigned char>(sql[at + 1]));
        if (tag) return until(sql.substr(at, end + 1 - at), end + 1);
    }
    return at;
}

}  // namespace

std::string_view instruction_of(std::string_view sql) {
    constexpr std::string_view mark = "-- otto: ";
    if (!sql.starts_with(mark)) return {};
    auto line = sql.substr(mark.size(), sql.find('\n') == std::string_view::npos ? sql.size() : sql.find('\n') - mark.size());
    return trim(line);
}

std::vector<std::string> statements_of(std::string_view sql) {
    std::vector<std::string> out;
    std::string statement;
    auto end = [&] {
        auto text = std::string(trim(statement));
        if (!text.empty()) out.push_back(std::move(text));
        statement.clear();
    };
    for (std::size_t i = 0; i < sql.size();) {
        auto behind = skip_opaque(sql, i);
        if (behind == i) {
            if (sql[i] == ';')
                end();
            else
                statement += sql[i];
            ++i;
            continue;
        }
        bool comment = sql.substr(i).starts_with("--") || sql.substr(i).starts_with("/*");
        if (comment)
            statement += ' ';
        else
            statement.append(sql.substr(i, behind - i));
        i = behind;
    }
    end();
    return out;
}

}  // namespace otto::pg
