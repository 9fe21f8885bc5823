// JSON: any text.
#include "base/json.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "harness.hpp"

using namespace otto;

namespace {

/// Looks at everything that a view offers, and that its answers fit each other.
void look(const JsonView& v, int depth) {
    OTTO_EXPECT(v.exists(), "");
    OTTO_EXPECT(depth <= 64, "nested deeper than promised");
    OTTO_EXPECT(v.is_null() + v.is_object() + v.is_array() + v.is_string() + v.is_number() + v.is_bool() == 1, v.dump());
    OTTO_EXPECT(v.string().has_value() == v.is_string() && v.number().has_value() == v.is_number() &&
                    v.boolean().has_value() == v.is_bool(),
                v.dump());
    if (auto text = v.string()) OTTO_EXPECT(valid_utf8(*text), v.dump());
    if (auto n = v.number()) OTTO_EXPECT(std::isfinite(*n), v.dump());
    if (auto whole = v.integer()) {
        OTTO_EXPECT(static_cast<double>(*whole) == *v.number(), v.dump());
        OTTO_EXPECT(v.loose_integer() == whole && v.dump() == std::to_string(*whole), v.dump());
    }
    if (auto text = v.loose_text()) OTTO_EXPECT(!text->empty() && valid_utf8(*text), *text);
    if (auto n = v.loose_integer()) OTTO_EXPECT(v.is_number() || v.is_string(), v.dump());
    (void)v.loose_boolean();
    if (v.is_array()) {
        for (std::size_t i = 0; i < v.size(); ++i) look(v.at(i), depth + 1);
        OTTO_EXPECT(!v.at(v.size()).exists() && v.members().empty() && !v["a"].exists(), "");
    } else if (v.is_object()) {
        auto members = v.members();
        OTTO_EXPECT(members.size() == v.size(), v.dump());
        for (const auto& [name, value] : members) {
            OTTO_EXPECT(valid_utf8(name), v.dump());
            OTTO_EXPECT(v[name].exists(), v.dump());
            look(value, depth + 1);
        }
        OTTO_EXPECT(!v.at(0).exists(), "");
    } else {
        OTTO_EXPECT(v.size() == 0 && !v.at(0).exists() && !v["a"].exists() && v.members().empty(), v.dump());
    }
}

/// Long numbers may be read a few units in the last place off, see JsonView::number().
bool near(std::optional<double> a, std::optional<double> b) {
    if (!a || !b) return a == b;
    return *a == *b || std::abs(*a - *b) <= std::max(std::abs(*a) * 1e-14, 1e-320);
}

/// `strict`: also whether a number is a whole one. Our writer does not keep that: 13.0 becomes 13.
bool same(const JsonView& a, const JsonView& b, bool strict = true) {
    if (a.is_object()) {
        if (!b.is_object()) return false;
        auto of_a = a.members(), of_b = b.members();
        return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                          [&](const auto& m, const auto& n) { return m.name == n.name && same(m.value, n.value, strict); });
    }
    if (a.is_array()) {
        if (!b.is_array() || a.size() != b.size()) return false;
        for (std::size_t i = 0; i < a.size(); ++i)
            if (!same(a.at(i), b.at(i), strict)) return false;
        return true;
    }
    return a.is_null() == b.is_null() && a.string() == b.string() && a.boolean() == b.boolean() && near(a.number(), b.number()) &&
           (!strict || a.integer() == b.integer());
}

/// Writes a value again with our own writer.
void rewrite(const JsonView& v, JsonWriter& w) {
    if (v.is_object()) {
        w.begin_object();
        for (const auto& [name, value] : v.members()) {
            w.key(name);
            rewrite(value, w);
        }
        w.end_object();
    } else if (v.is_array()) {
        w.begin_array();
        for (std::size_t i = 0; i < v.size(); ++i) rewrite(v.at(i), w);
        w.end_array();
    } else if (auto text = v.string()) {
        w.value(*text);
    } else if (auto whole = v.integer()) {
        w.value(*whole);
    } else if (auto n = v.number()) {
        w.value(*n);
    } else if (auto b = v.boolean()) {
        w.value(*b);
    } else {
        w.null();
    }
}

std::size_t doubled_keys(const JsonView& v) {
    std::size_t n = 0;
    std::set<std::string_view> names;
    for (const auto& [name, value] : v.members()) n += !names.insert(name).second + doubled_keys(value);
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i) n += doubled_keys(v.at(i));
    return n;
}

}  // namespace

void fuzz(std::string_view text) {
    // Whatever the bytes, the writer makes JSON of them, and what is valid UTF-8 comes back as it was.
    JsonWriter quoted;
    quoted.begin_object().member(text, text).end_object();
    auto read_back = JsonDocument::parse(quoted.text());
    OTTO_EXPECT(read_back.ok(), quoted.text());
    if (valid_utf8(text)) OTTO_EXPECT(read_back->root()[text].string() == text, quoted.text());

    auto document = JsonDocument::parse(text);
    if (!document) {
        OTTO_EXPECT(!document.error().message.empty(), "");
        return;
    }
    OTTO_EXPECT(valid_utf8(text), "invalid UTF-8 was taken");
    auto root = document->root();
    look(root, 0);
    auto dumped = root.dump();
    auto again = JsonDocument::parse(dumped);
    OTTO_EXPECT(again.ok(), dumped);
    OTTO_EXPECT(same(root, again->root()), dumped);
    if (again->root().dump() != dumped)
        OTTO_EXPECT(dumped.find_first_of(".e") != std::string::npos, dumped);  // a long number, see near()
    if (doubled_keys(root) == 0) {
        JsonWriter w;
        rewrite(root, w);
        auto ours = JsonDocument::parse(w.text());
        OTTO_EXPECT(ours.ok(), w.text());
        OTTO_EXPECT(same(root, ours->root(), false), w.text());
    }
    OTTO_EXPECT(!JsonDocument::parse(std::string(text) + "x").ok(), "trailing garbage was taken");
}
