#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/time.hpp"

namespace otto::ottoctl {

/// One value of an answer, as people and as scripts read it.
struct Cell {
    std::string text;  ///< "" for null
    std::string json = "null";

    Cell() = default;
    Cell(std::string_view text);
    Cell(const char* t) : Cell(std::string_view(t)) {}
    Cell(const std::string& t) : Cell(std::string_view(t)) {}
    Cell(std::int64_t);
    Cell(int v) : Cell(static_cast<std::int64_t>(v)) {}
    Cell(std::size_t v) : Cell(static_cast<std::int64_t>(v)) {}
    Cell(bool);
    Cell(Instant);
    template <class T>
    Cell(const std::optional<T>& v) {
        if (v) *this = Cell(*v);
    }
    /// A value that is JSON already: texts and times as they read, objects and lists as JSON.
    static Cell from(JsonView);
};

/// Names and values in the order in which they are shown.
using Record = std::vector<std::pair<std::string, Cell>>;
Record record_from(JsonView object);
const Cell* find(const Record&, std::string_view name);
/// Replaces or appends.
void put(Record&, std::string_view name, Cell);

/// What a command answers: named parts in order, and remarks. Printed once, as tables or as one JSON object.
class Report {
public:
    void one(std::string name, Record);
    /// `columns`: which of the records' names the table shows (all if empty); JSON has all. `none`: what people read if there is
    /// none.
    void many(std::string name, std::vector<Record>, std::vector<std::string> columns = {}, std::string none = "none");
    void note(std::string);

    /// Aligned columns; a part's name as a heading if there are several. Nothing that came from outside can move the cursor or
    /// colour the screen.
    std::string text() const;
    std::string json() const;

private:
    struct Part {
        std::string name, none;
        bool list = false;
        std::vector<Record> records;
        std::vector<std::string> columns;
    };
    std::vector<Part> parts_;
    std::vector<std::string> notes_;
};

}  // namespace otto::ottoctl
