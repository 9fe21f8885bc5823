#pragma once
#include <algorithm>
#include <utility>

#include "page.hpp"
#include "search.hpp"

namespace otto::query_service {

/// For the rest of the transaction Postgres plans with the values at hand.
inline constexpr pg::Query kPlanAnew{"query_service.plan_anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"};

struct Number {
    std::int64_t n;
    static Number from(const pg::Fields& f) { return {f.integer("n")}; }
};

/// A page of long rows ends once it holds so much, with the cursor of what follows; so does a list that hangs on something else, without.
inline constexpr std::size_t kPageBytes = 4 << 20;

/// Writes the members of one page of a list into an object that is open: items, exact total up to 10,000, the cursor of what follows. `found`: what led to its rows, if that was a search.
template <class Item>
void write_list(JsonWriter& w, identity::Context& c, const Page& page, const ListQueries& queries, LongLists& long_lists, std::string_view name, const pg::Params& filters, const char* id_column,
                Item&& item, const Found* found = nullptr) {
    auto& tx = c.tx();
    auto viewer = Viewer::of(c);
    auto statement = queries.page(viewer, page, filters);
    if (statement.plan_anew) tx.write(kPlanAnew);
    w.key("items").begin_array();
    std::int64_t n = 0;
    bool full = false;
    auto began = w.text().size();
    std::string next;
    Instant last{};
    std::string last_id;
    tx.each(*statement.query, statement.params, [&](const pg::Fields& f) {
        if (++n > page.limit || full) {
            if (next.empty()) next = page.cursor(last, last_id);
            return;
        }
        item(w, f);
        full = w.text().size() - began > kPageBytes;
        if (n == page.limit || full) {
            last = f.time("sort_at").value_or(Instant{});
            last_id = f.text(id_column);
        }
    });
    w.end_array();
    n = std::min(n, page.limit + 1);
    std::int64_t total = page.offset + n;
    bool whole = !page.after && page.offset == 0 && next.empty();  // all of it is here
    bool more = !whole && long_lists.knows(viewer, name, filters);
    if (!whole && !more) {
        auto known = found ? found->total(viewer, filters) : std::nullopt;
        if (!known) {
            auto count = queries.count(viewer, filters);
            known = tx.one<Number>(*count.query, count.params).n;
        }
        total = *known;
        more = total > 10'000;
        if (more) long_lists.remember(viewer, name, filters);
    }
    w.member("total", more ? std::int64_t{10'000} : total);
    if (more) w.member("total_is_lower_bound", true);
    w.member("limit", page.limit).member("offset", page.offset).key("next_cursor");
    if (next.empty()) w.null();
    else w.value(next);
}

/// The same as an answer.
template <class Item>
http::Response list(identity::Context& c, const Page& page, const ListQueries& queries, LongLists& long_lists, std::string_view name, const pg::Params& filters, const char* id_column, Item&& item,
                    const Found* found = nullptr) {
    JsonWriter w;
    w.begin_object();
    write_list(w, c, page, queries, long_lists, name, filters, id_column, std::forward<Item>(item), found);
    return c.ok(w.end_object().take());
}

/// A list that hangs on something else: the rows of its first page, as whoever asks would see them in the list itself.
template <class Item>
void write_hanging(JsonWriter& w, identity::Context& c, const Page& page, const ListQueries& queries, const pg::Params& filters, Item&& item) {
    auto statement = queries.page(Viewer::of(c), page, filters);
    std::int64_t n = 0;
    auto began = w.text().size();
    w.begin_array();
    c.tx().each(*statement.query, statement.params, [&](const pg::Fields& f) {
        if (++n <= page.limit && w.text().size() - began <= kPageBytes) item(w, f);
    });
    w.end_array();
}

}  // namespace otto::query_service
