#include "page.hpp"

#include <algorithm>
#include <charconv>

#include "base/crypto.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"

namespace otto::query_service {
namespace {

using identity::refuse_field;

std::int64_t whole(const std::string& name, const std::string& text, std::int64_t least, std::int64_t most, const char* beyond) {
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size() || n < least) refuse_field(name, "takes a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    if (n > most) refuse_field(name, "is at most " + std::to_string(most) + beyond);
    return n;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
}

}  // namespace

Asked::Asked(const http::Request& request, std::set<std::string_view> filters) {
    for (auto& [name, value] : request.query_fields()) {
        bool known = name == "limit" || name == "offset" || name == "cursor" || name == "sort" || filters.contains(name);
        if (!known || !valid_utf8(name)) refuse_field(valid_utf8(name) ? clip_utf8(name, 100) : "query", "is no filter of this list");
        if (!valid_utf8(value) || value.find('\0') != std::string::npos) refuse_field(name, "is no valid text");
        if (value.size() > 1'000) refuse_field(name, "is too long");
        if (values_.contains(name)) refuse_field(name, "stands twice");
        if (!trim(value).empty()) values_.emplace(name, value);
    }
}

std::optional<std::string> Asked::text(std::string_view name) const {
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(std::string(trim(found->second)));
}

pg::Param Asked::any_of(std::string_view name, const std::vector<std::string_view>& known) const {
    auto value = text(name);
    if (!value) return nullptr;
    auto items = split_list(*value);
    if (items.empty() || items.size() > 50) refuse_field(std::string(name), "takes a comma list of 1 to 50 values");
    for (const auto& item : items)
        if (!known.empty() && std::find(known.begin(), known.end(), item) == known.end()) {
            std::string list;
            for (auto k : known) list.append(list.empty() ? "" : ", ").append(k);
            refuse_field(std::string(name), "takes " + list);
        }
    return pg::Param::array(items);
}

std::optional<bool> Asked::truth(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto word = lower(*value);
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    refuse_field(std::string(name), "takes true or false");
}

std::optional<Uuid> Asked::uuid(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    auto id = Uuid::parse(*value);
    if (!id) refuse_field(std::string(name), "is no UUID");
    return id;
}

std::optional<std::string> Asked::date(std::string_view name) const {
    auto value = text(name);
    if (!value) return std::nullopt;
    bool shape = value->size() == 10 && (*value)[4] == '-' && (*value)[7] == '-';
    auto at = shape ? parse_time(*value) : std::nullopt;
    if (!at || to_rfc3339(*at).substr(0, 10) != *value) refuse_field(std::string(name), "is no date; write it as 2026-11-21");
    return value;
}

std::optional<std::string> Asked::phone(std::string_view name) const {
    auto found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    return normalize_phone(found->second).text;
}

std::optional<std::string> Asked::search() const {
    auto value = text("search");
    if (!value) return std::nullopt;
    std::string pattern = "%";
    for (char c : *value) {
        if (c == '%' || c == '_' || c == '\\') pattern += '\\';
        pattern += c;
    }
    return pattern + "%";
}

Page Page::of(const Asked& asked, const std::set<std::string_view>& sortable, bool uuid_ids) {
    Page p;
    if (auto limit = asked.text("limit")) p.limit = whole("limit", *limit, 1, 200, "");
    if (auto sort = asked.text("sort")) {
        p.descending = sort->starts_with('-');
        p.sort = p.descending ? sort->substr(1) : *sort;
        if (!sortable.contains(p.sort)) {
            std::string list;
            for (auto s : sortable) list.append(list.empty() ? "" : ", ").append(s).append(", -").append(s);
            refuse_field("sort", "takes " + list);
        }
    }
    auto offset = asked.text("offset"), cursor = asked.text("cursor");
    if (offset && cursor) refuse_field("cursor", "does not go with offset; use one of them");
    if (offset) p.offset = whole("offset", *offset, 0, 10'000, "; use the cursor beyond that");
    if (!cursor) return p;
    auto text = base64url_decode(*cursor);
    auto parsed = text ? JsonDocument::parse(*text) : Result<JsonDocument>(Error("no cursor"));
    bool good = parsed.ok() && parsed->root().is_array() && parsed->root().size() == 3 && parsed->root().at(0).string() && parsed->root().at(1).integer() && parsed->root().at(2).string();
    if (good) {
        std::string order(*parsed->root().at(0).string());
        if (asked.text("sort") && order != (p.descending ? "-" : "+") + p.sort) refuse_field("cursor", "was made for another sort");
        p.descending = order.starts_with('-');
        p.sort = order.substr(order.empty() ? 0 : 1);
        p.after = from_micros(*parsed->root().at(1).integer());
        p.after_id = std::string(*parsed->root().at(2).string());
        bool id_good = uuid_ids ? Uuid::parse(p.after_id).has_value()
                                : !p.after_id.empty() && p.after_id.size() < 17 && std::all_of(p.after_id.begin(), p.after_id.end(), [](char c) { return c >= '0' && c <= '9'; });
        good = sortable.contains(p.sort) && id_good && to_micros(*p.after) > -62'000'000'000'000'000 && to_micros(*p.after) < 250'000'000'000'000'000;
    }
    if (!good) refuse_field("cursor", "is none that this list gave");
    return p;
}

std::string Page::cursor(Instant at, const std::string& id) const {
    JsonWriter w;
    w.begin_array().value((descending ? "-" : "+") + sort).value(to_micros(at)).value(id).end_array();
    return base64url_encode(w.take());
}

Ordered::Ordered(const pg::Query& base, std::map<std::string, std::string> columns) {
    for (const auto& [sort, column] : columns)
        for (bool descending : {true, false}) {
            auto v = std::make_unique<Variant>();
            v->text = std::string(base.text);
            auto placeholder = v->text.substr(v->text.find("/*sort*/"));
            placeholder = placeholder.substr(0, placeholder.find_first_of(" ,"));
            replace_all(v->text, placeholder, column);
            if (!descending) {
                replace_all(v->text, "/*dir*/DESC", "ASC");
                replace_all(v->text, "/*cmp*/<", ">");
            }
            v->name = std::string(base.name) + "." + sort + (descending ? ".desc" : ".asc");
            v->query = {v->name, v->text};
            variants_[{sort, descending}] = std::move(v);
        }
}

const pg::Query& Ordered::in(const Page& p) const { return variants_.at({p.sort, p.descending})->query; }

std::vector<pg::Query> Ordered::all() const {
    std::vector<pg::Query> out;
    for (const auto& [key, v] : variants_) out.push_back(v->query);
    return out;
}

}  // namespace otto::query_service
