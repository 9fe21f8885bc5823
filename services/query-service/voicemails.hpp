#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// What callers left when nobody took their call. A rep sees those of calls of own leads.
class Voicemails {
public:
    explicit Voicemails(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
