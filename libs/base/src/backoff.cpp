#include "base/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace otto {

Millis Backoff::pause(int attempt, std::uint64_t seed) const {
    double pause =
        std::min(static_cast<double>(cap.count()), static_cast<double>(first.count()) * std::pow(factor, std::max(attempt, 0)));
    // splitmix64: well-spread bits from any seed
    std::uint64_t z = seed + 0x9e3779b97f4a7c15ULL * (static_cast<std::uint64_t>(attempt) + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    double unit = static_cast<double>((z ^ (z >> 31)) >> 11) / 9007199254740992.0;  // [0, 1)
    return Millis{static_cast<std::int64_t>(pause * (1 + jitter * (2 * unit - 1)))};
}

}  // namespace otto
