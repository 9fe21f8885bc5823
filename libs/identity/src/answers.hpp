#pragma once
#include <functional>
#include <optional>
#include <string>

#include "identity/api.hpp"

namespace otto::identity {

/// The answers of one service's writes by Idempotency-Key: the same request again has the same answer, a refusal too. A key is claimed before its handler
/// runs, so that what the handler does outside the database happens once; the answer commits with the handler's rows. What may be otherwise in a moment
/// (429, 5xx, an exception) is not kept: the key is free again; a claim whose process died is so after a minute. Thread-safe.
class Answers {
public:
    Answers(pg::Pool& pool, std::string service) : pool_(pool), service_(std::move(service)) {}
    /// Refusal 409 if the key was used for another request, or its request has not ended.
    http::Response once(Context&, const std::string& route, const std::string& key, const Api::Handler&);

private:
    struct Key;
    std::optional<http::Response> claim(const Key&);
    bool keep(pg::Tx&, const Key&, const http::Response&);
    void release(const Key&) noexcept;
    pg::Tx begin(const Key&);
    pg::Pool& pool_;
    const std::string service_;
};

}  // namespace otto::identity
