#pragma once
#include <string>
#include <utility>
#include <vector>

#include "http/server.hpp"

namespace otto::api {

/// Ends a request with this problem, from anywhere inside its handler; what was written is rolled back.
struct Refusal {
    http::Problem problem;
    int retry_after_s = 0;  ///< said in Retry-After, unless it is 0
};
http::Response refused(const Refusal&, const http::Request&);
[[noreturn]] void refuse(int status, std::string title, std::string detail,
                         std::vector<std::pair<std::string, std::string>> fields = {});
/// 422 that names one field.
[[noreturn]] void refuse_field(const std::string& field, const std::string& message);
/// 404: not there, or another company's, which is the same to the caller.
[[noreturn]] void not_found(const std::string& what);

}  // namespace otto::api
