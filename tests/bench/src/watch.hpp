#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "load.hpp"

/// From webhook to dashboard: webhooks at a fixed rate, while a reader of each company asks again and again for the newest page
/// of its calls. What a webhook tells is visible when the answer that shows it has been read to its end; it was sent when it was
/// due. So half the pause between two reads is in the figure.
namespace otto::bench {

struct Watch {
    LoadOptions load;
    std::vector<std::string> requests;  ///< the webhooks
    std::vector<std::string> marks;     ///< by what a page shows what each of them tells; "": nobody waits for it
    std::vector<std::string> reads;     ///< a reader for each
    Millis pause;
    /// Says each mark that a page shows.
    std::function<void(std::string_view page, const std::function<void(std::string_view)>& shown)> marks_of;
};

/// Runs it, up to 10 s longer than the load, and prints one object. A read that is not answered 200 ends the program.
void watch(const Watch&);

}  // namespace otto::bench
