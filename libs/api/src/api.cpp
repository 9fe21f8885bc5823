#include "api/api.hpp"

#include <algorithm>

#include "answers.hpp"
#include "base/json.hpp"
#include "runtime/schema_gate.hpp"
#include "standing.hpp"
#include "telemetry/log.hpp"
#include "words.hpp"

namespace otto::api {
namespace {

using identity::Authenticator;
using identity::Principal;
using identity::Roles;

/// A read that took too long, with what would take less.
http::Response too_much(const http::Request& request) {
    std::string cure = "date_from and date_to around fewer days";
    for (const auto& [name, value] : request.query_fields()) {
        if (value.empty()) continue;
        if (name == "search") cure = "a longer or more exact search, " + cure;
        if (name == "offset") cure = "the next_cursor of the page before instead of offset, " + cure;
    }
    auto r = http::problem({503, "Too much to look through",
                            "This could not be read within " + std::to_string(Context::kReadsLast.count() / 1'000) +
                                " seconds. Narrow it: " + cure + ", or more filters."},
                           request);
    r.headers.add("Retry-After", "5");
    return r;
}

http::Response unavailable(const http::Request& request) {
    auto r =
        http::problem({503, "Database unavailable", "The database cannot be reached at the moment; try again shortly."}, request);
    r.headers.add("Retry-After", "1");
    return r;
}

/// What a route's line in audit_log is called where its command does not say: the contract's x-audit. Nothing: it leaves none.
std::string_view action_of(const std::string& route) {
    for (const auto& write : words::writes)
        if (write.route == route) return write.action;
    return route;
}

}  // namespace

struct Api::Impl {
    Impl(std::string name, http::Router& router, pg::Login login, const Authenticator& a, std::size_t connections)
        : service(std::move(name)),
          routes(router),
          authenticator(a),
          pool(std::move(login), service + "-http", connections),
          standing(pool) {}
    std::string service;
    http::Router& routes;
    const Authenticator& authenticator;
    pg::Pool pool;
    Standing standing;

