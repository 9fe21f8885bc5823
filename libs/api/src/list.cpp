#include "api/list.hpp"

#include <algorithm>
#include <charconv>

#include "long_lists.hpp"

namespace otto::api {
namespace {

using pg::ListText;

/// For the rest of the transaction Postgres plans with the values at hand.
constexpr pg::Query kPlanAnew{"api.plan_anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"};
constexpr pg::Query kListTotal{"api.list_total",
                               "SELECT coalesce(sum(part), 0)::bigint AS n FROM list_totals WHERE company_id = $1 AND list = $2"};
constexpr std::int64_t kCounted = 10'000;  ///< as far as lists are counted

struct Number {
    std::int64_t n;
    static Number from(const pg::Fields& f) { return {f.integer("n")}; }
};

/// Few limits, so few statements: the caller leaves what is over. As a number in the text: a plan made for any limit would be one
/// for a tenth of all rows.
std::string_view rows_for(std::int64_t limit) { return limit <= 25 ? "26" : limit <= 50 ? "51" : limit <= 100 ? "101" : "201"; }

constexpr std::uint64_t bit(int parameter) { return std::uint64_t{1} << parameter; }

/// The count asks neither for a page nor for an order.
const Page kNoPage{};

}  // namespace

/// A statement that was asked for, with the parameters that stand in it.
struct AnyList::Form {
    std::string name, text;
    std::vector<int> used;
    pg::Query query;
};
struct AnyList::Forms {
    std::mutex lock;
    std::map<std::string, std::unique_ptr<Form>> by_name;
};

AnyList::AnyList(const ListText& text) : text_(text), forms_(std::make_unique<Forms>()), long_(std::make_unique<LongLists>()) {}
AnyList::~AnyList() = default;

AnyList::Form AnyList::written(const std::string& name, bool counts, const Page& page, std::uint64_t given, bool open) const {
    Form f;
    f.name = name;
    std::vector<std::size_t> number(static_cast<std::size_t>(text_.parameters), 0);
    auto fill = [&](int slot) {
        if (slot >= 0) {
            auto& mine = number[static_cast<std::size_t>(slot)];
            if (mine == 0) {
                f.used.push_back(slot);
                mine = f.used.size();
            }
            f.text.append("$").append(std::to_string(mine));
        } else if (slot == ListText::order) {
            f.text.append(
                std::find_if(text_.sorts.begin(), text_.sorts.end(), [&](const auto& s) { return s.name == page.sort; })->column);
        } else if (slot != ListText::nothing) {
            f.text.append(slot == ListText::rows        ? rows_for(page.limit)
                          : slot == ListText::direction ? (page.descending ? "DESC" : "ASC")
                          : page.descending             ? "<"
                                                        : ">");
        }
    };
    for (const auto& line : counts ? text_.count : text_.page) {
        if (!open && line.when != 0 && (line.when & given) == 0) continue;
        if (!f.text.empty()) f.text += '\n';
        for (auto n = open ? line.open_from : line.from; n < (open ? line.open_till : line.till); ++n) {
            f.text.append(text_.pieces[n].text);
            fill(text_.pieces[n].slot);
        }
    }
    return f;
}

std::uint64_t AnyList::given(const pg::Params& all) const {
    std::uint64_t bits = 0;
    for (std::size_t n = 0; n < all.size(); ++n)
        if (all[n].text()) bits |= bit(static_cast<int>(n));
    return bits;
}

Statement AnyList::form(bool counts, const Page& page, const pg::Params& all) const {
    const auto is_given = given(all);
    std::string name =
        std::string(text_.name) +
        (counts ? ".count" : ".page." + page.sort + (page.descending ? ".desc." : ".asc.") + std::string(rows_for(page.limit)));
    // As a number: Postgres reads 63 bytes of a statement's name.
    char digits[17];
    std::string mine = name + "." + std::string(digits, std::to_chars(digits, digits + sizeof digits, is_given, 16).ptr);
    std::lock_guard guard(forms_->lock);
    auto& kept = forms_->by_name;
    auto found = kept.find(mine);
    if (found == kept.end()) {
        bool open = kept.size() >= kMostForms;
        if (open) mine = name + ".open";
        found = kept.find(mine);
        if (found == kept.end()) {
            auto f = std::make_unique<Form>(written(mine, counts, page, is_given, open));
            f->query = {f->name, f->text};
            found = kept.emplace(mine, std::move(f)).first;
        }
    }
    Statement s{&found->second->query, {}, (is_given & text_.weigh) != 0};
    for (auto n : found->second->used) s.params.push_back(all[static_cast<std::size_t>(n)]);
    return s;
}

Statement AnyList::page(const Viewer& viewer, const Page& p, const pg::Params& filters) const {
    pg::Params all{viewer.company, viewer.own(), p.after, p.after ? pg::Param(p.after_id) : pg::Param(nullptr),
                   p.offset > 0 ? pg::Param(p.offset) : pg::Param(nullptr)};
    all.insert(all.end(), filters.begin(), filters.end());
    return form(false, p, all);
}

Statement AnyList::count(const Viewer& viewer, const pg::Params& filters) const {
    bool any = viewer.rep || std::any_of(filters.begin(), filters.end(), [](const pg::Param& f) { return f.text().has_value(); });
    if (!any && !text_.total.empty()) return {&kListTotal, {viewer.company, text_.total}, false};
    pg::Params all{viewer.company, viewer.own(), nullptr, nullptr, nullptr};
    all.insert(all.end(), filters.begin(), filters.end());
    return form(true, kNoPage, all);
}

std::vector<AnyList::Written> AnyList::all() const {
    std::vector<Written> out;
    auto add = [&](bool counts, const Page& page, std::string name) {
        const auto always = bit(ListText::company),
                   placed = always | bit(ListText::after) | bit(ListText::after_id) | bit(ListText::offset);
        auto one = [&](const std::string& which, std::uint64_t given, bool open) {
            auto f = written(name + "." + which, counts, page, given, open);
            out.push_back({std::move(f.name), std::move(f.text)});
        };
        one("bare", always, false);
        one("whole", ~std::uint64_t{0}, false);
        one("open", always, true);
        one("own", placed | bit(ListText::own), false);
        for (int n = ListText::filters; n < text_.parameters; ++n) one(std::to_string(n), placed | bit(n), false);
    };
    for (const auto& sort : text_.sorts)
        for (bool descending : {true, false}) {
            auto page = Page::newest(sort.name, 50);
            page.descending = descending;
            add(false, page, std::string(text_.name) + ".page." + page.sort + (descending ? ".desc" : ".asc"));
        }
    add(true, kNoPage, std::string(text_.name) + ".count");
    return out;
}

AnyList::Item AnyList::shown(const Context& c, Show show) {
    return [viewer = c.viewer(), show](JsonWriter& w, const pg::Fields& f) { show(w, f, viewer, Texts::cut); };
}

/// How many rows a list has; from kCounted + 1 on more than that.
std::int64_t AnyList::total_of(Context& c, const Viewer& viewer, const pg::Params& filters, const Known& known) const {
    bool alone = std::count_if(filters.begin(), filters.end(), [](const pg::Param& f) { return f.text().has_value(); }) == 1;
    if (known && alone && !viewer.rep) return known();
    auto statement = count(viewer, filters);
    return c.tx().one<Number>(*statement.query, std::move(statement.params)).n;
}

Extent AnyList::write_items(JsonWriter& w, Context& c, const Page& p, const pg::Params& filters, const Item& item,
                            const Known& known) const {
    auto& tx = c.tx();
    auto viewer = c.viewer();
    auto statement = page(viewer, p, filters);
    if (statement.plan_anew) tx.write(kPlanAnew);
    w.begin_array();
    std::int64_t n = 0;
    bool full = false;
    auto began = w.text().size();
    std::string next;
    Instant last{};
    std::string last_id;
    tx.each(*statement.query, std::move(statement.params), [&](const pg::Fields& f) {
        if (++n > p.limit || full) {
            if (next.empty()) next = p.cursor(last, last_id);
            return;
        }
        item(w, f);
        full = w.text().size() - began > kPageBytes;
        if (n == p.limit || full) {
            last = f.time("sort_at").value_or(Instant{});
            last_id = f.text(text_.id);
        }
    });
    w.end_array();
    std::int64_t total = p.offset + std::min(n, p.limit + 1);
    bool whole = !p.after && p.offset == 0 && next.empty();  // all of it is here
    bool more = !whole && long_->knows(viewer, filters);
    if (!whole && !more) {
        total = total_of(c, viewer, filters, known);
        more = total > kCounted;
        if (more) long_->remember(viewer, filters);
    }
    return {more ? kCounted : total, more, std::move(next)};
}

void AnyList::write(JsonWriter& w, Context& c, const Page& p, const pg::Params& filters, const Item& item,
                    std::optional<std::int64_t> found) const {
    const auto extent = write_items(w.key("items"), c, p, filters, item, found ? Known([n = *found] { return n; }) : Known());
    w.member("total", extent.total);
    if (extent.is_lower_bound) w.member("total_is_lower_bound", true);
    w.member("limit", p.limit).member("offset", p.offset).key("next_cursor");
    if (extent.next.empty())
        w.null();
    else
        w.value(extent.next);
}

void AnyList::write_first(JsonWriter& w, Context& c, const Page& p, const pg::Params& filters, const Item& item) const {
    auto statement = page(c.viewer(), p, filters);
    std::int64_t n = 0;
    auto began = w.text().size();
    w.begin_array();
    c.tx().each(*statement.query, std::move(statement.params), [&](const pg::Fields& f) {
        if (++n <= p.limit && w.text().size() - began <= kPageBytes) item(w, f);
    });
    w.end_array();
}

}  // namespace otto::api
