#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace otto::http {

/// An IP address as sixteen bytes in network order; one of version 4 as ::ffff:a.b.c.d, however it was written.
using AddressBytes = std::array<std::uint8_t, 16>;
/// nullopt for what is no address. A zone (`%eth0`) is left out.
std::optional<AddressBytes> address_bytes(std::string_view text);
/// Addresses as they are compared and counted: "::ffff:10.0.0.1" is "10.0.0.1"; what is no address stays as it is.
std::string plain_address(std::string_view text);

/// A set of addresses. Looking one up is a search among the ranges in order, however many addresses they hold.
class AddressRanges {
public:
    AddressRanges() = default;
    /// "10.0.0.1", "10.0.0.0/8", "2001:db8::/32", of each as many as there are. The error names the first that is none.
    static Result<AddressRanges> parse(const std::vector<std::string>& list);
    bool contains(std::string_view address) const;
    bool empty() const { return ranges_.empty(); }

private:
    struct Range {
        AddressBytes first, last;
    };
    std::vector<Range> ranges_;  ///< in order, none touches another
};

}  // namespace otto::http
