#pragma once
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace otto::providers {

/// What a stranger wrote, as rows and events can keep it: UTF-8, at most so many bytes, and without NUL, which Postgres does not
/// know; one row that cannot be written would stop all that are with it. Whatever of a webhook goes into an event goes through
/// here.
inline std::string keepable(std::string_view text, std::size_t most) {
    auto out = clip_utf8(mend_utf8(text), most);
    std::erase(out, '\0');
    return out;
}

}  // namespace otto::providers
