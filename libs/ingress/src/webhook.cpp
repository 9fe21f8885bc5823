#include "ingress/webhook.hpp"

#include <algorithm>
#include <atomic>

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

Judgement judge(const Provider& provider, const http::Request& request, const Candidates& c, const directory::Companies& companies, bool allow_unsigned, Instant now) {
    std::vector<directory::ProfilePtr> candidates;
    auto add = [&](const directory::ProfilePtr& p) {
        if (p && std::none_of(candidates.begin(), candidates.end(), [&](const auto& known) { return known->id == p->id; })) candidates.push_back(p);
    };
    std::vector<directory::ProfilePtr> owners;
    if (!c.number.empty()) owners = companies.owners(c.number, c.purpose, now);
    for (const auto& p : owners) add(p);
    for (const auto& p : companies.by_callrail(c.provider_companies, c.account)) add(p);
    if (!c.claimed_company.empty()) add(companies.find(CompanyId{c.claimed_company}));

    std::vector<CompanyId> keyed;
    auto missing = provider.unsigned_because(request);
    for (const auto& p : candidates) {
        auto keys = provider.keys(*p, now);
        if (!keys.empty()) keyed.push_back(p->id);
        for (const auto& key : keys)
            if (!missing && provider.verifies(request, key)) return {Verdict::authentic, p->id, ""};
    }
    if (!keyed.empty()) return {Verdict::forged, {}, missing.value_or("no key matched"), std::move(keyed)};
    if (allow_unsigned && owners.size() == 1) return {Verdict::unsigned_, owners.front()->id, ""};
    return {Verdict::open, {}, ""};
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

    void take(http::Request, http::Responder);
    void refuse(const http::Request&, http::Responder, const Judgement&, const Normalized*);
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

void Endpoint::Impl::refuse(const http::Request& request, http::Responder respond, const Judgement& judgement, const Normalized* normalized) {
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
    respond(std::move(answer));
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

void Endpoint::Impl::take(http::Request request, http::Responder respond) {
    tel::ServiceScope scope(service);
    auto now = system_clock().now();
    auto received = stamp(now);
    auto alone = provider->judge_alone(request, allow_unsigned, now);
    if (alone && alone->verdict == Verdict::forged) return refuse(request, std::move(respond), *alone, nullptr);
    auto normalized = provider->normalize(request);
    auto& event = *normalized.event;
    auto judgement = alone ? *std::move(alone) : judge(*provider, request, normalized.candidates, companies, allow_unsigned, now);
    if (judgement.verdict == Verdict::forged) return refuse(request, std::move(respond), judgement, &normalized);
    auto id = events::provider_event_id(provider->name(), event.kind(), normalized.identity, request.body);
    auto line = [&](tel::Level level, std::string_view verdict, int status, std::string_view why) {
        log_webhook(*provider, request, judgement, &normalized, id.value().to_string(), level, verdict, status, why);
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
    meta.id = id;
    meta.source = "/" + service;
    meta.time = received;
    meta.trace = request.trace;
    auto wire = events::encode(event, meta);
    line(tel::Level::info, to_text(judgement.verdict), 200, "");

    JsonWriter body;
    body.begin_object().member("success", true).key("data").begin_object().member("event_id", id.value().to_string()).member("verdict", to_text(judgement.verdict)).end_object().end_object();
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
    for (const auto& path : impl->provider->paths())
        service.routes().add_async(http::Method::post, path, [impl](http::Request r, http::Responder respond) { impl->take(std::move(r), std::move(respond)); }, limits);
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
