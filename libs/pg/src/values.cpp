#include <charconv>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "pg/query.hpp"
#include "pg/value.hpp"
#include "session.hpp"

namespace otto::pg {
namespace {

const PGresult* result_of(const void* p) { return static_cast<const PGresult*>(p); }

std::string array_literal(const std::vector<std::optional<std::string>>& items) {
    std::string out = "{";
    for (const auto& item : items) {
        if (out.size() > 1) out += ',';
        if (!item) {
            out += "NULL";
            continue;
        }
        out += '"';
        for (char c : *item) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        out += '"';
    }
    return out += '}';
}

}  // namespace

Param::Param(double v) {
    char buffer[32];
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v);
    text_ = std::string(buffer, end);
}

Param::Param(Instant v) : text_(to_rfc3339(v)) {}

Param Param::array(const std::vector<std::optional<std::string>>& items) { return Param(array_literal(items)); }
Param Param::array(const std::vector<std::string>& items) {
    return Param(array_literal(std::vector<std::optional<std::string>>(items.begin(), items.end())));
}
Param Param::bytes(std::string_view raw) { return Param("\\x" + hex_encode(raw)); }

void Columns::row(std::initializer_list<Param> values) {
    if (values.size() != columns_.size())
        throw std::logic_error("Columns::row: " + std::to_string(values.size()) + " values for " +
                               std::to_string(columns_.size()) + " columns");
    auto column = columns_.begin();
    for (const auto& value : values) (column++)->push_back(value.text());
}

Params Columns::params() const {
    Params out;
    for (const auto& column : columns_) out.push_back(Param::array(column));
    return out;
}

int Fields::index(std::string_view column) const {
    int n = PQnfields(result_of(result_));
    for (int tried = 0, i = next_; tried < n; ++tried, ++i) {
        if (i >= n) i = 0;
        if (column != PQfname(result_of(result_), i)) continue;
        next_ = i + 1;
        return i;
    }
    throw std::logic_error("the result has no column '" + std::string(column) + "'");
}

bool Fields::is_null(std::string_view column) const { return PQgetisnull(result_of(result_), row_, index(column)); }

std::optional<std::string> Fields::maybe_text(std::string_view column) const {
    int i = index(column);
    if (PQgetisnull(result_of(result_), row_, i)) return std::nullopt;
    return std::string(PQgetvalue(result_of(result_), row_, i),
                       static_cast<std::size_t>(PQgetlength(result_of(result_), row_, i)));
}

std::optional<std::string_view> Fields::view(std::string_view column) const {
    int i = index(column);
    if (PQgetisnull(result_of(result_), row_, i)) return std::nullopt;
    return std::string_view(PQgetvalue(result_of(result_), row_, i),
                            static_cast<std::size_t>(PQgetlength(result_of(result_), row_, i)));
}

std::string Fields::text(std::string_view column) const { return maybe_text(column).value_or(""); }

std::optional<std::int64_t> Fields::maybe_integer(std::string_view column) const {
    auto t = maybe_text(column);
    if (!t) return std::nullopt;
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(t->data(), t->data() + t->size(), value);
    if (error != std::errc{} || end != t->data() + t->size())
        throw std::logic_error("column '" + std::string(column) + "' is no integer");
    return value;
}

std::int64_t Fields::integer(std::string_view column) const { return maybe_integer(column).value_or(0); }

double Fields::number(std::string_view column) const {
    auto t = text(column);
    double value = 0;
    std::from_chars(t.data(), t.data() + t.size(), value);
    return value;
}

std::optional<bool> Fields::maybe_boolean(std::string_view column) const {
    auto t = maybe_text(column);
    if (!t) return std::nullopt;
    return *t == "t";
}
bool Fields::boolean(std::string_view column) const { return maybe_boolean(column).value_or(false); }

std::optional<Uuid> Fields::maybe_uuid(std::string_view column) const {
    auto t = maybe_text(column);
    if (!t) return std::nullopt;
    return Uuid::parse(*t);
}
Uuid Fields::uuid(std::string_view column) const { return maybe_uuid(column).value_or(Uuid{}); }

std::optional<Instant> Fields::time(std::string_view column) const {
    auto t = maybe_text(column);
    if (!t) return std::nullopt;
    return parse_time(*t);
}

std::string Fields::bytes(std::string_view column) const {
    auto t = text(column);
    return t.starts_with("\\x") ? hex_decode(std::string_view(t).substr(2)).value_or("") : t;
}

std::string_view Fields::first() const {
    const char* name = PQfname(result_of(result_), 0);
    if (!name) throw std::logic_error("the result has no column");
    return name;
}

std::optional<std::vector<std::string>> Value<std::vector<std::string>>::read(const Fields& f, std::string_view column) {
    auto parsed = JsonDocument::parse(f.text(column));
    if (!parsed || !parsed->root().is_array()) return std::nullopt;
    std::vector<std::string> out;
    for (std::size_t i = 0; i < parsed->root().size(); ++i) out.emplace_back(parsed->root().at(i).string().value_or(""));
    return out;
}

Param Value<std::vector<std::string>>::write(const std::vector<std::string>& items) {
    JsonWriter w;
    w.begin_array();
    for (const auto& item : items) w.value(item);
    return w.end_array().take();
}

}  // namespace otto::pg
