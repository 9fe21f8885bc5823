#pragma once
#include <cstdint>
#include <span>
#include <string_view>

namespace otto::pg {

/// A list as its SQL declares it ("-- list: calls", tools/sql_to_hpp.py): the lines of two statements, one page of it and the
/// count of all, each cut where a parameter or the order stands. Who runs the list joins the lines that are asked for; a line of
/// a filter that is not given is left out, and so is a join that no other line needs.
struct ListText {
    /// What stands behind a piece of text; from 0 on the parameter of that number.
    enum Slot : int { nothing = -1, order = -2, direction = -3, beyond = -4, rows = -5 };
    struct Piece {
        std::string_view text;
        int slot;
    };
    /// Pieces by number. `open` is the same line for a statement that holds every filter: "or the parameter is null".
    struct Line {
        std::uint64_t when;  ///< bits of parameters, one of which must be given; 0: the line is always there
        std::uint16_t from, till, open_from, open_till;
    };
    struct Sort {
        std::string_view name, column;
    };
    enum class Id { number, uuid, text };
    /// Parameters that each list has; its filters follow, in the order of its struct Filters.
    enum Parameter : int { company, own, after, after_id, offset, filters };

    std::string_view name;  ///< "query-service.calls"
    std::string_view id;    ///< the column that tells rows apart, and in which order equal ones stand
    Id id_kind;
    std::string_view
        total;  ///< the table whose rows are all of the list and are totalled in `list_totals`; "": each total is counted
    std::span<const Sort> sorts;  ///< the first is the usual one
    std::span<const Piece> pieces;
    std::span<const Line> page, count;
    std::uint64_t weigh;  ///< filters whose values decide which plan is best: days, searches, own rows by another table
    int parameters;       ///< all of them, those that each list has included
};

}  // namespace otto::pg
