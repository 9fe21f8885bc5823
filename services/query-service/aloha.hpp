#pragma once
#include "api/api.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Calls as the Aloha app has them (seed 003, providers.md §6.12): its paths, names and pages by number, in our envelope. They
/// are the calls of /api/v1/calls, the newest first.
class Aloha {
public:
    explicit Aloha(const Lists& lists) : lists_(lists) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;

private:
    const Lists& lists_;
};

}  // namespace otto::query_service
