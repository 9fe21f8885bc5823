#pragma once
#include <functional>
#include <memory>
#include <string>

#include "api/context.hpp"
#include "app/process.hpp"
#include "http/server.hpp"
#include "identity/authenticator.hpp"
#include "pg/connection.hpp"

namespace otto::api {

/// The authenticated routes of one service: method, path, roles, handler. Errors are problem details; the database away is 503
/// with the cause; writes take Idempotency-Key: the same key and body of the same person in the same company give the same
/// answer, another body 409, and so does a second one while the first is worked on (http-api.md). Errors of the server's own are
/// never kept. Token and role are settled before a body is read, and say whose work it is (http::Share). A suspended company's
/// people are answered 403.
class Api {
public:
    using Handler = std::function<http::Response(Context&)>;
    /// What a suspended company may still see: itself.
    enum class Suspended { kept_out, let_in };
    /// Sessions at Postgres of a service whose people only command: each holds one for some milliseconds, a few at once.
    static constexpr std::size_t kSessions = 8;
    Api(app::Service&, const identity::Authenticator&, std::size_t connections = kSessions);
    Api(std::string service, http::Router&, pg::Login, const identity::Authenticator&, std::size_t connections);

    void get(const std::string& path, identity::Roles, Handler, Suspended = Suspended::kept_out);
    /// Bodies are JSON or forms (415) unless the limits name other content types.
    void write(http::Method, const std::string& path, identity::Roles, Handler, http::RouteLimits = {});
    /// The same for a member of `noun`, which outlives the routes: api.get("/api/v1/tasks", everybody, tasks, &Tasks::list).
    template <class Noun>
    void get(const std::string& path, identity::Roles roles, const Noun& noun, http::Response (Noun::*read)(Context&) const,
             Suspended suspended = Suspended::kept_out) {
        get(
            path, roles, [&noun, read](Context& c) { return (noun.*read)(c); }, suspended);
    }
    template <class Noun>
    void write(http::Method method, const std::string& path, identity::Roles roles, const Noun& noun,
               http::Response (Noun::*command)(Context&) const) {
        write(method, path, roles, [&noun, command](Context& c) { return (noun.*command)(c); });
    }
    pg::Pool& pool();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::api
