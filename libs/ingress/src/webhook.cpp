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

app::Rows ingress_rows() {
    return {app::kKafkaBrokers.row, app::kSecretKeys.row, kSpoolDir.row, kSpoolMegabytes.row, kAllowUnsigned.row, kOpenPerSecond.row, kOpenEvents.row, kOpenMegabytes.row, kOpenDays.row,
            kHeldEvents.row, kHeldMegabytes.row};
}

namespace {

constexpr std::size_t kMostClients = 256;  ///< client addresses whose refusals are told of a company at once
constexpr int kMostOfAClient = 10;
// What is larger is judged by a worker: parsing and hashing megabytes would hold up all that come by the I/O thread. So is what would make one turn of it long.
constexpr std::size_t kLargeBody = 64u << 10, kMostInATurn = 256u << 10;
constexpr double kUntilCounted = 1.0 / 24;  ///< days: an hour, in which tenant-router surely counts what this process let in

}  // namespace

struct Endpoint::Impl : std::enable_shared_from_this<Endpoint::Impl> {
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
                  static_cast<double>(s.settings().get(kOpenMegabytes)) * 1024 * 1024, static_cast<double>(s.settings().get(kOpenDays))}),
          held({static_cast<double>(s.settings().get(kHeldEvents)), static_cast<double>(s.settings().get(kHeldMegabytes)) * 1024 * 1024, kUntilCounted}) {
        auto allowed = s.settings().get(kAllowUnsigned);
        allow_unsigned = std::find(allowed.begin(), allowed.end(), provider->name()) != allowed.end();
    }

    /// A webhook on its way through the endpoint.
    struct Webhook {
        http::Request request;
        http::Responder respond;
        Instant received;
        std::unique_ptr<Reading> reading;
        std::optional<Judgement> judgement = {};
        Normalized normalized = {};            ///< once it is settled that it is taken
    };

    void take(std::vector<http::Asked>);
    void judge_all(std::vector<Webhook>, Instant now);
    bool limited(Webhook&, Instant now);
    void accept(Webhook&, std::string_view body_sha256, Instant now);
    http::Response refusal(const http::Request&, const Judgement&, const Reading*);
    void tell_refusals();
    Instant stamp(Instant now);

    std::string service;
    std::shared_ptr<const Provider> provider;
    const directory::Companies& companies;
    Courier courier;
    OpenBudget budget;
    HeldBudget held;
    bool allow_unsigned = false;
    std::atomic<std::int64_t> last_us{0};
    std::mutex refusals_lock;
    struct Refusals {
        changes::v1::SignaturesRefused told;
        std::map<std::string, int> clients;    ///< how many of each address are counted
    };
    std::map<CompanyId, Refusals> refusals;    ///< not told yet

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

/// One line a webhook: what came, and what was thought of it. `reading` is null if it was refused before its body was looked at; `n` if nothing was made of it.
void log_webhook(const Provider& provider, const http::Request& request, const Judgement& judgement, const Reading* reading, const Normalized* n, const std::string& event_id, tel::Level level,
                 std::string_view verdict, int status, std::string_view why) {
    auto kind = n ? n->event->kind() : request.path.substr(request.path.rfind('/') + 1);
    if (kind == "webhook") kind.clear();
    tel::log(level, std::string(provider.title()) + (kind.empty() ? "" : " " + kind) + " webhook",
             {{"provider", provider.name()}, {"kind", kind}, {"event_id", event_id}, {"verdict", verdict}, {"status", status}, {"why", why},
              {"company_id", judgement.company.value()}, tel::phone("tracking_number", reading ? reading->asked.number : ""), tel::phone("customer", n ? n->customer : ""),
              {"not_understood", n ? n->event->not_understood() : ""}, {"bytes", request.body.size()}, {"client", request.client_address}, {"request_id", request.request_id},
              {"trace_id", request.trace.trace_id_hex()}});
}

