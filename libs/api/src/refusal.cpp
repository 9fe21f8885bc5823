#include "api/refusal.hpp"

namespace otto::api {

void refuse(int status, std::string title, std::string detail, std::vector<std::pair<std::string, std::string>> fields) {
    throw Refusal{{status, std::move(title), std::move(detail), std::move(fields)}};
}

void refuse_field(const std::string& field, const std::string& message) {
    refuse(422, "Invalid request", "Correct " + field + ": " + message + ".", {{field, message}});
}

http::Response refused(const Refusal& refusal, const http::Request& request) {
    auto r = http::problem(refusal.problem, request);
    if (refusal.retry_after_s > 0) r.headers.add("Retry-After", std::to_string(refusal.retry_after_s));
    return r;
}

void not_found(const std::string& what) { refuse(404, "Not found", "There is no such " + what + "."); }

}  // namespace otto::api
