#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "identity/api.hpp"
#include "pg/query.hpp"

namespace otto::query_service {

/// What a list was asked for. Every problem is a 422 that names the parameter; an unknown one too.
class Asked {
public:
    /// `filters`: names that this list knows besides limit, offset, cursor and sort.
    Asked(const http::Request&, std::set<std::string_view> filters);

    std::optional<std::string> text(std::string_view name) const;
    /// "any of" a comma list, as an array parameter; each must be one of `known` unless that is empty.
    pg::Param any_of(std::string_view name, const std::vector<std::string_view>& known = {}) const;
    std::optional<bool> truth(std::string_view name) const;
    std::optional<Uuid> uuid(std::string_view name) const;
    std::optional<std::string> date(std::string_view name) const;
    /// E.164 if it is callable, else as numbers that are none are kept.
    std::optional<std::string> phone(std::string_view name) const;
    /// For ILIKE, its own wildcards taken literally.
    std::optional<std::string> search() const;

private:
    std::map<std::string, std::string, std::less<>> values_;
};

/// Which page: limit, offset or cursor, and order. A cursor remembers the order it was made for.
struct Page {
    std::int64_t limit = 50, offset = 0;
    std::string sort = "created_at";
    bool descending = true;
    std::optional<Instant> after;
    std::string after_id;      ///< as text: call ids and uuids
    static Page of(const Asked&, const std::set<std::string_view>& sortable, bool uuid_ids);
    std::string cursor(Instant at, const std::string& id) const;
};

/// A list query in every order that it can be asked for.
class Ordered {
public:
    Ordered(const pg::Query& base, std::map<std::string, std::string> columns);
    const pg::Query& in(const Page&) const;
    std::vector<pg::Query> all() const;

private:
    struct Variant { std::string name, text; pg::Query query; };
    std::map<std::pair<std::string, bool>, std::unique_ptr<Variant>> variants_;
};

}  // namespace otto::query_service
