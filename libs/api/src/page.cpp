#include "api/page.hpp"

#include <algorithm>

#include "api/refusal.hpp"
#include "base/crypto.hpp"
#include "base/json.hpp"

namespace otto::api {
namespace {

bool sortable(const pg::ListText& list, std::string_view name) {
    return std::any_of(list.sorts.begin(), list.sorts.end(), [&](const auto& sort) { return sort.name == name; });
}

bool is_id(pg::ListText::Id kind, const std::string& id) {
    switch (kind) {
        case pg::ListText::Id::uuid:
            return Uuid::parse(id).has_value();
        case pg::ListText::Id::text:
            return !id.empty() && id.size() <= 200 && id.find('\0') == std::string::npos;
        case pg::ListText::Id::number:
            return !id.empty() && id.size() < 17 &&
                   std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    }
    return false;
}

/// False if this list has not given it.
bool read_cursor(Page& p, const std::string& cursor, const Asked& asked, const pg::ListText& list) {
    auto text = base64url_decode(cursor);
    auto parsed = text ? JsonDocument::parse(*text) : Result<JsonDocument>(Error("no cursor"));
    if (!parsed.ok() || !parsed->root().is_array() || parsed->root().size() != 3) return false;
    auto order = parsed->root().at(0).string();
    auto at = parsed->root().at(1).integer();
    auto id = parsed->root().at(2).string();
    if (!order || !at || !id) return false;
    if (asked.text("sort") && *order != (p.descending ? "-" : "+") + p.sort) refuse_field("cursor", "was made for another sort");
    p.descending = order->starts_with('-');
    p.sort = order->substr(order->empty() ? 0 : 1);
    p.after = from_micros(*at);
    p.after_id = std::string(*id);
    return sortable(list, p.sort) && is_id(list.id_kind, p.after_id) && *at > -62'000'000'000'000'000 &&
           *at < 250'000'000'000'000'000;
}

}  // namespace

Page Page::of(const Asked& asked, const pg::ListText& list) {
    Page p;
    p.sort = list.sorts.front().name;
    p.limit = asked.whole("limit", p.limit, 1, 200);
    if (auto sort = asked.text("sort")) {
        p.descending = sort->starts_with('-');
        p.sort = p.descending ? sort->substr(1) : *sort;
        std::string all;
        for (const auto& s : list.sorts) all.append(all.empty() ? "" : ", ").append(s.name).append(", -").append(s.name);
        if (!sortable(list, p.sort)) refuse_field("sort", "takes " + all);
    }
    auto cursor = asked.text("cursor");
    if (asked.text("offset") && cursor) refuse_field("cursor", "does not go with offset; use one of them");
    p.offset = asked.whole("offset", 0, 0, 10'000, "; use the cursor beyond that");
    if (cursor && !read_cursor(p, *cursor, asked, list)) refuse_field("cursor", "is none that this list gave");
    return p;
}

Page Page::newest(std::string_view sort, std::int64_t limit) {
    Page p;
    p.sort = sort;
    p.limit = limit;
    return p;
}

std::string Page::cursor(Instant at, const std::string& id) const {
    JsonWriter w;
    w.begin_array().value((descending ? "-" : "+") + sort).value(to_micros(at)).value(id).end_array();
    return base64url_encode(w.take());
}

}  // namespace otto::api
