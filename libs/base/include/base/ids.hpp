#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "base/uuid.hpp"

namespace otto {

/// A number or text that means one kind of thing: a CompanyId is no CallId, and the compiler knows.
template <class Rep, class Tag>
class StrongId {
public:
    StrongId() = default;
    explicit StrongId(Rep value) : value_(std::move(value)) {}
    const Rep& value() const { return value_; }
    auto operator<=>(const StrongId&) const = default;

private:
    Rep value_{};
};

using CompanyId = StrongId<std::string, struct CompanyTag>;  ///< = Clerk organisation id, `org_…`
using UserId = StrongId<std::string, struct UserTag>;        ///< = Clerk user id, `user_…`
using CallId = StrongId<std::int64_t, struct CallTag>;       ///< one sequence over all companies, below 2^53
using EventId = StrongId<Uuid, struct EventTag>;
using ContactId = StrongId<Uuid, struct ContactTag>;
using LeadId = StrongId<Uuid, struct LeadTag>;

}  // namespace otto

template <class Rep, class Tag>
struct std::hash<otto::StrongId<Rep, Tag>> {
    std::size_t operator()(const otto::StrongId<Rep, Tag>& id) const noexcept { return std::hash<Rep>{}(id.value()); }
};
