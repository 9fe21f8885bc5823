#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/process.hpp"
#include "http/server.hpp"
#include "identity/authenticator.hpp"
#include "pg/connection.hpp"

namespace otto::identity {

/// Ends a request with this problem, from anywhere inside its handler; what was written is rolled back.
struct Refusal {
    http::Problem problem;
    int retry_after_s = 0;   ///< said in Retry-After, unless it is 0
};
http::Response refused(const Refusal&, const http::Request&);
[[noreturn]] void refuse(int status, std::string title, std::string detail, std::vector<std::pair<std::string, std::string>> fields = {});
/// 422 that names one field.
[[noreturn]] void refuse_field(const std::string& field, const std::string& message);
/// 404: not there, or another company's, which is the same to the caller.
[[noreturn]] void not_found(const std::string& what);

class Context;
/// 422 that names `field`, unless `user` is one of the company's people who has not been removed. Who asks is always one; for who has perhaps just joined the identity
/// provider is asked anew, up to 4 s. For services that may read company_users (company_id, id, status) and call members_wanted().
void must_be_member(Context&, const std::string& field, const std::string& user);

/// One authenticated request on its way through a handler. The tenant is the token's and nothing else's.
class Context {
public:
    const http::Request& request;
    const Principal& who;

    /// The company of the token; 403 if it has none.
    const CompanyId& company() const;
    /// The request's transaction, in the scope of that company; begun at first use, committed after a 2xx answer.
    pg::Tx& tx();
    /// The same, in another company's scope: for who creates one. Before the first tx().
    pg::Tx& tx_as(const CompanyId&);
    /// {"success":true,"data":…,"meta":{request_id,timestamp}}
    http::Response ok(std::string data_json, int status = 200) const;

    /// What only reads ends after five seconds, and when its client goes.
    Context(const http::Request& r, const Principal& w, pg::Pool& pool, bool reads = false) : request(r), who(w), pool_(pool), reads_(reads) {}

private:
    friend class Api;
    friend class Answers;
    friend void must_be_member(Context&, const std::string&, const std::string&);
    pg::Pool& pool_;
    const bool reads_;
    std::unique_ptr<pg::Tx> tx_;
};

/// The authenticated routes of one service: method, path, roles, handler. Errors are problem details; the database away is 503 with the cause; writes
/// take Idempotency-Key: the same key and body of the same person in the same company give the same answer, another body 409, and so does a second one while
/// the first is worked on (http-api.md). Errors of the server's own are never kept. Token and role are settled before a body is read, and say whose work it is
/// (http::Share). A suspended company's people are answered 403.
class Api {
public:
    using Handler = std::function<http::Response(Context&)>;
    /// What a suspended company may still see: itself.
    enum class Suspended { kept_out, let_in };
    Api(app::Service&, const Authenticator&, std::size_t connections);
    Api(std::string service, http::Router&, Secret pg_url, const Authenticator&, std::size_t connections);
    void get(const std::string& path, Roles, Handler, Suspended = Suspended::kept_out);
    /// Bodies are JSON or forms (415) unless the limits name other content types.
    void write(http::Method, const std::string& path, Roles, Handler, http::RouteLimits = {});
    pg::Pool& pool();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::identity
