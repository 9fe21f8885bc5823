#pragma once
#include "api/api.hpp"
#include "links.hpp"
#include "lists.hpp"

namespace otto::query_service {

/// Texts: their list, the thread with a customer, what came with one; and who asked for none. A rep sees the texts of own leads'
/// contacts.
class Messages {
public:
    Messages(const Lists& lists, const Links& links) : lists_(lists), links_(links) {}
    void routes(api::Api&) const;
    http::Response list(api::Context&) const;
    http::Response one(api::Context&) const;
    http::Response thread(api::Context&) const;
    http::Response media(api::Context&) const;
    http::Response opt_outs(api::Context&) const;

private:
    const Lists& lists_;
    const Links& links_;
};

}  // namespace otto::query_service
