// Only where the test runs on the services' allocator; sanitizers bring their own.
#ifdef OTTO_ON_MIMALLOC
#include "base/spare_memory.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>
#include <vector>

#include "testing/catch.hpp"

using namespace otto;

namespace {

/// Bytes of this process that are in memory (proc(5), statm).
std::size_t resident() {
    std::size_t all = 0, in_memory = 0;
    std::ifstream("/proc/self/statm") >> all >> in_memory;
    return in_memory * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a thread that rests gives back what it took and others freed") {
    constexpr std::size_t kBlock = 100 << 10, kAll = 64 << 20;
    const auto before = resident();
    std::size_t loaded = 0, rested = 0;
    std::thread taker([&] {
        std::vector<void*> blocks;
        for (std::size_t taken = 0; taken < kAll; taken += kBlock) blocks.push_back(std::memset(std::malloc(kBlock), 1, kBlock));
        loaded = resident();
        std::thread([&] {
            for (auto* block : blocks) std::free(block);
        }).join();
        SpareMemory spare;
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        do {
            spare.rests();
            rested = resident();
            std::this_thread::yield();
        } while (rested > before + kAll / 4 && std::chrono::steady_clock::now() < end);
    });
    taker.join();
    CHECK(loaded > before + kAll * 3 / 4);
    CHECK(rested < before + kAll / 4);
}
#endif
