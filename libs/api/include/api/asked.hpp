#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "api/words.hpp"
#include "base/uuid.hpp"
#include "http/message.hpp"
#include "pg/query.hpp"

namespace otto::api {

class Context;

/// What a read was asked for, by its query. Every problem is a 422 that names the parameter; an unknown one too. (What a command
/// is given is Inputs.)
class Asked {
public:
    enum class Paged { yes, no };
    /// `filters`: names that are known, besides limit, offset, cursor and sort of what is paged.
    Asked(const http::Request&, std::span<const std::string_view> filters, Paged = Paged::yes);
    Asked(const http::Request& request, std::initializer_list<std::string_view> filters, Paged paged = Paged::yes)
        : Asked(request, std::span(filters.begin(), filters.size()), paged) {}

    std::optional<std::string> text(std::string_view name) const;
    /// "any of" a comma list, as an array parameter; each must be one of the words unless there are none.
    pg::Param any_of(std::string_view name, Words = {}) const;
    /// A comma list of ids, as an array parameter; as many as a page may hold.
    pg::Param uuids(std::string_view name) const;
    pg::Param numbers(std::string_view name) const;
    /// A whole number from 0 on.
    std::optional<std::int64_t> number(std::string_view name) const;
    std::optional<std::string> one_of(std::string_view name, Words) const;
    std::int64_t whole(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most,
                       const char* beyond = "") const;
    std::optional<bool> truth(std::string_view name) const;
    std::optional<Uuid> uuid(std::string_view name) const;
    std::optional<std::string> date(std::string_view name) const;
    /// E.164 if it is callable, else as numbers that are none are kept.
    std::optional<std::string> phone(std::string_view name) const;
    /// As it was typed, a space in front included. At most kLongestSearch letters: each more costs every row that is looked at.
    std::optional<std::string> search() const;
    static constexpr std::size_t kLongestSearch = 100;
    static constexpr std::size_t kMostIds = 100;

private:
    std::map<std::string, std::string, std::less<>> values_;
};

/// For a route that takes nothing in its query: each parameter is refused by its name.
void takes_nothing(const Context&);

}  // namespace otto::api
