#include "http/addresses.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace otto::http {
namespace {

constexpr AddressBytes kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

bool is_v4(const AddressBytes& a) { return std::equal(a.begin(), a.begin() + kMappedBits / 8, kMapped.begin()); }

std::optional<int> prefix_length(std::string_view text, int most) {
    int bits = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size() || bits < 0 || bits > most) return std::nullopt;
    return bits;
}

}  // namespace

std::optional<AddressBytes> address_bytes(std::string_view text) {
    text = text.substr(0, text.find('%'));
    char copy[INET6_ADDRSTRLEN] = {};
    if (text.empty() || text.size() >= sizeof copy) return std::nullopt;
    std::copy(text.begin(), text.end(), copy);
    AddressBytes out = kMapped;
    if (text.find(':') == std::string_view::npos) {
        if (::inet_pton(AF_INET, copy, out.data() + kMappedBits / 8) != 1) return std::nullopt;
    } else if (::inet_pton(AF_INET6, copy, out.data()) != 1) {
        return std::nullopt;
    }
    return out;
}

std::string plain_address(std::string_view text) {
    auto bytes = text.find(':') == std::string_view::npos ? std::nullopt : address_bytes(text);
    if (!bytes || !is_v4(*bytes)) return std::string(text);
    char out[INET_ADDRSTRLEN];
    ::inet_ntop(AF_INET, bytes->data() + kMappedBits / 8, out, sizeof out);
    return out;
}

Result<AddressRanges> AddressRanges::parse(const std::vector<std::string>& list) {
    std::vector<Range> all;
    for (const auto& one : list) {
        const Error unreadable("'" + clip_utf8(one, 80) + "' is no address and no range of addresses",
                               "write it as 10.0.0.1, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32");
        const auto slash = one.find('/');
        const auto address = address_bytes(trim(std::string_view(one).substr(0, slash)));
        if (!address || one.find('%') != std::string::npos) return unreadable;
        int bits = 128;
        if (slash != std::string::npos) {
            const bool v4 = one.find(':') == std::string::npos;
            auto length = prefix_length(trim(std::string_view(one).substr(slash + 1)), v4 ? 128 - kMappedBits : 128);
            if (!length) return unreadable;
            bits = v4 ? kMappedBits + *length : *length;
        }
        Range range{*address, *address};
        for (int i = bits; i < 128; ++i) {
            const auto bit = static_cast<std::uint8_t>(0x80 >> (i % 8));
            auto at = static_cast<std::size_t>(i / 8);
            range.first[at] = static_cast<std::uint8_t>(range.first[at] & ~bit);
            range.last[at] = static_cast<std::uint8_t>(range.last[at] | bit);
        }
        all.push_back(range);
    }
    std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    AddressRanges out;
    for (const auto& range : all) {
        if (!out.ranges_.empty() && range.first <= out.ranges_.back().last)
            out.ranges_.back().last = std::max(out.ranges_.back().last, range.last);
        else
            out.ranges_.push_back(range);
    }
    return out;
}

bool AddressRanges::contains(std::string_view address) const {
    if (ranges_.empty()) return false;
    const auto bytes = address_bytes(address);
    if (!bytes) return false;
    auto after = std::upper_bound(ranges_.begin(), ranges_.end(), *bytes,
                                  [](const AddressBytes& a, const Range& r) { return a < r.first; });
    return after != ranges_.begin() && *bytes <= std::prev(after)->last;
}

}  // namespace otto::http
