#pragma once
#include <concepts>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace otto::api {

/// The words that a parameter or a field takes: `{"open", "completed"}`, or a table of them. A view: it lives as long as the
/// expression that names them, or the table.
class Words {
public:
    Words() = default;
    Words(std::initializer_list<std::string_view> words) : words_(words.begin(), words.size()) {}
    template <class Table>
        requires std::convertible_to<const Table&, std::span<const std::string_view>>
    Words(const Table& table) : words_(table) {}
    bool empty() const { return words_.empty(); }
    bool has(std::string_view word) const;
    /// "open, completed"
    std::string listed() const;

private:
    std::span<const std::string_view> words_;
};

}  // namespace otto::api
