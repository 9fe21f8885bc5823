#include "answers.hpp"

#include <algorithm>
#include <thread>

#include "base/crypto.hpp"
#include "telemetry/log.hpp"

namespace otto::api {
namespace {

// A claim that a crash of the database undoes is no worse than one that runs out: nobody waits for the disk.
constexpr pg::Query kNoWait{"api.no_wait", "SELECT set_config('synchronous_commit', 'off', true)"};
constexpr pg::Query kScopeOf{"api.scope_of", "SELECT set_config('otto.company_id', $1, true)"};
constexpr pg::Query kClaim{"api.claim_key", R"sql(
INSERT INTO idempotency_keys AS k (consumer, company_id, issuer, user_id, route, key, request_hash, claim, claimed_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + interval '1 minute')
ON CONFLICT (consumer, company_id, issuer, user_id, route, key) DO UPDATE
   SET request_hash = EXCLUDED.request_hash, claim = EXCLUDED.claim, claimed_until = EXCLUDED.claimed_until WHERE k.claimed_until < now())sql"};
constexpr pg::Query kAnswerOf{"api.answer_of", R"sql(
SELECT request_hash, coalesce(status, 0) AS status, content_type, coalesce(body, '') AS body FROM idempotency_keys
 WHERE consumer = $1 AND company_id = $2 AND issuer = $3 AND user_id = $4 AND route = $5 AND key = $6)sql"};
constexpr pg::Query kKeep{"api.keep_answer", R"sql(
UPDATE idempotency_keys SET status = $8, content_type = $9, body = $10, claimed_until = NULL
 WHERE consumer = $1 AND company_id = $2 AND issuer = $3 AND user_id = $4 AND route = $5 AND key = $6 AND claim = $7)sql"};
constexpr pg::Query kRelease{"api.release_key", R"sql(
DELETE FROM idempotency_keys WHERE consumer = $1 AND company_id = $2 AND issuer = $3 AND user_id = $4 AND route = $5 AND key = $6 AND claim = $7 AND status IS NULL)sql"};

struct Kept {
    std::string hash, type, body;
    int status;  ///< 0: there is no answer yet
    static Kept from(const pg::Fields& f) {
        return {f.text("request_hash"), f.text("content_type"), f.bytes("body"), static_cast<int>(f.integer("status"))};
    }
};

[[noreturn]] void in_progress(std::string why) {
    throw Refusal{{409,
                   "Request in progress",
                   std::move(why) + "; send the same again in a second.",
                   {{"Idempotency-Key", "is in use by a request that has not ended"}}},
                  1};
}

}  // namespace

/// Whose request a key stands for: the same key of another company, issuer, person or route is another one.
struct Answers::Key {
    std::string company;  ///< empty: who asks belongs to none yet
    std::string issuer, user, route, key, request_hash;
    Uuid claim;  ///< this request's own
    pg::Params params(const std::string& service) const { return {service, company, issuer, user, route, key}; }
};

http::Response Answers::once(Context& context, const std::string& route, const std::string& text, const Api::Handler& handler) {
    const auto& request = context.request;
    const auto& who = context.who;
    const Key key{who.company ? who.company->value() : std::string{},
                  who.issuer,
                  who.user.value(),
                  route,
                  text,
                  hex_encode(sha256(request.target + "\n" + request.body)),
                  Uuid::v7(request.received_at)};
    if (auto answer = claimed_or_answered(key, request)) return std::move(*answer);
    try {
        http::Response response;
        try {
            response = handler(context);
        } catch (const Refusal& refusal) {
            response = refused(refusal, request);
        }
        if (response.status >= 300) context.tx_.reset();
        if (response.status == 429 || response.status >= 500) {
            release(key);
            return response;
        }
        if (!context.tx_) context.tx_ = std::make_unique<pg::Tx>(begin(key));
        if (!keep(*context.tx_, key, response))
            in_progress("This request took so long that another one with its Idempotency-Key was let in");
        context.tx_->commit();
        return response;
    } catch (...) {
        context.tx_.reset();
        release(key);  // where the commit went through and only its answer was lost, the kept answer stays
        throw;
    }
}

pg::Tx Answers::begin(const Key& k) {
    return pool_.begin(k.company.empty() ? pg::Scope::none() : pg::Scope::company(CompanyId{k.company}));
}

Answers::Found Answers::claim(const Key& k) {
    auto tx = begin(k);
    tx.write(kNoWait);
    auto params = k.params(service_);
    params.insert(params.end(), {k.request_hash, k.claim});
    bool claimed = tx.write_counted(kClaim, std::move(params)) > 0;
    std::optional<Kept> row;
    if (!claimed) row = tx.maybe<Kept>(kAnswerOf, k.params(service_));
    tx.commit();
    if (claimed) return {true};
    if (row && row->hash != k.request_hash)
        refuse(409, "Idempotency-Key used", "This Idempotency-Key was used for another request; take a new one.",
               {{"Idempotency-Key", "was used for another request"}});
    if (!row || row->status == 0) return {};  // no row: that one came to nothing just now
    http::Response r;
    r.status = row->status;
    r.headers.add("Content-Type", row->type);
    r.headers.add("Idempotent-Replayed", "true");
    r.body = row->body;
    return {false, std::move(r)};
}

/// The answer that the key has, or nothing: then the key is the caller's. While another works on the same request it is asked for
/// now and then; no connection is held meanwhile, and the worker that waits is of the user's own share.
std::optional<http::Response> Answers::claimed_or_answered(const Key& k, const http::Request& request) {
    const auto until = std::chrono::steady_clock::now() + patience_;
    for (Millis pause{10};; pause = std::min(pause * 2, Millis{200})) {
        auto found = claim(k);
        if (found.ours || found.answer) return std::move(found.answer);
        if (std::chrono::steady_clock::now() + pause > until || (request.asker && request.asker->gone()))
            in_progress("The first request with this Idempotency-Key is still being worked on");
        std::this_thread::sleep_for(pause);
    }
}

/// False if another request has the claim meanwhile: then nothing may be committed.
bool Answers::keep(pg::Tx& tx, const Key& k, const http::Response& r) {
    tx.write(kScopeOf, {k.company});  // who makes a company writes in its scope, and asked in none
    auto params = k.params(service_);
    params.insert(params.end(), {k.claim, r.status, std::string(r.headers.get("content-type")), pg::Param::bytes(r.body)});
    return tx.write_counted(kKeep, std::move(params)) > 0;
}

void Answers::release(const Key& k) noexcept try {
    auto tx = begin(k);
    tx.write(kNoWait);
    auto params = k.params(service_);
    params.emplace_back(k.claim);
    tx.write(kRelease, std::move(params));
    tx.commit();
} catch (const std::exception& e) {
    tel::warn("an Idempotency-Key stays claimed for a minute", {{"why", e.what()}});
}

}  // namespace otto::api
