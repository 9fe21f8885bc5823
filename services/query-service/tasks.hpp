#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Tasks. A rep sees own ones, and those about own leads.
class Tasks {
public:
    explicit Tasks(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
