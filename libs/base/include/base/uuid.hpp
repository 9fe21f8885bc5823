#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace otto {

/// 128-bit identifier, RFC 9562. Default is the nil UUID.
class Uuid {
public:
    constexpr Uuid() = default;
    explicit constexpr Uuid(std::array<std::uint8_t, 16> bytes) : bytes_(bytes) {}

    /// Canonical 36-character form, either case; anything else is nullopt.
    static std::optional<Uuid> parse(std::string_view text);
    /// Name-based (SHA-1): the same namespace and name give the same id for ever.
    static Uuid v5(const Uuid& space, std::string_view name);
    /// Time-ordered: 48 bits of `now` in milliseconds, the rest random.
    static Uuid v7(Instant now);

    std::string to_string() const;
    bool is_nil() const { return *this == Uuid{}; }
    const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    auto operator<=>(const Uuid&) const = default;

private:
    std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace otto

template <>
struct std::hash<otto::Uuid> {
    std::size_t operator()(const otto::Uuid& id) const noexcept {
        std::size_t h = 1469598103934665603ULL;
        for (auto b : id.bytes()) h = (h ^ b) * 1099511628211ULL;
        return h;
    }
};
