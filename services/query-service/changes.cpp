#include "changes.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/json.hpp"

namespace otto::query_service {
namespace {

using changes::v1::RowChanged;
using identity::Role;

template <std::size_t N>
bool is_one(const std::array<std::string_view, N>& kinds, std::string_view kind) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

constexpr std::array<std::string_view, 5> kSettings{"user", "number", "document", "company", "alert"};
constexpr std::array<std::string_view, 2> kNotForReps{"waiting", "opt_out"};

const char* word_of(changes::v1::Op op) {
    switch (op) {
        case changes::v1::OP_CREATED:
            return "created";
        case changes::v1::OP_REMOVED:
            return "removed";
        default:
            return "changed";
    }
}

void member_or_null(JsonWriter& w, std::string_view name, const std::string& value) {
    w.key(name);
    value.empty() ? w.null() : w.value(value);
}

}  // namespace

Sees sees(const Watcher& who, const RowChanged& row) {
    auto it = row.op() == changes::v1::OP_REMOVED ? Sees::that_it_is_gone : Sees::it;
    if (is_one(kSettings, row.kind())) return who.role == Role::manager ? it : Sees::nothing;
    if (row.kind() == "opt_out" && who.role == Role::executive) return Sees::nothing;
    if (who.role != Role::sales_rep) return it;
    if (is_one(kNotForReps, row.kind())) return Sees::nothing;
    if (row.rep_id() == who.user || row.owner_id() == who.user) return it;
    return row.former_rep_id() == who.user ? Sees::that_it_is_gone : Sees::nothing;
}

std::string Position::text() const { return std::to_string(partition) + "." + std::to_string(offset); }

std::optional<Position> Position::parse(std::string_view text) {
    Position p;
    const auto* end = text.data() + text.size();
    auto first = std::from_chars(text.data(), end, p.partition);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.' || p.partition < 0) return std::nullopt;
    auto second = std::from_chars(first.ptr + 1, end, p.offset);
    if (second.ec != std::errc{} || second.ptr != end || p.offset < -1) return std::nullopt;
    return p;
}

void write_frame(std::string& out, std::int32_t partition, const Change& change, Sees seen) {
    const auto& row = change.row;
    JsonWriter w(256);
    w.begin_object().member("kind", row.kind()).member("id", row.id()).member("version", row.version());
    w.member("op", seen == Sees::that_it_is_gone ? "removed" : word_of(row.op()));
    member_or_null(w, "contact_card_id", row.contact_card_id());
    member_or_null(w, "lead_id", row.lead_id());
    // A call's id is a number, here as everywhere.
    std::int64_t call = 0;
    std::from_chars(row.call_id().data(), row.call_id().data() + row.call_id().size(), call);
    w.key("call_id");
    call > 0 ? w.value(call) : w.null();
    w.end_object();
    out.append("id: ").append(Position{partition, change.offset}.text()).append("\nevent: change\ndata: ").append(w.text());
    out.append("\n\n");
}

}  // namespace otto::query_service
