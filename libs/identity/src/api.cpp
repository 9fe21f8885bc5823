#include "identity/api.hpp"

#include <algorithm>
#include <thread>

#include "answers.hpp"
#include "base/json.hpp"
#include "standing.hpp"
#include "telemetry/log.hpp"

namespace otto::identity {
namespace {

constexpr pg::Query kMembersWanted{"api.members_wanted", "SELECT members_wanted($1) AS pending"};
constexpr pg::Query kNow{"api.now", "SELECT now() AS now"};
constexpr std::chrono::seconds kJoiningTakes{4};  // for as long the identity provider is waited for
constexpr pg::Query kMember{"api.member", "SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status <> 'removed'"};

constexpr Millis kReadsLast{5'000};

/// A read that took too long, with what would take less.
http::Response too_much(const http::Request& request) {
    std::string cure = "date_from and date_to around fewer days";
    for (const auto& [name, value] : request.query_fields()) {
        if (value.empty()) continue;
        if (name == "search") cure = "a longer or more exact search, " + cure;
        if (name == "offset") cure = "the next_cursor of the page before instead of offset, " + cure;
    }
    auto r = http::problem({503, "Too much to look through", "This could not be read within " + std::to_string(kReadsLast.count() / 1'000) + " seconds. Narrow it: " + cure + ", or more filters."}, request);
    r.headers.add("Retry-After", "5");
    return r;
}

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
    auto known = [&] {
        bool found = false;
        c.tx().each(kMember, {c.company(), user}, [&](const pg::Fields&) { found = true; });
        return found;
    };
    if (known()) return;
    // Who has just joined is not on record yet. What is wanted of Clerk must be committed for company-service to see it, so in a transaction of its own.
    Instant since{};
    c.tx().each(kNow, {}, [&](const pg::Fields& f) { since = *f.time("now"); });
    const auto until = std::chrono::steady_clock::now() + kJoiningTakes;
    for (bool pending = true; pending && std::chrono::steady_clock::now() < until;) {
        auto tx = c.pool_.begin(pg::Scope::company(c.company()));
        tx.each(kMembersWanted, {since}, [&](const pg::Fields& f) { pending = f.boolean("pending"); });
        tx.commit();
        if (known()) return;
        if (pending) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    refuse_field(field, "is nobody of this company; GET /api/v1/users lists its people");
}

pg::Tx& Context::tx() { return tx_as(company()); }

pg::Tx& Context::tx_as(const CompanyId& company) {
    if (tx_) return *tx_;
    tx_ = std::make_unique<pg::Tx>(pool_.begin(pg::Scope::company(company), {reads_ ? kReadsLast : Millis{0}}));
    if (reads_ && request.asker) request.asker->when_gone([statement = tx_->canceller()] { statement.cancel(); });
    return *tx_;
}

http::Response Context::ok(std::string data_json, int status) const {
    JsonWriter w;
    w.begin_object().member("success", true).key("data").raw(data_json).key("meta").begin_object();
    w.member("request_id", request.request_id).member("timestamp", to_rfc3339(system_clock().now())).end_object().end_object();
    return http::Response::json(status, w.take());
}

struct Api::Impl {
    Impl(std::string name, http::Router& router, Secret pg_url, const Authenticator& a, std::size_t connections)
        : service(std::move(name)), routes(router), authenticator(a), pool(std::move(pg_url), service + "-http", connections), standing(pool) {}
    std::string service;
    http::Router& routes;
    const Authenticator& authenticator;
    pg::Pool pool;
    Standing standing;

    http::Admit admit(Roles);
    http::Response answer(const http::Request&, const std::string& route, bool write, Suspended, const Handler&);
    http::Response run(Context&, const Handler&);
};

Api::Api(app::Service& service, const Authenticator& authenticator, std::size_t connections) : Api(service.name(), service.routes(), service.pg_url(), authenticator, connections) {
    service.ready_when("database", [impl = impl_] { return impl->pool.ping(); });
}

Api::Api(std::string service, http::Router& routes, Secret pg_url, const Authenticator& authenticator, std::size_t connections)
    : impl_(std::make_shared<Impl>(std::move(service), routes, std::move(pg_url), authenticator, connections)) {}

pg::Pool& Api::pool() { return impl_->pool; }

void Api::get(const std::string& path, Roles roles, Handler handler, Suspended suspended) {
    http::RouteLimits limits;
    limits.admit = impl_->admit(roles);
    impl_->routes.add(http::Method::get, path, [impl = impl_, path, suspended, handler = std::move(handler)](const http::Request& r) { return impl->answer(r, path, false, suspended, handler); },
                      std::move(limits));
}

void Api::write(http::Method method, const std::string& path, Roles roles, Handler handler, http::RouteLimits limits) {
    auto route = std::string(http::to_text(method)) + " " + path;
    if (limits.content_types.empty()) limits.content_types = {"application/json", "application/x-www-form-urlencoded"};
    limits.admit = impl_->admit(roles);
    impl_->routes.add(method, path,
                      [impl = impl_, route, handler = std::move(handler)](const http::Request& r) { return impl->answer(r, route, true, Suspended::kept_out, handler); }, std::move(limits));
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
        if (!who && who.error().message == kMustWait) return std::nullopt;
        if (!who && who.error().message == kKeysUnavailable) {
            // Not 401: a client would sign its user out for our trouble.
            auto r = http::problem({503, "Identity provider unavailable", "The identity provider's keys cannot be had at the moment; try again shortly."}, request);
            r.headers.add("Retry-After", "2");
            return refuse_with(std::move(r));
        }
        if (!who) {
            auto r = http::problem({401, "Not signed in", "Send a valid session token: " + who.error().message + "."}, request);
            r.headers.add("WWW-Authenticate", "Bearer");
            return refuse_with(std::move(r));
        }
        bool may = who->role ? roles.has(*who->role) : roles.anybody();
        if (!may) return refuse_with(http::problem({403, "Not allowed", who->company || who->role ? "This role may not do this." : "This token belongs to no organisation; sign in to one."}, request));
        http::Admission out;
        out.share = {who->company ? who->company->value() : std::string{}, who->user.value()};
        out.known = std::make_shared<const Principal>(std::move(*who));
        return out;
    };
}

http::Response Api::Impl::answer(const http::Request& request, const std::string& route, bool write, Suspended suspended, const Handler& handler) {
    tel::ServiceScope scope(service);
    const auto& who = *static_cast<const Principal*>(request.known.get());
    std::string key;
    if (write && request.headers.has("idempotency-key")) {
        key = std::string(request.headers.get("idempotency-key"));
        bool good = !key.empty() && key.size() <= 255 && request.headers.count("idempotency-key") == 1 && std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
        if (!good) return http::problem({422, "Invalid request", "Idempotency-Key takes 1 to 255 visible ASCII characters, once.", {{"Idempotency-Key", "is malformed"}}}, request);
    }
    Context context(request, who, pool, !write);
    try {
        if (who.company && suspended == Suspended::kept_out && standing.suspended(*who.company))
            return http::problem({403, "Company suspended", "This company is suspended: nothing of it can be read or changed, and its calls are kept, until its status is active again. Ask the "
                                                            "operators of this Otto; GET /api/v1/company/{id} tells the status to its managers."}, request);
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