http::Response Endpoint::Impl::refusal(const http::Request& request, const Judgement& judgement, const Reading* reading) {
    counters.forged.inc();
    log_webhook(*provider, request, judgement, reading, nullptr, "", tel::Level::warn, "forged", 401,
                judgement.operators_cure.empty() ? judgement.why : judgement.why + "; " + judgement.operators_cure);
    if (!judgement.refused_for.empty()) {
        std::lock_guard guard(refusals_lock);
        for (const auto& company : judgement.refused_for) {
            // Anybody can knock with a signature that looks like one: what one address adds to the count is bounded.
            auto& [told, clients] = refusals[company];
            if (clients.size() >= kMostClients && !clients.contains(request.client_address)) continue;
            if (++clients[request.client_address] > kMostOfAClient) continue;
            told.set_company_id(company.value());
            told.set_provider(std::string(provider->name()));
            told.set_count(told.count() + 1);
            told.set_last_at_us(to_micros(request.received_at));
            told.set_why(judgement.why);
        }
    }
    auto answer = http::problem({401, "Signature refused", "The signature does not prove this webhook: " + judgement.why + ". " + judgement.cure}, request);
    answer.headers.add("WWW-Authenticate", "Signature");
    return answer;
}

/// How many were refused of each company goes to company-service, so that its operators see a wrong key; one event a company and while, however many strangers knock.
void Endpoint::Impl::tell_refusals() {
    decltype(refusals) due;
    {
        std::lock_guard guard(refusals_lock);
        due.swap(refusals);
    }
    for (const auto& [company, counted] : due) {
        events::Meta meta;
        meta.time = system_clock().now();
        meta.id = EventId{Uuid::v7(meta.time)};
        meta.source = "/" + service;
        meta.trace = tel::TraceContext::fresh();
        courier.send(events::encode(counted.told, meta), [](Courier::Safe) {});
    }
}

/// A fault in one webhook is no other's: it alone is answered 500.
template <class Step>
void guarded(const http::Request& request, Step&& step) {
    try {
        step();
    } catch (const std::exception& e) {
        tel::error("handler failed", {{"path", request.route}, {"request_id", request.request_id}, {"why", e.what()}});
    }
}

/// What has come in one turn of the loop: judged together, for many digests at once cost a fraction.
void Endpoint::Impl::take(std::vector<http::Asked> all) {
    auto now = system_clock().now();
    std::vector<Webhook> here;
    here.reserve(all.size());
    std::size_t bytes = 0;
    for (auto& asked : all) {
        if (asked.request.path.ends_with('/')) asked.request.path.pop_back();
        Webhook w{std::move(asked.request), std::move(asked.respond), stamp(now), nullptr};
        auto size = w.request.body.size();
        if (size <= kLargeBody && bytes + size <= kMostInATurn) {
            bytes += size;
            here.push_back(std::move(w));
            continue;
        }
        auto elsewhere = std::make_shared<std::vector<Webhook>>();
        elsewhere->push_back(std::move(w));
        elsewhere->front().respond.offload([self = shared_from_this(), elsewhere, now] { self->judge_all(std::move(*elsewhere), now); }, [] {});
    }
    judge_all(std::move(here), now);
}

void Endpoint::Impl::judge_all(std::vector<Webhook> all, Instant now) {
    tel::ServiceScope scope(service);
    std::vector<Webhook*> open;
    for (auto& w : all)
        guarded(w.request, [&] {
            w.judgement = provider->judge_alone(w.request, allow_unsigned, now);
            if (w.judgement && w.judgement->verdict == Verdict::forged) return;
            w.reading = provider->read(w.request);
            if (!w.judgement) open.push_back(&w);
        });
    std::vector<Case> cases;
    cases.reserve(open.size());
    for (const auto* w : open) cases.push_back({w->request, w->reading->asked, w->reading->at.value_or(w->received)});
    auto judged = judge(*provider, cases, companies, allow_unsigned, now);
    for (std::size_t i = 0; i < open.size(); ++i) open[i]->judgement = std::move(judged[i]);

    std::vector<Webhook*> taken;
    std::vector<DigestJob> hashes;
    for (auto& w : all)
        guarded(w.request, [&] {
            if (!w.judgement || (!w.reading && w.judgement->verdict != Verdict::forged)) return;  // it failed above
            if (w.judgement->verdict == Verdict::forged) return w.respond(refusal(w.request, *w.judgement, w.reading.get()));
            if (limited(w, now)) return;
            w.normalized = w.reading->normalize(w.request);
            taken.push_back(&w);
            hashes.push_back({Digest::sha256, w.request.body});
        });
    digest_all(hashes);
    for (std::size_t i = 0; i < taken.size(); ++i) guarded(taken[i]->request, [&] { accept(*taken[i], hashes[i].digest, now); });
}

