#pragma once
// What every harness shares. A harness is one file that defines fuzz(); see README.md.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// Feeds one input to a parser and states with expect() what must hold of the outcome. Called again and again in one process: an
/// input's outcome must not depend on those before it.
void fuzz(std::string_view input);

namespace otto::fuzzing {

[[noreturn]] inline void broken(const char* promise, const char* file, int line, const std::string& seen) {
    std::fprintf(stderr, "%s:%d: broken promise: %s\n%s%s%s", file, line, promise, seen.empty() ? "" : "seen: ", seen.c_str(),
                 seen.empty() ? "" : "\n");
    std::abort();
}

/// Cuts an input into the parts that a harness needs.
class Input {
public:
    explicit Input(std::string_view bytes) : rest_(bytes) {}
    /// One byte, 0 at the end.
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        auto b = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return b;
    }
    /// Up to the next line feed, which is dropped; so that seeds are text files and a mutation seldom shifts everything.
    std::string_view line() {
        auto end = rest_.find('\n');
        auto out = rest_.substr(0, end);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
        return out;
    }
    std::string_view rest() const { return rest_; }
    bool empty() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

}  // namespace otto::fuzzing

/// A promise of the parser. Unlike assert() it holds in every build.
#define OTTO_EXPECT(promise, seen) ((promise) ? void() : ::otto::fuzzing::broken(#promise, __FILE__, __LINE__, (seen)))
