#include "identity/api.hpp"

#include <algorithm>

#include "answers.hpp"
#include "base/json.hpp"
#include "telemetry/log.hpp"

namespace otto::identity {
namespace {

constexpr pg::Query kMember{"api.member", "SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status <> 'removed'"};

http::Response unavailable(const http::Request& request) {
    auto r = http::problem({503, "Database unavailable", "The database cannot be reached at the moment; try again shortly."}, request);
    r.headers.add("Retry-After", "1");
    return r;
}

}  // namespace

void refuse(int status, std::string title, std::string detail, std::vector<std::pair<std::string, std::string>> fields) {
    throw Refusal{{status, std::move(title), std::move(detail), std::move(fields)}};
}

void refuse_field(const std::string& field, const std::string& message) { refuse(422, "Invalid request", "Correct " + field + ": " + message + ".", {{field, message}}); }

http::Response refused(const Refusal& refusal, const http::Request& request) {
    auto r = http::problem(refusal.problem, request);
    if (refusal.retry_after_s > 0) r.headers.add("Retry-After", std::to_string(refusal.retry_after_s));
    return r;
}

void not_found(const std::string& what) { refuse(404, "Not found", "There is no such " + what + "."); }

const CompanyId& Context::company() const {
    if (!who.company) refuse(403, "No company", "This token belongs to no organisation; sign in to one, or create a company first.");
    return *who.company;
}

void must_be_member(Context& c, const std::string& field, const std::string& user) {
    if (user == c.who.user.value()) return;
    bool known = false;
    c.tx().each(kMember, {c.company(), user}, [&](const pg::Fields&) { known = true; });
    if (!known) refuse_field(field, "is nobody of this company; GET /api/v1/users lists its people");
}

pg::Tx& Context::tx() { return tx_as(company()); }

pg::Tx& Context::tx_as(const CompanyId& company) {
    if (!tx_) tx_ = std::make_unique<pg::Tx>(pool_.begin(pg::Scope::company(company)));
    return *tx_;
}

http::Response Context::ok(std::string data_json, int status) const {
    JsonWriter w;
    w.begin_object().member("success", true).key("data").raw(data_json).key("meta").begin_object();
    w.member("request_id", request.request_id).member("timestamp", to_rfc3339(system_clock().now())).end_object().end_object();
    return http::Response::json(status, w.take());
}

struct Api::Impl {
    std::string service;
    http::Router& routes;
    const Authenticator& authenticator;
    pg::Pool pool;

    http::Response answer(const http::Request&, const std::string& route, Roles, bool write, const Handler&);
    http::Response run(Context&, const Handler&);
};

Api::Api(app::Service& service, const Authenticator& authenticator, std::size_t connections)
    : impl_(std::make_shared<Impl>(Impl{service.name(), service.routes(), authenticator, pg::Pool(service.pg_url(), service.name() + "-http", connections)})) {
    service.ready_when("database", [impl = impl_] { return impl->pool.ping(); });
}

pg::Pool& Api::pool() { return impl_->pool; }

void Api::get(const std::string& path, Roles roles, Handler handler) {
    impl_->routes.add(http::Method::get, path, [impl = impl_, path, roles, handler = std::move(handler)](const http::Request& r) { return impl->answer(r, path, roles, false, handler); });
}

void Api::write(http::Method method, const std::string& path, Roles roles, Handler handler, http::RouteLimits limits) {
    auto route = std::string(http::to_text(method)) + " " + path;
    if (limits.content_types.empty()) limits.content_types = {"application/json", "application/x-www-form-urlencoded"};
    impl_->routes.add(method, path, [impl = impl_, route, roles, handler = std::move(handler)](const http::Request& r) { return impl->answer(r, route, roles, true, handler); }, limits);
}

http::Response Api::Impl::answer(const http::Request& request, const std::string& route, Roles roles, bool write, const Handler& handler) {
    tel::ServiceScope scope(service);
    auto who = authenticator.authenticate(request);
    if (!who && who.error().message == kKeysUnavailable) {
        // Not 401: a client would sign its user out for our trouble.
        auto r = http::problem({503, "Identity provider unavailable", "The identity provider's keys cannot be had at the moment; try again shortly."}, request);
        r.headers.add("Retry-After", "2");
        return r;
    }
    if (!who) {
        auto r = http::problem({401, "Not signed in", "Send a valid session token: " + who.error().message + "."}, request);
        r.headers.add("WWW-Authenticate", "Bearer");
        return r;
    }
    if (!roles.anybody() && (!who->role || !roles.has(*who->role)))
        return http::problem({403, "Not allowed", who->company || who->role ? "This role may not do this." : "This token belongs to no organisation; sign in to one."}, request);
    std::string key;
    if (write && request.headers.has("idempotency-key")) {
        key = std::string(request.headers.get("idempotency-key"));
        bool good = !key.empty() && key.size() <= 255 && request.headers.count("idempotency-key") == 1 && std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
        if (!good) return http::problem({422, "Invalid request", "Idempotency-Key takes 1 to 255 visible ASCII characters, once.", {{"Idempotency-Key", "is malformed"}}}, request);
    }
    Context context(request, *who, pool);
    try {
        return key.empty() ? run(context, handler) : Answers(pool, service).once(context, route, key, handler);
    } catch (const Refusal& refusal) {
        return refused(refusal, request);
    } catch (const pg::SqlFailure& e) {
        if (e.kind() == pg::FailureClass::transient || e.kind() == pg::FailureClass::contention) {
            tel::warn("a request failed for want of the database", {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
            return unavailable(request);
        }
        throw;
    }
}

http::Response Api::Impl::run(Context& context, const Handler& handler) {
    auto response = handler(context);
    if (context.tx_ && response.status < 300) context.tx_->commit();
    return response;
}

}  // namespace otto::identity
