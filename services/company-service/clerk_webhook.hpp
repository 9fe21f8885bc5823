#pragma once
#include <string>
#include <vector>

#include "app/process.hpp"
#include "app/secrets.hpp"
#include "base/json.hpp"
#include "http/server.hpp"
#include "member_book.hpp"
#include "pg/connection.hpp"

namespace otto::company_service {

/// Clerk's webhooks, signed by Svix: users, organisations, memberships, invitations. Each is proven before anything is read of
/// it, and written in one transaction with its id; while the database is away it is answered 503, and Svix repeats it for 28
/// hours.
class ClerkWebhook {
public:
    ClerkWebhook(const app::Settings&, pg::Pool&);
    void add_routes(http::Router&) const;
    /// A proven one. 200 whatever it holds: what cannot be understood is told to operators.
    http::Response take(const std::string& svix_id, const http::Request&) const;

private:
    http::Response answer(const http::Request&) const;
    std::optional<http::Admission> admit(const http::Request&) const;

    pg::Pool& pool_;
    app::Live<std::vector<Secret>> keys_;
};

}  // namespace otto::company_service
