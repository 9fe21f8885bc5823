#include "base/spare_memory.hpp"

#include <cstdlib>

extern "C" void mi_collect(bool force) noexcept __attribute__((weak));

namespace otto {
namespace {

constexpr std::chrono::seconds kQuiet{2};
/// Other threads free what they took from this one, and themselves wait before they do: what is free two seconds later goes, too.
constexpr int kTimes = 4;

void give_back() {
    // mimalloc 2.0 gives free pages back some milliseconds after they became free, but looks at its clock only when the next one does: this one.
    void* volatile page = std::malloc(64 << 10);
    std::free(page);
    mi_collect(true);
}

}  // namespace

void SpareMemory::rests() {
    if (given_ > kTimes || !mi_collect) return;
    auto now = std::chrono::steady_clock::now();
    if (given_ == 0) {
        next_ = now + kQuiet;
        given_ = 1;
    } else if (now >= next_) {
        give_back();
        next_ = now + kQuiet;
        ++given_;
    }
}

}  // namespace otto
