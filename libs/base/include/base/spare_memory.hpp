#pragma once
#include <chrono>

namespace otto {

/// Gives back what a thread's allocator keeps of a load that is over. The allocator gives pages back only while the thread goes
/// on allocating; a thread that rests would keep its peak for ever, and all-in-one has nearly two hundred. A loop says at each
/// turn whether it had work:
///
///     auto records = poll();
///     records.empty() ? spare_.rests() : spare_.works();
///
/// Used by one thread. Without an allocator of that kind (sanitizers, tests) it does nothing.
class SpareMemory {
public:
    void works() { given_ = 0; }
    void rests();

private:
    std::chrono::steady_clock::time_point next_{};
    int given_ = 0;
};

}  // namespace otto
