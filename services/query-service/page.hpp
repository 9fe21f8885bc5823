#pragma once
#include <functional>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.hpp"
#include "identity/api.hpp"
#include "pg/query.hpp"
#include "resources/rows.hpp"

namespace otto::query_service {

/// What a list was asked for. Every problem is a 422 that names the parameter; an unknown one too.
class Asked {
public:
    enum class Paged { yes, no };
    /// `filters`: names that are known, besides limit, offset, cursor and sort of what is paged.
    Asked(const http::Request&, std::set<std::string_view> filters, Paged = Paged::yes);

    std::optional<std::string> text(std::string_view name) const;
    /// "any of" a comma list, as an array parameter; each must be one of `known` unless that is empty.
    pg::Param any_of(std::string_view name, const std::vector<std::string_view>& known = {}) const;
    std::optional<std::string> one_of(std::string_view name, const std::vector<std::string_view>& known) const;
    std::int64_t whole(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) const;
    std::optional<bool> truth(std::string_view name) const;
    std::optional<Uuid> uuid(std::string_view name) const;
    std::optional<std::string> date(std::string_view name) const;
    /// E.164 if it is callable, else as numbers that are none are kept.
    std::optional<std::string> phone(std::string_view name) const;
    /// As it was typed, a space in front included. At most kLongestSearch letters: each more costs every row that is looked at.
    std::optional<std::string> search() const;
    static constexpr std::size_t kLongestSearch = 100;

private:
    std::map<std::string, std::string, std::less<>> values_;
};

/// Who asks, and so what exists for them: their company's rows, of which a sales rep sees own ones. Every list and every detail is asked for with one.
struct Viewer : resources::Viewer {
    CompanyId company;
    static Viewer of(const identity::Context&);
    /// The rep whose rows alone are seen; null for everybody else.
    pg::Param own() const { return rep ? pg::Param(user) : pg::Param(nullptr); }
};
/// A route that takes nothing in its query: each parameter is refused by its name.
void takes_nothing(const identity::Context&);
/// {call_id} of the path; 404 if it is none.
std::int64_t call_id_of(const identity::Context&);
/// The call's row, if whoever asks may see it; else 404. One that proved to be another call is that one, whose id `call_id` then is.
void read_call(identity::Context&, std::int64_t& call_id, const std::function<void(const pg::Fields&)>& row);
/// The row of a lead or a contact, by a query of company, id and viewer; else 404. One that went into another is that one, whose id `id` then is.
void read_folded(identity::Context&, Uuid& id, const char* kind, const pg::Query&, const std::function<void(const pg::Fields&)>& row);
/// A UUID of the path; 404 that names `what` if it is none.
Uuid uuid_of(const identity::Context&, std::string_view name, const char* what);

/// The moments at which days begin and end where the company is; of a day that is not given there is none.
struct Days {
    std::optional<Instant> since, till;
};
Days days_of(identity::Context&, const std::optional<std::string>& from, const std::optional<std::string>& to);

/// Which page: limit, offset or cursor, and order. A cursor remembers the order it was made for.
struct Page {
    std::int64_t limit = 50, offset = 0;
    std::string sort = "created_at";
    bool descending = true;
    std::optional<Instant> after;
    std::string after_id;
    enum class Ids { numbers, uuids, texts };
    static Page of(const Asked&, const std::set<std::string_view>& sortable, Ids);
    /// The first of a list that hangs on something else.
    static Page newest(const std::string& sort, std::int64_t limit = 200);
    std::string cursor(Instant at, const std::string& id) const;
};

/// A statement with what it is given.
struct Statement {
    const pg::Query* query;
    pg::Params params;
    bool plan_anew;   ///< its best plan depends on the values: Postgres shall not settle on one for all
};

/// A text without the lines of parameters that are not given: `AND ($6::text[] IS NULL OR c.status = ANY ($6))` stays as its condition or goes, as do
/// an OFFSET that is none and a JOIN whose table no other line names. The rest of the parameters are numbered anew; `used` are their former numbers.
/// `given[n]` is of $n; Postgres then plans what is asked, not every question that could be.
struct Cut {
    std::string text;
    std::vector<std::size_t> used;
};
Cut cut(std::string_view text, const std::vector<bool>& given);

/// A list: one page of it and the count of all, in every order that it can be asked for, with the filters that are given. Each form that is asked for
/// becomes a statement of its own, prepared once a session; after kMostForms of them the rest share the one that holds all filters. The first filter of each ($6 of a page, $2 of a
/// count) is the viewer's own rows, put in here: a list is not asked for without a viewer, wherever it stands. Thread-safe.
class ListQueries {
public:
    static constexpr std::size_t kMostForms = 100;
    /// `table`: whose rows without any filter are all of the list, and are totalled in `list_totals`; "": every total is counted.
    ListQueries(const pg::Query& page, const pg::Query& count, std::map<std::string, std::string> columns, std::string table = "");
    /// Fetches at least one row more than the page holds.
    Statement page(const Viewer&, const Page&, const pg::Params& filters) const;
    Statement count(const Viewer&, const pg::Params& filters) const;
    /// Whole, bare, and with each filter alone, in every order: for the test that prepares each.
    std::vector<pg::Query> all() const;

private:
    struct Form { std::string name, text; std::vector<std::size_t> used; pg::Query query; };
    const Form& form(const std::string& name, const std::string& whole, const std::vector<bool>& given, const std::string& limit) const;
    Statement run(const std::string& name, const std::string& whole, const pg::Params& all, std::size_t filters_from, const std::string& limit) const;

    std::string page_name_, count_name_, count_text_, table_;
    std::map<std::pair<std::string, bool>, std::string> pages_;  ///< by sort column and descending
    mutable std::mutex lock_;
    mutable std::map<std::string, std::unique_ptr<Form>> forms_;
};

/// Lists, each with its filters, that were found to hold more than is counted. Counting ten thousand rows again for each page would cost far more than the
/// page; rows seldom go, so for a minute it is taken to be still so. Thread-safe.
class LongLists {
public:
    bool knows(const Viewer&, std::string_view list, const pg::Params& filters) const;
    void remember(const Viewer&, std::string_view list, const pg::Params& filters);

private:
    static std::string key(const Viewer&, std::string_view list, const pg::Params& filters);
    mutable std::mutex lock_;
    std::unordered_map<std::string, std::chrono::steady_clock::time_point> until_;
};

}  // namespace otto::query_service
