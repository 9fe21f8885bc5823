#pragma once
#include <functional>
#include <optional>
#include <string>

#include "api/api.hpp"
#include "base/time.hpp"

namespace otto::api {

/// The answers of one service's writes by Idempotency-Key: the same request again has the same answer, a refusal too. A key is
/// claimed before its handler runs, so that what the handler does outside the database happens once; the answer commits with the
/// handler's rows. Who asks the same meanwhile waits for that answer, for so long as `patience`. What may be otherwise in a
/// moment (429, 5xx, an exception) is not kept: the key is free again; a claim whose process died is so after a minute.
/// Thread-safe.
class Answers {
public:
    Answers(pg::Pool& pool, std::string service, Millis patience = Millis{3'000})
        : pool_(pool), service_(std::move(service)), patience_(patience) {}
    /// Refusal 409 if the key was used for another request, or its request has not ended in time.
    http::Response once(Context&, const std::string& route, const std::string& key, const Api::Handler&);

private:
    struct Key;
    struct Found {
        bool ours = false;                          ///< the key was free and is the caller's now
        std::optional<http::Response> answer = {};  ///< neither: the key's request is being worked on
    };
    Found claim(const Key&);
    std::optional<http::Response> claimed_or_answered(const Key&, const http::Request&);
    bool keep(pg::Tx&, const Key&, const http::Response&);
    void release(const Key&) noexcept;
    pg::Tx begin(const Key&);
    pg::Pool& pool_;
    const std::string service_;
    const Millis patience_;
};

}  // namespace otto::api
