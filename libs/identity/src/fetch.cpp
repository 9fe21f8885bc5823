#include "identity/jwks.hpp"

namespace otto::identity {

Fetch fetch_with(http::Client& client) {
    return [&client](const std::string& url) -> Result<std::string> {
        auto answer = client.send({http::Method::get, url, {}, "", tel::TraceContext::fresh()});
        if (!answer) return answer.error();
        if (answer->status != 200)
            return Error(url + " answered " + std::to_string(answer->status), "it should answer 200 with the keys");
        return answer->body;
    };
}

}  // namespace otto::identity
