#include "report.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace otto::ottoctl {
namespace {

constexpr std::size_t kWidest = 96;  ///< of a table's cell, in characters

/// Control characters become spaces: what a stranger posted is shown on an operator's terminal.
std::string harmless(std::string_view text, bool lines) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto c = static_cast<unsigned char>(text[i]);
        bool c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
        if (c1) ++i;
        if (c1 || c == 0x7F || (c < 0x20 && !(lines && c == '\n')))
            out += ' ';
        else
            out += text[i];
    }
    return out;
}

std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string clipped(const std::string& text) {
    if (width(text) <= kWidest) return text;
    std::size_t seen = 0, i = 0;
    for (; i < text.size(); ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && ++seen == kWidest) break;
    return text.substr(0, i) + "…";
}

std::string heading(std::string name) {
    for (auto& c : name) c = c == '_' ? ' ' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    return name;
}

std::string json_text(std::string_view text) {
    JsonWriter w;
    return w.value(text).take();
}

/// Postgres writes "2026-11-21T07:54:35.1+00:00".
std::string shorter_time(std::string_view text) {
    if (text.size() >= 25 && text.ends_with("+00:00") && text[10] == 'T')
        if (auto t = parse_time(text)) return to_rfc3339(*t);
    return std::string(text);
}

void rows(std::string& out, const std::vector<std::vector<std::string>>& table) {
    std::vector<std::size_t> widths;
    for (const auto& row : table)
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (widths.size() <= i) widths.push_back(0);
            widths[i] = std::max(widths[i], width(row[i]));
        }
    for (const auto& row : table) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) line.append(widths[i] - width(row[i]) + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out.append(line).append("\n");
    }
}

}  // namespace

Cell::Cell(std::string_view t) : text(t), json(json_text(t)) {}
Cell::Cell(std::int64_t v) : text(std::to_string(v)), json(text) {}
Cell::Cell(bool v) : text(v ? "yes" : "no"), json(v ? "true" : "false") {}
Cell::Cell(Instant t) : Cell(std::string_view(to_rfc3339(t))) {}

Cell Cell::from(JsonView v) {
    if (!v.exists() || v.is_null()) return {};
    if (auto s = v.string()) return Cell(shorter_time(*s));
    if (auto b = v.boolean()) return Cell(*b);
    Cell c;
    c.json = v.dump();
    c.text = c.json == "[]" || c.json == "{}" ? "" : c.json;
    return c;
}

Record record_from(JsonView object) {
    Record out;
    for (auto [name, value] : object.members()) out.emplace_back(std::string(name), Cell::from(value));
    return out;
}

const Cell* find(const Record& r, std::string_view name) {
    for (const auto& [n, cell] : r)
        if (n == name) return &cell;
    return nullptr;
}

void put(Record& r, std::string_view name, Cell cell) {
    for (auto& [n, c] : r)
        if (n == name) {
            c = std::move(cell);
            return;
        }
    r.emplace_back(std::string(name), std::move(cell));
}

void Report::one(std::string name, Record r) { parts_.push_back({std::move(name), "", false, {std::move(r)}, {}}); }

void Report::many(std::string name, std::vector<Record> records, std::vector<std::string> columns, std::string none) {
    parts_.push_back({std::move(name), std::move(none), true, std::move(records), std::move(columns)});
}

void Report::note(std::string text) { notes_.push_back(std::move(text)); }

std::string Report::text() const {
    std::string out;
    for (const auto& part : parts_) {
        if (!out.empty()) out += "\n";
        if (parts_.size() > 1) out.append(heading(part.name)).append("\n");
        if (!part.list) {
            std::vector<std::vector<std::string>> table;
            std::string blocks;
            for (const auto& [name, cell] : part.records.front()) {
                if (cell.text.find('\n') != std::string::npos || width(cell.text) > 160)
                    blocks.append(name).append(":\n").append(harmless(cell.text, true)).append("\n");
                else
                    table.push_back({name, harmless(cell.text, false)});
            }
            rows(out, table);
            out += blocks;
            continue;
        }
        if (part.records.empty()) {
            out.append(part.none).append("\n");
            continue;
        }
        auto columns = part.columns;
        if (columns.empty())
            for (const auto& [name, cell] : part.records.front()) columns.push_back(name);
        std::vector<std::vector<std::string>> table(1);
        for (const auto& c : columns) table.front().push_back(heading(c));
        for (const auto& r : part.records) {
            auto& line = table.emplace_back();
            for (const auto& c : columns) {
                const auto* cell = find(r, c);
                line.push_back(cell ? clipped(harmless(cell->text, false)) : "");
            }
        }
        rows(out, table);
    }
    if (!notes_.empty() && !out.empty()) out += "\n";
    for (const auto& n : notes_) out.append(harmless(n, true)).append("\n");
    return out;
}

std::string Report::json() const {
    JsonWriter w;
    auto write = [&](const Record& r) {
        w.begin_object();
        for (const auto& [name, cell] : r) w.key(name).raw(cell.json);
        w.end_object();
    };
    w.begin_object();
    for (const auto& part : parts_) {
        w.key(part.name);
        if (!part.list) {
            write(part.records.front());
            continue;
        }
        w.begin_array();
        for (const auto& r : part.records) write(r);
        w.end_array();
    }
    if (!notes_.empty()) {
        w.key("notes").begin_array();
        for (const auto& n : notes_) w.value(n);
        w.end_array();
    }
    return w.end_object().take();
}

}  // namespace otto::ottoctl
