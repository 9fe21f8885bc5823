#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Contact cards, each with everything that hangs on it and one timeline. A rep sees those of own leads, and whom to visit or
/// call back.
class Contacts {
public:
    explicit Contacts(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
