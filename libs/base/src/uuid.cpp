#include "base/uuid.hpp"

#include <algorithm>

#include "base/crypto.hpp"

namespace otto {
namespace {

int nibble(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool dash_at(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

void stamp(std::array<std::uint8_t, 16>& bytes, int version) {
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | (version << 4));
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
}

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    std::array<std::uint8_t, 16> bytes{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (dash_at(i)) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        int value = nibble(text[i]);
        if (value < 0) return std::nullopt;
        bytes[digits / 2] = static_cast<std::uint8_t>(bytes[digits / 2] << 4 | value);
        ++digits;
    }
    return Uuid{bytes};
}

Uuid Uuid::v5(const Uuid& space, std::string_view name) {
    std::string input(reinterpret_cast<const char*>(space.bytes_.data()), space.bytes_.size());
    std::string digest = sha1(input.append(name));
    std::array<std::uint8_t, 16> bytes{};
    std::copy_n(digest.begin(), 16, bytes.begin());
    stamp(bytes, 5);
    return Uuid{bytes};
}

Uuid Uuid::v7(Instant now) {
    std::string random = id_bytes(10);
    std::array<std::uint8_t, 16> bytes{};
    auto millis = static_cast<std::uint64_t>(to_micros(now) / 1000);
    for (int i = 0; i < 6; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(millis >> (40 - 8 * i));
    std::copy_n(random.begin(), 10, bytes.begin() + 6);
    stamp(bytes, 7);
    return Uuid{bytes};
}

std::string Uuid::to_string() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out(36, '-');
    std::size_t at = 0;
    for (auto byte : bytes_) {
        if (dash_at(at)) ++at;
        out[at++] = digits[byte >> 4];
        out[at++] = digits[byte & 15];
    }
    return out;
}

}  // namespace otto
