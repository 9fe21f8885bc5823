#pragma once
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "pg/query.hpp"

namespace otto::api {

/// Who looks, and so what exists for them: their company's rows, of which a sales rep sees own ones. Every list, detail and
/// answer is made for one.
struct Viewer {
    CompanyId company;
    std::string user;
    bool rep = false;

    /// The rep whose rows alone are seen; nothing for everybody else, who is not narrowed.
    std::optional<std::string> only() const { return rep ? std::optional(user) : std::nullopt; }
    pg::Param own() const { return only(); }
};

/// How much of a text of people's or providers' is shown: its beginning in lists, all of it in a detail.
enum class Texts { whole, cut };

/// Writes one row as its resource (resources.hpp).
using Show = void (*)(JsonWriter&, const pg::Fields&, const Viewer&, Texts);

}  // namespace otto::api
