#pragma once
#include <string>

#include "http/server.hpp"

namespace otto::app {

/// Which of the servers has an I/O thread that has not turned for `most`, for /healthz; "": none, and that is all that liveness
/// asks. Either may be null.
inline std::string still(const http::Server* admin, const http::Server* serving, Millis most) {
    for (const auto& [server, port] : {std::pair{serving, "public"}, std::pair{admin, "admin"}})
        if (auto stood = server ? server->still_for() : Millis{0}; stood >= most)
            return std::string("an I/O thread of the ") + port + " port has not turned for " +
                   std::to_string(stood.count() / 1'000) + " s";
    return "";
}

}  // namespace otto::app
