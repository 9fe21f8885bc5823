#include "ingress/webhook.hpp"

#include <algorithm>
#include <atomic>
#include <deque>

#include "app/common.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::ingress {

namespace pb = otto::inbound::v1;

std::string_view to_text(Verdict v) {
    switch (v) {
        case Verdict::authentic: return "authentic";
        case Verdict::open: return "open";
        case Verdict::unsigned_: return "unsigned";
        case Verdict::forged: return "forged";
    }
    return "";
}

namespace {

/// Whom a webhook could be of, in the order in which their keys count.
std::vector<directory::ProfilePtr> suspects(const std::vector<directory::ProfilePtr>& owners, const Candidates& c, const directory::Companies& companies) {
    std::vector<directory::ProfilePtr> out;
    auto add = [&](const directory::ProfilePtr& p) {
        if (p && std::none_of(out.begin(), out.end(), [&](const auto& known) { return known->id == p->id; })) out.push_back(p);
    };
    for (const auto& p : owners) add(p);
    for (const auto& p : companies.by_callrail(c.provider_companies, c.account)) add(p);
    if (!c.claimed_company.empty()) add(companies.find(CompanyId{c.claimed_company}));
    return out;
}

}  // namespace

std::vector<Judgement> judge(const Provider& provider, std::span<const Case> cases, const directory::Companies& companies, bool allow_unsigned, Instant now) {
    struct Trial {  // one key on one case: a digest for each of its claims
        std::size_t of;
        CompanyId company;
        std::size_t first;
    };
    std::vector<Judgement> out(cases.size());
    std::vector<Proof> proofs;
    std::vector<Trial> trials;
    std::deque<Secret> keys;  // where they stand while they are tried
    std::vector<DigestJob> jobs;
    proofs.reserve(cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto& candidates = cases[i].candidates;
        auto& judgement = out[i];
        proofs.push_back(provider.proof(cases[i].request));
        std::vector<directory::ProfilePtr> owners;
        if (!candidates.number.empty()) owners = companies.owners(candidates.number, candidates.purpose, now);
        for (const auto& company : suspects(owners, candidates, companies)) {
            auto of_company = provider.keys(*company, now);
            if (!of_company.empty()) judgement.refused_for.push_back(company->id);
            for (auto& key : of_company) {
                if (proofs[i].claims.empty()) break;
                keys.push_back(std::move(key));
                trials.push_back({i, company->id, jobs.size()});
                for (const auto& claim : proofs[i].claims) jobs.push_back({claim.kind, claim.message, keys.back().reveal()});
            }
        }
        if (!judgement.refused_for.empty()) {
            judgement.verdict = Verdict::forged;
            judgement.why = proofs[i].missing.value_or("no key matched");
        } else if (allow_unsigned && owners.size() == 1) {
            judgement.verdict = Verdict::unsigned_;
            judgement.company = owners.front()->id;
        }
    }
    digest_all(jobs);
    for (const auto& trial : trials) {
        if (out[trial.of].verdict == Verdict::authentic) continue;
        const auto& claims = proofs[trial.of].claims;
        bool good = true;
        for (std::size_t k = 0; k < claims.size(); ++k) good = constant_time_equal(jobs[trial.first + k].digest, claims[k].digest) && good;
        if (good) out[trial.of] = {Verdict::authentic, trial.company, ""};
    }
    return out;
}

void fill_receipt(pb::Receipt& receipt, const Provider& provider, const http::Request& request, const Judgement& judgement, Instant received) {
    receipt.set_provider(std::string(provider.name()));
    receipt.set_request_target(mend_utf8(request.target));
    receipt.set_content_type(mend_utf8(request.headers.get("content-type")));
    for (const auto& [name, value] : provider.signature_headers(request)) {
        auto& h = *receipt.add_headers();
        h.set_name(name);
        h.set_value(mend_utf8(value));
    }
    receipt.set_raw_body(request.body);
    receipt.set_received_at_us(to_micros(received));
    receipt.set_verdict(judgement.verdict == Verdict::authentic ? pb::VERDICT_AUTHENTIC : judgement.verdict == Verdict::unsigned_ ? pb::VERDICT_UNSIGNED : pb::VERDICT_OPEN);
    receipt.set_proven_company_id(judgement.company.value());
    receipt.set_client_address(mend_utf8(request.client_address));
}