/// Whether the webhook is one too many of those that will wait, and was answered so. Of authentic ones those alone are refused that are about a number which finally is another's: who signs
/// them can send as many as he likes, and none of them is his own.
bool Endpoint::Impl::limited(Webhook& w, Instant now) {
    const auto& judgement = *w.judgement;
    auto size = w.request.body.size();
    bool open = judgement.verdict == Verdict::open;
    if (!open && !judgement.contested) return false;
    bool company_full = false;
    if (!judgement.held_for.value().empty()) {
        auto company = companies.find(judgement.held_for);
        company_full = (company && company->held_limited) || !held.room(judgement.held_for, size, now);
    }
    if (!company_full && (!open || budget.take(w.request.client_address, size, now))) return false;
    counters.limited.inc();
    auto why = !company_full ? "too many unverified webhooks" : open ? "too many of the company are held" : "too many of the company are held, and this one is about another company's number";
    log_webhook(*provider, w.request, judgement, w.reading.get(), nullptr, "", tel::Level::warn, "limited", 429, why);
    auto answer = open ? http::problem({429, "Too many unverified webhooks", "Nobody's key proves this webhook, and too many such came lately. Register the number and its signing key."}, w.request)
                       : http::problem({429, "Too many held webhooks", "This webhook's number is another company's than the one whose key signed it, and too many such are held. Correct the number where it is set up."}, w.request);
    answer.headers.add("Retry-After", "60");
    w.respond(std::move(answer));
    return true;
}

void Endpoint::Impl::accept(Webhook& w, std::string_view body_sha256, Instant now) {
    auto& request = w.request;
    auto& event = *w.normalized.event;
    const auto& judgement = *w.judgement;
    auto event_id = events::provider_event_id_of(provider->name(), event.kind(), w.normalized.identity, request.body.empty() ? std::string_view() : body_sha256);
    auto id = event_id.value().to_string();
    (judgement.verdict == Verdict::authentic ? counters.authentic : judgement.verdict == Verdict::unsigned_ ? counters.unsigned_ : counters.open).inc();

    // What will wait counts, whether it could have been refused or not.
    auto waits_for = judgement.held_for.value().empty() && w.normalized.waits ? judgement.company : judgement.held_for;
    if (!waits_for.value().empty()) {
        held.room(waits_for, request.body.size(), now);  // which forgets what time has passed over
        held.add(waits_for, request.body.size());
    }
    fill_receipt(*event.mutable_receipt(), *provider, request, judgement, w.received);

    events::Meta meta;
    meta.id = event_id;
    meta.source = "/" + service;
    meta.time = w.received;
    meta.trace = request.trace;
    auto wire = events::encode(event, meta);
    log_webhook(*provider, request, judgement, w.reading.get(), &w.normalized, id, tel::Level::info, to_text(judgement.verdict), 200, "");

    JsonWriter body;
    body.begin_object().member("success", true).key("data").begin_object().member("event_id", id).member("verdict", to_text(judgement.verdict)).end_object().end_object();
    auto responder = std::make_shared<http::Responder>(std::move(w.respond));
    request.body = std::string();  // its memory goes here, not with the answer
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
    limits.admit = [impl](const http::Request& head, bool) -> std::optional<http::Admission> {
        http::Admission admission;
        if (auto forged = impl->provider->refused_by_head(head, impl->allow_unsigned, system_clock().now())) {
            tel::ServiceScope scope(impl->service);
            admission.refusal = impl->refusal(head, *forged, nullptr);
        }
        return admission;
    };
    // An address that was pasted with a slash at its end is the same: providers do not try again.
    auto paths = impl->provider->paths();
    for (std::size_t i = 0, n = paths.size(); i < n; ++i) paths.push_back(paths[i] + "/");
    service.routes().add_async(http::Method::post, paths, [impl](std::vector<http::Asked> all) { impl->take(std::move(all)); }, limits);
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
