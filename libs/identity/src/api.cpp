#include "identity/api.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "telemetry/log.hpp"

namespace otto::identity {
namespace {

constexpr pg::Query kAnswerOf{"api.answer_of", "SELECT request_hash, status, content_type, body FROM idempotency_keys WHERE consumer = $1 AND user_id = $2 AND route = $3 AND key = $4"};
constexpr pg::Query kKeep{"api.keep_answer", R"sql(
INSERT INTO idempotency_keys (consumer, user_id, route, key, request_hash, status, content_type, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8))sql"};

struct Kept {
    std::string hash, type, body;
    int status;
    static Kept from(const pg::Fields& f) { return {f.text("request_hash"), f.text("content_type"), f.bytes("body"), static_cast<int>(f.integer("status"))}; }
};

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

void not_found(const std::string& what) { refuse(404, "Not found", "There is no such " + what + "."); }

const CompanyId& Context::company() const {
    if (!who.company) refuse(403, "No company", "This token belongs to no organisation; sign in to one, or create a company first.");
    return *who.company;
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
    http::Response run(Context&, const std::string& route, const std::string& key, const Handler&);
    std::optional<http::Response> kept(const Context&, const std::string& route, const std::string& key, const std::string& hash);
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
        return run(context, route, key, handler);
    } catch (const Refusal& refusal) {
        return http::problem(refusal.problem, request);
    } catch (const pg::SqlFailure& e) {
        if (e.kind() == pg::FailureClass::transient || e.kind() == pg::FailureClass::contention) {
            tel::warn("a request failed for want of the database", {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
            return unavailable(request);
        }
        throw;
    }
}

std::optional<http::Response> Api::Impl::kept(const Context& context, const std::string& route, const std::string& key, const std::string& hash) {
    auto tx = pool.begin(pg::Scope::none());
    auto row = tx.maybe<Kept>(kAnswerOf, {service, context.who.user, route, key});
    tx.commit();
    if (!row) return std::nullopt;
    if (row->hash != hash) refuse(409, "Idempotency-Key used", "This Idempotency-Key was used for another request; take a new one.", {{"Idempotency-Key", "was used for another request"}});
    http::Response r;
    r.status = row->status;
    r.headers.add("Content-Type", row->type);
    r.headers.add("Idempotent-Replayed", "true");
    r.body = row->body;
    return r;
}

http::Response Api::Impl::run(Context& context, const std::string& route, const std::string& key, const Handler& handler) {
    const auto& request = context.request;
    std::string hash;
    if (!key.empty()) {
        hash = hex_encode(sha256(request.target + "\n" + request.body));
        if (auto answer = kept(context, route, key, hash)) return std::move(*answer);
    }
    http::Response response;
    std::optional<http::Response> refused;
    try {
        response = handler(context);
    } catch (const Refusal& refusal) {
        if (key.empty()) throw;
        refused = http::problem(refusal.problem, request);  // kept too: the same request again gives the same answer
        context.tx_.reset();
        response = *refused;
    }
    if (response.status >= 500) return response;
    if (!key.empty()) {
        if (!context.tx_) context.tx_ = std::make_unique<pg::Tx>(pool.begin(pg::Scope::none()));
        context.tx_->write(kKeep, {service, context.who.user, route, key, hash, response.status, std::string(response.headers.get("content-type")), pg::Param::bytes(response.body)});
    }
    if (context.tx_) {
        try {
            if (response.status < 300 || refused) context.tx_->commit();
        } catch (const pg::SqlFailure& e) {
            if (e.constraint() != "idempotency_keys_pkey") throw;
            // The same request ran beside this one and was first: its answer is the answer.
            context.tx_.reset();
            if (auto answer = kept(context, route, key, hash)) return std::move(*answer);
            throw;
        }
    }
    return response;
}

}  // namespace otto::identity
