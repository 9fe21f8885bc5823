#include "base/spare_memory.hpp"

#include <mimalloc.h>

#include <cstdlib>
#include <mutex>

// Only what runs on mimalloc has them.
#pragma weak mi_collect
#pragma weak mi_option_get
#pragma weak mi_option_set

namespace otto {
namespace {

constexpr std::chrono::seconds kQuiet{2};
/// Other threads free what they took from this one, and themselves wait before they do: what is free two seconds later goes, too.
constexpr int kTimes = 4;

/// While any thread gives back, free pages go at once. The delay is one for all threads: the first sets it, the last restores it.
class NoDelay {
public:
    NoDelay() {
        std::lock_guard guard(lock_);
        if (giving_++ > 0) return;
        usual_ = mi_option_get(mi_option_decommit_delay);
        mi_option_set(mi_option_decommit_delay, 0);
    }
    ~NoDelay() {
        std::lock_guard guard(lock_);
        if (--giving_ == 0) mi_option_set(mi_option_decommit_delay, usual_);
    }
    NoDelay(const NoDelay&) = delete;

private:
    inline static std::mutex lock_;
    inline static int giving_ = 0;
    inline static long usual_ = 0;
};

/// mimalloc 2.0 gives a free page back some milliseconds after it became free (at once would cost a third of lead-pipeline's
/// time, for the next batch asks for it again). It looks at its clock only when the thread takes or frees another page. So with a
/// delay of nothing the pages that are free now go, and with one that is taken those that became so before. Threads do not wait
/// for each other: all-in-one has some two hundred, which one after another need longer than a rest lasts.
void give_back() {
    NoDelay at_once;
    mi_collect(true);
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
