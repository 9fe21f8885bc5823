// Stands in until call_flow.cpp is there: nobody answers.
#include "providers/call_flow.hpp"

namespace otto::providers {

__attribute__((weak)) CallAnswer answer(const Callee&, const CallMoment&, Instant) {
    return {std::string(nobody_answers()), "", false};
}
__attribute__((weak)) std::string_view nobody_answers() {
    return "<Response><Say>This number is not in service. Goodbye.</Say><Hangup/></Response>";
}

}  // namespace otto::providers