bool OpenBudget::take(const std::string& client, std::size_t bytes, Instant now) {
    auto fill = [&](Bucket& b, double by, double most, double seconds) {
        // A clock that steps back must not fill the bucket: it would stand full until that time comes again.
        if (b.at != Instant{}) b.level = std::max(0.0, b.level - std::max(0.0, std::chrono::duration<double>(now - b.at).count()) * most / seconds);
        b.at = now;
        return b.level + by <= most;
    };
    std::lock_guard guard(lock_);
    if (clients_.size() > 100'000) clients_.clear();  // bounded; whoever comes by so many addresses is stopped by the totals
    auto& mine = clients_[client];
    double window = limits_.days * 86'400;
    auto size = static_cast<double>(bytes);
    bool room = fill(mine, 1, limits_.per_second, 1);
    room = fill(events_, 1, limits_.events, window) && room;
    room = fill(bytes_, size, limits_.bytes, window) && room;
    if (!room) return false;
    mine.level += 1;
    events_.level += 1;
    bytes_.level += size;
    return true;
}

app::Rows ingress_rows() {
    return {app::kKafkaBrokers.row, app::kSecretKeys.row, kSpoolDir.row, kSpoolMegabytes.row, kAllowUnsigned.row, kOpenPerSecond.row, kOpenEvents.row, kOpenMegabytes.row, kOpenDays.row};
}

struct Endpoint::Impl {
    Impl(app::Service& s, std::shared_ptr<const Provider> p, const directory::Companies& c)
        : service(s.name()),
          provider(std::move(p)),
          companies(c),
          courier([&] {
              CourierOptions o;
              o.brokers = s.settings().get(app::kKafkaBrokers);
              o.client_id = service;
              o.spool_dir = s.settings().get(kSpoolDir) + "/" + service;
              o.spool_bytes = static_cast<std::size_t>(s.settings().get(kSpoolMegabytes)) << 20;
              o.topics = {"otto.inbound", "otto.changes"};
              return o;
          }()),
          budget({static_cast<double>(s.settings().get(kOpenPerSecond)), static_cast<double>(s.settings().get(kOpenEvents)),
                  static_cast<double>(s.settings().get(kOpenMegabytes)) * 1024 * 1024, static_cast<double>(s.settings().get(kOpenDays))}) {
        auto allowed = s.settings().get(kAllowUnsigned);
        allow_unsigned = std::find(allowed.begin(), allowed.end(), provider->name()) != allowed.end();
    }

    /// A webhook on its way through the endpoint.
    struct Webhook {
        http::Request request;
        http::Responder respond;
        Instant received;
        Normalized normalized;
        std::optional<Judgement> judgement;
        std::string id;
        bool taken() const { return judgement->verdict != Verdict::forged; }
    };

    void take(std::vector<http::Asked>);
    void verdicts(std::vector<Webhook>&, Instant now) const;
    void accept(Webhook&, std::string_view body_sha256, Instant now);
    http::Response refused(const http::Request&, const Judgement&, const Normalized*);
    std::optional<http::Admission> admit(const http::Request& head);
    void tell_refusals();
    Instant stamp(Instant now);

    std::string service;
    std::shared_ptr<const Provider> provider;
    const directory::Companies& companies;
    Courier courier;
    OpenBudget budget;
    bool allow_unsigned = false;
    std::atomic<std::int64_t> last_us{0};
    std::mutex refusals_lock;
    std::map<CompanyId, changes::v1::SignaturesRefused> refusals;  ///< not told yet

    tel::Counter counter(const char* verdict) const {
        return tel::Metrics::counter("webhooks_total", "Webhooks by provider and what was thought of them.", {{"provider", std::string(provider->name())}, {"verdict", verdict}});
    }
    struct { tel::Counter authentic, open, unsigned_, forged, limited; } counters{counter("authentic"), counter("open"), counter("unsigned"), counter("forged"), counter("limited")};
};

/// received_at = max(now, last + 1 µs): no two events of one ingress have the same. After the clock has stepped back it stands nearly still, so nothing but an event's
/// place in the order may be taken from it.
Instant Endpoint::Impl::stamp(Instant now) {
    auto last = last_us.load();
    std::int64_t mine = 0;
    do mine = std::max(to_micros(now), last + 1);
    while (!last_us.compare_exchange_weak(last, mine));
    return from_micros(mine);
}

/// One line a webhook: what came, and what was thought of it. `n` is null if it was refused before its body was read.
void log_webhook(const Provider& provider, const http::Request& request, const Judgement& judgement, const Normalized* n, const std::string& event_id, tel::Level level, std::string_view verdict, int status,
                 std::string_view why) {
    tel::log(level, n ? n->log_message : std::string(provider.name()) + " webhook",
             {{"provider", provider.name()}, {"kind", n ? n->event->kind() : ""}, {"event_id", event_id}, {"verdict", verdict}, {"status", status}, {"why", why},
              {"company_id", judgement.company.value()}, tel::phone("tracking_number", n ? n->candidates.number : ""), tel::phone("customer", n ? n->customer : ""),
              {"not_understood", n ? n->event->not_understood() : ""}, {"bytes", request.body.size()}, {"client", request.client_address}, {"request_id", request.request_id},
              {"trace_id", request.trace.trace_id_hex()}});
}

http::Response Endpoint::Impl::refused(const http::Request& request, const Judgement& judgement, const Normalized* normalized) {
    counters.forged.inc();
    log_webhook(*provider, request, judgement, normalized, "", tel::Level::warn, "forged", 401, judgement.why);
    if (!judgement.refused_for.empty()) {
        std::lock_guard guard(refusals_lock);
        for (const auto& company : judgement.refused_for) {
            auto& told = refusals[company];
            told.set_company_id(company.value());
            told.set_provider(std::string(provider->name()));
            told.set_count(told.count() + 1);
            told.set_last_at_us(to_micros(request.received_at));
            told.set_why(judgement.why);
        }
    }
    auto answer = http::problem({401, "Signature refused", "The signature does not prove this webhook: " + judgement.why + ". Check the signing key of the integration."}, request);
    answer.headers.add("WWW-Authenticate", "Signature");
    return answer;
}

/// What can be said before the body has come.
std::optional<http::Admission> Endpoint::Impl::admit(const http::Request& head) {
    http::Admission out;
    if (auto why = provider->unprovable(head, allow_unsigned, system_clock().now())) {
        tel::ServiceScope scope(service);
        out.refusal = refused(head, {Verdict::forged, {}, *why}, nullptr);
    }
    return out;
}

/// How many were refused of each company goes to company-service, so that its operators see a wrong key; one event a company and while, however many strangers knock.
void Endpoint::Impl::tell_refusals() {
    decltype(refusals) due;
    {
        std::lock_guard guard(refusals_lock);
        due.swap(refusals);
    }
    for (const auto& [company, message] : due) {
        events::Meta meta;
        meta.time = system_clock().now();
        meta.id = EventId{Uuid::v7(meta.time)};
        meta.source = "/" + service;
        meta.trace = tel::TraceContext::fresh();
        courier.send(events::encode(message, meta), [](Courier::Safe) {});
    }
}

/// A fault in one webhook is no other's: it alone is answered 500.
template <class Step>
void guarded(const http::Request& request, Step&& step) {
    try {
        step();
    } catch (const std::exception& e) {
        tel::error("handler failed", {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
    }
}

/// What has come in one turn of the loop: judged together, for many digests at once cost a fraction.
void Endpoint::Impl::take(std::vector<http::Asked> all) {
    tel::ServiceScope scope(service);
    auto now = system_clock().now();
    std::vector<Webhook> webhooks;
    webhooks.reserve(all.size());
    for (auto& asked : all)
        guarded(asked.request, [&] {
            auto received = stamp(now);
            auto alone = provider->judge_alone(asked.request, allow_unsigned, now);
            if (alone && alone->verdict == Verdict::forged) return asked.respond(refused(asked.request, *alone, nullptr));
            auto normalized = provider->normalize(asked.request);
            webhooks.push_back({std::move(asked.request), std::move(asked.respond), received, std::move(normalized), std::move(alone), {}});
        });
    verdicts(webhooks, now);
    std::vector<DigestJob> hashes;
    hashes.reserve(webhooks.size());
    for (const auto& w : webhooks)
        if (w.taken()) hashes.push_back({Digest::sha256, w.request.body});
    digest_all(hashes);
    auto hash = hashes.begin();
    for (auto& w : webhooks) {
        std::string_view digest = w.taken() ? std::string_view((hash++)->digest) : std::string_view();
        guarded(w.request, [&] {
            if (w.taken())
                accept(w, digest, now);
            else
                w.respond(refused(w.request, *w.judgement, &w.normalized));
        });
    }
}

void Endpoint::Impl::verdicts(std::vector<Webhook>& webhooks, Instant now) const {
    std::vector<Case> cases;
    cases.reserve(webhooks.size());
    for (const auto& w : webhooks)
        if (!w.judgement) cases.push_back({w.request, w.normalized.candidates});
    auto judged = judge(*provider, cases, companies, allow_unsigned, now);
    auto next = judged.begin();
    for (auto& w : webhooks)
        if (!w.judgement) w.judgement = std::move(*next++);
}

void Endpoint::Impl::accept(Webhook& w, std::string_view body_sha256, Instant now) {
    auto& [request, respond, received, normalized, judged, id] = w;
    auto& event = *normalized.event;
    const auto& judgement = *judged;
    auto event_id = events::provider_event_id_of(provider->name(), event.kind(), normalized.identity, request.body.empty() ? std::string_view() : body_sha256);
    id = event_id.value().to_string();
    auto line = [&](tel::Level level, std::string_view verdict, int status, std::string_view why) {
        log_webhook(*provider, w.request, *w.judgement, &w.normalized, w.id, level, verdict, status, why);
    };
    if (judgement.verdict == Verdict::open && !budget.take(request.client_address, request.body.size(), now)) {
        counters.limited.inc();
        line(tel::Level::warn, "limited", 429, "too many unverified webhooks");
        auto answer = http::problem({429, "Too many unverified webhooks", "Nobody's key proves this webhook, and too many such came lately. Register the number and its signing key."}, request);
        answer.headers.add("Retry-After", "60");
        respond(std::move(answer));
        return;
    }
    (judgement.verdict == Verdict::authentic ? counters.authentic : judgement.verdict == Verdict::unsigned_ ? counters.unsigned_ : counters.open).inc();

    fill_receipt(*event.mutable_receipt(), *provider, request, judgement, received);

    events::Meta meta;
    meta.id = event_id;
    meta.source = "/" + service;
    meta.time = received;
    meta.trace = request.trace;
    auto wire = events::encode(event, meta);
    line(tel::Level::info, to_text(judgement.verdict), 200, "");

    JsonWriter body;
    body.begin_object().member("success", true).key("data").begin_object().member("event_id", id).member("verdict", to_text(judgement.verdict)).end_object().end_object();
    auto responder = std::make_shared<http::Responder>(std::move(respond));
    request.body.clear();
    courier.send(std::move(wire), [responder, text = body.take(), request = std::move(request)](Courier::Safe safe) {
        if (safe != Courier::Safe::refused) {
            (*responder)(http::Response::json(200, text));
            return;
        }
        auto answer = http::problem({503, "Not taken", "The webhook could not be stored safely; send it again."}, request);
        answer.headers.add("Retry-After", "5");
        (*responder)(std::move(answer));
    });
}

Endpoint::Endpoint(app::Service& service, std::shared_ptr<const Provider> provider, const directory::Companies& companies)
    : impl_(std::make_shared<Impl>(service, std::move(provider), companies)) {
    auto impl = impl_;
    http::RouteLimits limits;
    limits.body = impl->provider->body_limit();
    limits.admit = [impl](const http::Request& head, bool) { return impl->admit(head); };
    service.routes().add_async(http::Method::post, impl->provider->paths(), [impl](std::vector<http::Asked> all) { impl->take(std::move(all)); }, limits);
    service.on_start("courier to Kafka", [impl] { impl->courier.start(); });
    service.on_stop("courier to Kafka", [impl](Millis within) {
        impl->tell_refusals();
        impl->courier.stop(within);
    });
    service.watch(impl->courier.event_fd(), [impl] { impl->courier.serve(); });
    service.every(Millis{20}, [impl] { impl->courier.serve(); });
    service.every(Millis{5'000}, [impl] { impl->tell_refusals(); });
    if (impl->allow_unsigned)
        service.warn("unsigned webhooks of " + std::string(impl->provider->name()) + " are taken where no key is set (OTTO_ALLOW_UNSIGNED_WEBHOOKS): anybody can make them up");
}

Endpoint::~Endpoint() = default;

}  // namespace otto::ingress