    http::Admit admit(Roles);
    /// What the token's company must be: there and active, there, or not even there (for who makes one).
    enum class Company { active, may_be_suspended, may_be_none };
    http::Response answer(const http::Request&, const std::string& route, bool write, Company, const Handler&);
    std::optional<http::Response> refuse_company(const http::Request&, const Principal&, Company);
    http::Response run(Context&, const Handler&);
};

Api::Api(app::Service& service, const Authenticator& authenticator, std::size_t connections)
    : Api(service.name(), service.routes(), service.pg_login(), authenticator, connections) {
    rt::needs_schema(service);
    service.depends_on("postgres", [impl = impl_] { return impl->pool.ping(); });
    service.depends_on("identity_provider", [&authenticator] { return authenticator.keys_can_be_had(); });
}

Api::Api(std::string service, http::Router& routes, pg::Login login, const Authenticator& authenticator, std::size_t connections)
    : impl_(std::make_shared<Impl>(std::move(service), routes, std::move(login), authenticator, connections)) {}

pg::Pool& Api::pool() { return impl_->pool; }

void Api::get(const std::string& path, Roles roles, Handler handler, Suspended suspended) {
    http::RouteLimits limits;
    limits.admit = impl_->admit(roles);
    auto company = roles.anybody()                  ? Impl::Company::may_be_none
                   : suspended == Suspended::let_in ? Impl::Company::may_be_suspended
                                                    : Impl::Company::active;
    impl_->routes.add(
        http::Method::get, path,
        [impl = impl_, path, company, handler = std::move(handler)](const http::Request& r) {
            return impl->answer(r, path, false, company, handler);
        },
        std::move(limits));
}

void Api::write(http::Method method, const std::string& path, Roles roles, Handler handler, http::RouteLimits limits) {
    auto route = std::string(http::to_text(method)) + " " + path;
    // In the command's own transaction and behind its Idempotency-Key: no command can forget its line, and no repeat has another.
    auto recorded = [action = std::string(action_of(route)), handler = std::move(handler)](Context& c) {
        auto response = handler(c);
        if (response.status < 300 && !action.empty() && !c.on_record()) c.audit_unsaid(action);
        return response;
    };
    if (limits.content_types.empty()) limits.content_types = {"application/json", "application/x-www-form-urlencoded"};
    limits.admit = impl_->admit(roles);
    auto company = roles.anybody() ? Impl::Company::may_be_none : Impl::Company::active;
    impl_->routes.add(
        method, path,
        [impl = impl_, route, company, handler = Handler(std::move(recorded))](const http::Request& r) {
            return impl->answer(r, route, true, company, handler);
        },
        std::move(limits));
}

/// Who asks, and whether his role may: settled by the head alone, so that nobody else's body is read.
http::Admit Api::Impl::admit(Roles roles) {
    return [this, roles](const http::Request& request, bool may_wait) -> std::optional<http::Admission> {
        auto refuse_with = [](http::Response r) {
            http::Admission out;
            out.refusal = std::move(r);
            return out;
        };
        auto who = authenticator.authenticate(request, may_wait);
        if (!who && who.error().message == identity::kMustWait) return std::nullopt;
        if (!who && who.error().message == identity::kKeysUnavailable) {
            // Not 401: a client would sign its user out for our trouble.
            auto r = http::problem({503, "Identity provider unavailable",
                                    "The identity provider's keys cannot be had at the moment; try again shortly."},
                                   request);
            r.headers.add("Retry-After", "2");
            return refuse_with(std::move(r));
        }
        if (!who) {
            auto r = http::problem({401, "Not signed in", "Send a valid session token: " + who.error().message + "."}, request);
            r.headers.add("WWW-Authenticate", "Bearer");
            return refuse_with(std::move(r));
        }
        if (who->membership == identity::Membership::not_known_yet) {
            auto r = http::problem({503, "Members unknown", "Who is a member is not known yet after a start; try again shortly."},
                                   request);
            r.headers.add("Retry-After", "2");
            return refuse_with(std::move(r));
        }
        if (who->membership == identity::Membership::removed)
            return refuse_with(http::problem(
                {403, "Not a member", "You were removed from this organisation; ask one of its managers to invite you again."},
                request));
        // A role that is none of ours opens nothing; who has no organisation yet may do what needs none.
        bool may = who->role ? roles.has(*who->role) : !who->company && roles.anybody();
        if (!may)
            return refuse_with(http::problem(
                {403, "Not allowed",
                 who->role      ? "This role may not do this."
                 : who->company ? "What the identity provider calls your role is none that is known here; a manager gives "
                                  "you one: PATCH /api/v1/users/{id} with csr, sales_rep, manager or executive."
                                : "This token belongs to no organisation; sign in to one."},
                request));
        http::Admission out;
        out.share = {who->company ? who->company->value() : std::string{}, who->user.value()};
        out.known = std::make_shared<const Principal>(std::move(*who));
        return out;
    };
}

http::Response Api::Impl::answer(const http::Request& request, const std::string& route, bool write, Company company,
                                 const Handler& handler) {
    tel::ServiceScope scope(service);
    const auto& who = *static_cast<const Principal*>(request.known.get());
    std::string key;
    if (write && request.headers.has("idempotency-key")) {
        key = std::string(request.headers.get("idempotency-key"));
        bool good = !key.empty() && key.size() <= 255 && request.headers.count("idempotency-key") == 1 &&
                    std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
        if (!good)
            return http::problem({422,
                                  "Invalid request",
                                  "Idempotency-Key takes 1 to 255 visible ASCII characters, once.",
                                  {{"Idempotency-Key", "is malformed"}}},
                                 request);
    }
    Context context(request, who, pool, service, !write);
    try {
        if (auto kept_out = refuse_company(request, who, company)) return std::move(*kept_out);
        return key.empty() ? run(context, handler) : Answers(pool, service).once(context, route, key, handler);
    } catch (const Refusal& refusal) {
        return refused(refusal, request);
    } catch (const pg::Cancelled&) {
        return http::Response::empty(499);  // nobody reads it
    } catch (const pg::SqlFailure& e) {
        if (!write && e.timed_out()) {
            tel::warn("a read took too long", {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
            return too_much(request);
        }
        if (e.kind() == pg::FailureClass::transient || e.kind() == pg::FailureClass::contention) {
            tel::warn("a request failed for want of the database",
                      {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
            return unavailable(request);
        }
        throw;
    }
}

/// What a token's company must be for the route.
std::optional<http::Response> Api::Impl::refuse_company(const http::Request& request, const Principal& who, Company wanted) {
    if (!who.company) return std::nullopt;
    auto is = standing.of(*who.company);
    if (is == Standing::Is::none && wanted != Company::may_be_none)
        return http::problem({403,
                              "No company",
                              "The organisation of this token has no company here yet: one of its managers makes it, POST "
                              "/api/v1/company/.",
                              {},
                              "/problems/no-company"},
                             request);
    if (is == Standing::Is::suspended && wanted != Company::may_be_suspended)
        return http::problem({403, "Company suspended",
                              "This company is suspended: nothing of it can be read or changed, and its calls are kept, "
                              "until its status is active again. Ask the "
                              "operators of this Otto; GET /api/v1/company/{id} tells the status to its managers."},
                             request);
    return std::nullopt;
}

http::Response Api::Impl::run(Context& context, const Handler& handler) {
    auto response = handler(context);
    if (context.tx_ && response.status < 300) context.tx_->commit();
    return response;
}

}  // namespace otto::api
