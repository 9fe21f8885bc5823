#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Calls: their list, a call with what it meant, and what happened in it and after it. A rep sees those of own leads.
class Calls {
public:
    explicit Calls(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;
    http::Response timeline(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
