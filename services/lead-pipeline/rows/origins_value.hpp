#pragma once
#include "pg/value.hpp"
#include "rules/order.hpp"

/// Which report each field comes from, as it stands in a column.
template <>
struct otto::pg::Value<otto::lead_pipeline::Origins> {
    static constexpr std::string_view type = "text";
    static std::optional<otto::lead_pipeline::Origins> read(const Fields& f, std::string_view column) {
        return otto::lead_pipeline::Origins::parse(f.text(column));
    }
    static Param write(const otto::lead_pipeline::Origins& origins) { return origins.text(); }
};
