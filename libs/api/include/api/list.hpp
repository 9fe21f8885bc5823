#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "api/context.hpp"
#include "api/page.hpp"
#include "pg/list_text.hpp"
#include "pg/query.hpp"

namespace otto::api {

/// A statement with what it is given; it lives as long as its list.
struct Statement {
    const pg::Query* query;
    pg::Params params;
    bool plan_anew;  ///< its best plan depends on the values: Postgres shall not settle on one for all
};

class LongLists;

/// How many rows a filter leaves of all, for who knows it sooner than by counting the list; asked only where the answer needs it.
using Known = std::function<std::int64_t()>;

/// How far a list reaches beyond the page that was written.
struct Extent {
    std::int64_t total;   ///< of all its rows; exact up to 10,000
    bool is_lower_bound;  ///< there are more than `total`
    std::string next;     ///< the cursor of what follows; "": nothing does
};

/// What every list does, whichever it is: see List.
class AnyList {
public:
    /// Writes one row.
    using Item = std::function<void(JsonWriter&, const pg::Fields&)>;
    static constexpr std::size_t kMostForms = 100;
    /// A page of long rows ends once it holds so much, with the cursor of what follows; so does a list that hangs on something
    /// else, without.
    static constexpr std::size_t kPageBytes = 4 << 20;

    explicit AnyList(const pg::ListText&);
    ~AnyList();
    const pg::ListText& text() const { return text_; }
    /// What it is a list of: "calls".
    std::string_view noun() const { return text_.name.substr(text_.name.rfind('.') + 1); }
    Page page_of(const Asked& asked) const { return Page::of(asked, text_); }
    /// A statement of it as it may be asked for.
    struct Written {
        std::string name, text;
    };
    /// Bare, whole, open, and with each filter alone, in every order: for the test that prepares each.
    std::vector<Written> all() const;

protected:
    /// Fetches at least one row more than the page holds.
    Statement page(const Viewer&, const Page&, const pg::Params& filters) const;
    Statement count(const Viewer&, const pg::Params& filters) const;
    void write(JsonWriter&, Context&, const Page&, const pg::Params& filters, const Item&,
               std::optional<std::int64_t> found) const;
    Extent write_items(JsonWriter&, Context&, const Page&, const pg::Params& filters, const Item&, const Known&) const;
    void write_first(JsonWriter&, Context&, const Page&, const pg::Params& filters, const Item&) const;
    static Item shown(const Context&, Show);

private:
    struct Form;
    struct Forms;
    std::uint64_t given(const pg::Params& all) const;
    Form written(const std::string& name, bool counts, const Page&, std::uint64_t given, bool open) const;
    Statement form(bool counts, const Page&, const pg::Params& all) const;
    std::int64_t total_of(Context&, const Viewer&, const pg::Params& filters, const Known&) const;

    const pg::ListText& text_;
    std::unique_ptr<Forms> forms_;
    std::unique_ptr<LongLists> long_;
};

/// A list that SQL declares (pg/list_text.hpp): `List<sql::lists::Tasks> tasks;`. Its filters go by name, its rows are those of
/// who asks, and of what is not given nothing stands in the statement:
///
///     auto page = tasks.page_of(asked);
///     return tasks.answer(c, page, {.status = asked.any_of("status", words::task_status), .lead_id = asked.uuid("lead_id")},
///                         resources::task_value);
///
/// Each form that is asked for becomes a statement of its own, prepared once a session; what is beyond kMostForms of them shares
/// the open one, which holds all filters. A list that was found to hold more than 10,000 rows is taken to do so for a minute: to
/// count them again for each page would cost far more than the page. Thread-safe; made once.
template <class Declared>
class List : public AnyList {
public:
    using Filters = typename Declared::Filters;
    List() : AnyList(Declared::text) {}

    Statement page(const Viewer& viewer, const Page& p, const Filters& filters) const {
        return AnyList::page(viewer, p, filters.params());
    }
    Statement count(const Viewer& viewer, const Filters& filters) const { return AnyList::count(viewer, filters.params()); }
    /// The members of one page, into an object that is open: items, exact total up to 10,000, limit, offset, the cursor of what
    /// follows. `found`: how many rows the search among the filters leaves of all, if there is one; then they need not be
    /// counted.
    void write(JsonWriter& w, Context& c, const Page& p, const Filters& filters, const Item& item,
               std::optional<std::int64_t> found = {}) const {
        AnyList::write(w, c, p, filters.params(), item, found);
    }
    /// The rows of a page as an array, for an answer whose members have other names. `known` counts if one filter is given.
    Extent write_items(JsonWriter& w, Context& c, const Page& p, const Filters& filters, const Item& item,
                       const Known& known = {}) const {
        return AnyList::write_items(w, c, p, filters.params(), item, known);
    }
    /// The same as `write`, as an answer.
    http::Response answer(Context& c, const Page& p, const Filters& filters, const Item& item,
                          std::optional<std::int64_t> found = {}) const {
        JsonWriter w;
        w.begin_object();
        write(w, c, p, filters, item, found);
        return c.ok(w.end_object().take());
    }
    http::Response answer(Context& c, const Page& p, const Filters& filters, Show show,
                          std::optional<std::int64_t> found = {}) const {
        return answer(c, p, filters, shown(c, show), found);
    }
    /// A list that hangs on something else, as an array: the rows of its first page, as whoever asks would see them in the list
    /// itself.
    void write_first(JsonWriter& w, Context& c, const Page& p, const Filters& filters, const Item& item) const {
        AnyList::write_first(w, c, p, filters.params(), item);
    }
};

}  // namespace otto::api
