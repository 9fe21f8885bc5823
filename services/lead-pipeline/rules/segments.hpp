#pragma once
#include <cstdint>
#include <string_view>

namespace otto::lead_pipeline {

/// In how many parts a text goes out, which is what its number's pace and its price are counted in. Pure. Of GSM's 7-bit letters
/// (3GPP TS 23.038; those of its extension table take two places) 160 go into one part and 153 into each of several; a text that
/// holds any other letter is UCS-2, 70 and 67. No letter that takes two places is cut: the part before it stays one short. Twilio
/// is asked without SmartEncoded, so no letter is replaced on the way. An empty text is one part.
std::int64_t segments(std::string_view utf8);

}  // namespace otto::lead_pipeline
