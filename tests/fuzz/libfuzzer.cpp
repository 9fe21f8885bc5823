// Entry of the fuzzers proper: libFuzzer brings main().
#include "harness.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz(size == 0 ? std::string_view("") : std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
