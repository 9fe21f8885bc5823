#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Leads, each with its calls, appointments and tasks. A rep sees own ones.
class Leads {
public:
    explicit Leads(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
