#include "pg/json.hpp"

namespace otto::pg {

void time_value(JsonWriter& w, const Fields& f, std::string_view column) {
    // "2026-11-21 01:02:03.5+00": the same digits, so they are copied. Anything else (infinity, a year of five digits) is read
    // and written.
    auto text = f.view(column);
    if (!text) {
        w.null();
        return;
    }
    if (text->size() >= 22 && text->size() <= 29 && (*text)[10] == ' ' && text->ends_with("+00")) {
        char out[] = "YYYY-MM-DDThh:mm:ss.000000Z";
        text->copy(out, text->size() - 3);
        out[10] = 'T';
        bool micros = text->size() > 22;
        if (!micros) out[19] = 'Z';
        w.value(std::string_view(out, micros ? 27 : 20));
        return;
    }
    if (auto at = f.time(column))
        w.value(to_rfc3339(*at));
    else
        w.null();
}

void times(JsonWriter& w, const Fields& f, std::initializer_list<std::string_view> columns) {
    for (auto c : columns) time_value(w.key(c), f, c);
}

void texts(JsonWriter& w, const Fields& f, std::initializer_list<std::string_view> columns) {
    for (auto c : columns) w.member(c, f.view(c));
}

void number_value(JsonWriter& w, const Fields& f, std::string_view column) {
    if (f.is_null(column))
        w.null();
    else
        w.value(f.number(column));
}

void json_value(JsonWriter& w, const Fields& f, std::string_view column, std::string_view fallback) {
    w.raw(f.view(column).value_or(fallback));
}

}  // namespace otto::pg
