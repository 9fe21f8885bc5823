#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Appointments. A rep sees own ones.
class Appointments {
public:
    explicit Appointments(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    /// Whoever asks has them today, the next one first.
    http::Response today(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
