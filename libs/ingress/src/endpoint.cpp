#include "ingress/endpoint.hpp"

#include <algorithm>
#include <atomic>

#include "app/common.hpp"
#include "heard_streams.hpp"
#include "ingress/callee.hpp"
#include "ingress/publisher.hpp"
#include "ingress/quotas.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "runtime/runtime.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/span.hpp"

namespace otto::ingress {

namespace pb = otto::inbound::v1;

app::Rows ingress_rows() {
    auto all = app::kafka_rows();
    for (const auto& row : {kSpoolDir.row, kSpoolMegabytes.row, rt::kInboxDays.row, kAllowUnsigned.row}) all.push_back(row);
    return all;
}

app::Rows company_keyed_rows() {
    auto all = ingress_rows();
    for (const auto& row : {app::kSecretKeys.row, kOpenPerSecond.row, kOpenEvents.row, kOpenMegabytes.row, kOpenDays.row,
                            kHeldEvents.row, kHeldMegabytes.row})
        all.push_back(row);
    return all;
}

namespace {

const tel::Counters kWebhooks{
    "otto_webhooks_total", "Webhooks by provider and what was thought of them.", {"provider", "verdict"}};

using Steady = std::chrono::steady_clock;

/// What the first webhook would wait for is fetched before: so long at most, for without Kafka there is the spool.
constexpr Millis kWarmUp{5'000};
/// The part of the spool above which other processes shall take webhooks, if there are any.
constexpr double kNearlyFull = 0.95;

constexpr std::size_t kMostClients = 256;  ///< client addresses whose refusals are told of a company at once
constexpr int kMostOfAClient = 10;
// What is larger is judged by a worker: parsing and hashing megabytes would hold up all that come by the I/O thread. So is what
// would make one turn of it long.
constexpr std::size_t kLargeBody = 64u << 10, kMostInATurn = 256u << 10;
constexpr double kUntilCounted = 1.0 / 24;  ///< days: an hour, in which tenant-router surely counts what this process let in

}  // namespace

/// How much is taken of what may wait. Nothing that the deployment's key proves does.
struct Quotas {
    explicit Quotas(const app::Settings& s)
        : unverified({static_cast<double>(s.get(kOpenPerSecond)), static_cast<double>(s.get(kOpenEvents)),
                      static_cast<double>(s.get(kOpenMegabytes)) * 1024 * 1024, static_cast<double>(s.get(kOpenDays))}),
          held({static_cast<double>(s.get(kHeldEvents)), static_cast<double>(s.get(kHeldMegabytes)) * 1024 * 1024,
                kUntilCounted}) {}
    UnverifiedQuota unverified;
    HeldQuota held;
};

struct Endpoint::Impl : std::enable_shared_from_this<Endpoint::Impl> {
    Impl(app::Service& s, const providers::Webhook& w, std::unique_ptr<const Judge> j, const directory::Companies* c,
         std::unique_ptr<Quotas> q)
        : service(s.name()),
          webhook(w),
          judge(std::move(j)),
          companies(c),
          public_url(w.signs_address() ? s.settings().get(app::kPublicUrl) : ""),
          publisher([&] {
              PublisherOptions o;
              o.brokers = s.settings().get(app::kKafkaBrokers);
              o.client_id = service;
              o.spool_dir = s.settings().get(kSpoolDir) + "/" + service;
              o.spool_bytes = static_cast<std::size_t>(s.settings().get(kSpoolMegabytes)) << 20;
              o.topics = {"otto.inbound"};
              if (c) o.topics.push_back("otto.changes");  // whose signatures fail
              return o;
          }()),
          quotas(std::move(q)) {
        while (public_url.ends_with('/')) public_url.pop_back();
    }

    /// A webhook on its way through the endpoint. `parts` views the request, which stays where it is from then on.
    struct Incoming {
        http::Request request;
        http::Responder respond;
        Instant received;
        providers::Parts parts = {};
        std::unique_ptr<providers::Reading> reading = {};
        Judgement judgement = {};
        providers::Normalized normalized = {};  ///< once it is settled that it is taken
    };

    void take(std::vector<http::PendingRequest>);
    void judge_all(std::vector<Incoming>, Instant now);
    bool limited(Incoming&, Instant now);
    void accept(Incoming&, std::string_view body_sha256, Instant now);
    http::Response answer(Incoming&, std::string_view event_id, Instant now);
    http::Response refusal(const http::Request&, const Judgement&, const providers::Reading*);
    void tell_refusals();
    Instant stamp(Instant now);

    std::string service;
    const providers::Webhook& webhook;
    std::unique_ptr<const Judge> judge;
    const directory::Companies* companies;  ///< null: the deployment's key proves the webhooks, and no company's
    std::string public_url;                 ///< where the provider signs addresses
    Publisher publisher;
    std::unique_ptr<Quotas> quotas;  ///< null: nothing waits
    HeardStreams streams;
    std::atomic<std::int64_t> last_us{0};
    std::mutex refusals_lock;
    struct Refusals {
        changes::v1::SignaturesRefused told;
        std::map<std::string, int> clients;  ///< how many of each address are counted
    };
    std::map<CompanyId, Refusals> refusals;  ///< not told yet

    tel::Counter counter(const char* verdict) const { return kWebhooks({std::string(webhook.name()), verdict}); }
    struct {
        tel::Counter authentic, open, unsigned_, forged, limited;
    } counters{counter("authentic"), counter("open"), counter("unsigned"), counter("forged"), counter("limited")};
};

/// received_at = max(now, last + 1 µs): no two events of one ingress have the same. After the clock has stepped back it stands
/// nearly still, so nothing but an event's place in the order may be taken from it.
Instant Endpoint::Impl::stamp(Instant now) {
    auto last = last_us.load();
    std::int64_t mine = 0;
    do mine = std::max(to_micros(now), last + 1);
    while (!last_us.compare_exchange_weak(last, mine));
    return from_micros(mine);
}

/// One line a webhook: what came, and what was thought of it. `reading` is null if it was refused before its body was looked at;
/// `n` if nothing was made of it.
void log_webhook(const providers::Webhook& webhook, const http::Request& request, const Judgement& judgement,
                 const providers::Reading* reading, const providers::Normalized* n, const std::string& event_id, tel::Level level,
                 std::string_view verdict, int status, std::string_view why) {
    auto kind = n ? n->event->kind() : request.path.substr(request.path.rfind('/') + 1);
    if (kind == "webhook") kind.clear();
    auto headline = std::string(webhook.title()) + (kind.empty() ? "" : " " + kind) + " webhook";
    if (kind == "message.received")
        headline = std::string(webhook.title()) + " SMS webhook received from " + tel::phone_hash(n->customer);
    else if (n && n->moment && n->moment->kind == providers::CallMoment::Kind::incoming)
        headline = std::string(webhook.title()) + " call webhook received from " + tel::phone_hash(n->customer);
    tel::log(level, headline,
             {{"provider", webhook.name()},
              {"kind", kind},
              {"event_id", event_id},
              {"verdict", verdict},
              {"status", status},
              {"why", why},
              {"company_id", judgement.company.value()},
              tel::phone("tracking_number", reading ? reading->addressee().number() : ""),
              tel::phone("customer", n ? n->customer : ""),
              {"not_understood", n ? n->event->not_understood() : ""},
              {"bytes", request.body.size()},
              {"client", request.client_address},
              {"request_id", request.request_id},
              {"trace_id", request.trace.trace_id_hex()}});
}

http::Response Endpoint::Impl::refusal(const http::Request& request, const Judgement& judgement,
                                       const providers::Reading* reading) {
    const auto& [why, cure, operators_cure] = judgement.refusal;
    counters.forged.inc();
    log_webhook(webhook, request, judgement, reading, nullptr, "", tel::Level::warn, "forged", 401,
                operators_cure.empty() ? why : why + "; " + operators_cure);
    if (!judgement.refused_for.empty()) {
        std::lock_guard guard(refusals_lock);
        for (const auto& company : judgement.refused_for) {
            // Anybody can knock with a signature that looks like one: what one address adds to the count is bounded.
            auto& [told, clients] = refusals[company];
            if (clients.size() >= kMostClients && !clients.contains(request.client_address)) continue;
            if (++clients[request.client_address] > kMostOfAClient) continue;
            told.set_company_id(company.value());
            told.set_provider(std::string(webhook.name()));
            told.set_count(told.count() + 1);
            told.set_last_at_us(to_micros(request.received_at));
            told.set_why(why);
        }
    }
    auto answer =
        http::problem({401, "Signature refused", "The signature does not prove this webhook: " + why + ". " + cure}, request);
    answer.headers.add("WWW-Authenticate", "Signature");
    return answer;
}

/// How many were refused of each company goes to company-service, so that its operators see a wrong key; one event a company and
/// while, however many strangers knock.
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
        publisher.send(events::encode(counted.told, meta), [](Publisher::Safe) {});
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
void Endpoint::Impl::take(std::vector<http::PendingRequest> all) {
    auto now = system_clock().now();
    std::vector<Incoming> here;
    here.reserve(all.size());
    std::size_t bytes = 0;
    for (auto& pending : all) {
        if (pending.request.path.ends_with('/')) pending.request.path.pop_back();
        Incoming w{std::move(pending.request), std::move(pending.respond), stamp(now)};
        auto size = w.request.body.size();
        if (size <= kLargeBody && bytes + size <= kMostInATurn) {
            bytes += size;
            here.push_back(std::move(w));
            continue;
        }
        auto elsewhere = std::make_shared<std::vector<Incoming>>();
        elsewhere->push_back(std::move(w));
        elsewhere->front().respond.offload(
            [self = shared_from_this(), elsewhere, now] { self->judge_all(std::move(*elsewhere), now); }, [] {});
    }
    judge_all(std::move(here), now);
}

void Endpoint::Impl::judge_all(std::vector<Incoming> all, Instant now) {
    tel::ServiceScope scope(service);
    std::vector<Incoming*> read;
    std::vector<Judge::Case> cases;
    read.reserve(all.size());
    cases.reserve(all.size());
    for (auto& w : all)
        guarded(w.request, [&] {
            w.parts = providers::Parts::of(w.request);
            if (webhook.signs_address()) w.parts.urls = addresses_of(public_url, w.request);
            w.reading = webhook.read(w.parts);
            read.push_back(&w);
            cases.push_back({w.parts, w.reading->addressee(), w.received});
        });
    auto judged = judge->judge(cases, now);
    for (std::size_t i = 0; i < read.size(); ++i) read[i]->judgement = std::move(judged[i]);

    std::vector<Incoming*> taken;
    std::vector<DigestJob> hashes;
    for (auto* w : read)
        guarded(w->request, [&] {
            if (w->judgement.verdict == Verdict::forged) return w->respond(refusal(w->request, w->judgement, w->reading.get()));
            if (limited(*w, now)) return;
            w->normalized = w->reading->normalize(w->parts);
            taken.push_back(w);
            hashes.push_back({Digest::sha256, w->request.body});
        });
    digest_all(hashes);
    for (std::size_t i = 0; i < taken.size(); ++i) guarded(taken[i]->request, [&] { accept(*taken[i], hashes[i].digest, now); });
}

/// Whether the webhook is one too many of those that will wait, and was answered so. Of authentic ones those alone are refused
/// that are about a number which finally is another's: who signs them can send as many as he likes, and none of them is his own.
bool Endpoint::Impl::limited(Incoming& w, Instant now) {
    const auto& judgement = w.judgement;
    auto size = w.request.body.size();
    bool open = judgement.verdict == Verdict::open;
    if (!quotas || (!open && !judgement.contested)) return false;
    bool company_full =
        !judgement.held_for.value().empty() && (judgement.held_limited || !quotas->held.room(judgement.held_for, size, now));
    if (!company_full && (!open || quotas->unverified.take(w.request.client_address, size, now))) return false;
    counters.limited.inc();
    auto why = !company_full ? "too many unverified webhooks"
               : open        ? "too many of the company are held"
                             : "too many of the company are held, and this one is about another company's number";
    log_webhook(webhook, w.request, judgement, w.reading.get(), nullptr, "", tel::Level::warn, "limited", 429, why);
    auto answer =
        open ? http::problem(
                   {429, "Too many unverified webhooks",
                    "Nobody's key proves this webhook, and too many such came lately. Register the number and its signing key."},
                   w.request)
             : http::problem({429, "Too many held webhooks",
                              "This webhook's number is another company's than the one whose key signed it, and too many such "
                              "are held. Correct the number where it is set up."},
                             w.request);
    answer.headers.add("Retry-After", "60");
    w.respond(std::move(answer));
    return true;
}

/// What it will be answered with; the event keeps what is to be kept of that.
http::Response Endpoint::Impl::answer(Incoming& w, std::string_view event_id, Instant now) {
    const auto& judgement = w.judgement;
    providers::Webhook::Taken taken{event_id, to_text(judgement.verdict), *w.normalized.event};
    if (!w.normalized.moment || !companies) return webhook.answer(taken);
    auto& moment = *w.normalized.moment;
    const auto& addressee = w.reading->addressee();
    const auto call = addressee.account_id() + " " + moment.call_sid;
    const bool proven = judgement.verdict == Verdict::authentic || judgement.verdict == Verdict::unsigned_;
    if (moment.stream_event.empty())
        moment.stream_event = streams.of(call);
    else if (proven)
        streams.heard(call, moment.stream_event);
    const auto callee = callee_of(*companies, judgement, addressee, moment.from, public_url, now);
    taken.moment = &moment;
    taken.callee = callee ? &*callee : nullptr;
    taken.now = now;
    return webhook.answer(taken);
}

/// A webhook that is safe, or is not to be had.
void tell_webhook(tel::Span& step, Publisher::Safe safe) {
    step.ended = system_clock().now();
    step.failed = safe == Publisher::Safe::refused;
    step.attributes.emplace_back("otto.safe", safe == Publisher::Safe::kafka   ? "kafka"
                                              : safe == Publisher::Safe::spool ? "spool"
                                                                               : "refused");
    tel::tell(std::move(step));
}

void Endpoint::Impl::accept(Incoming& w, std::string_view body_sha256, Instant now) {
    auto& request = w.request;
    auto& event = *w.normalized.event;
    const auto& judgement = w.judgement;
    const bool alone = request.body.empty() || w.normalized.whole;
    auto event_id = events::provider_event_id_of(webhook.name(), event.kind(), w.normalized.identity,
                                                 alone ? std::string_view() : body_sha256);
    auto id = event_id.value().to_string();
    (judgement.verdict == Verdict::authentic   ? counters.authentic
     : judgement.verdict == Verdict::unsigned_ ? counters.unsigned_
                                               : counters.open)
        .inc();

    // What will wait counts, whether it could have been refused or not.
    auto waits_for = judgement.held_for.value().empty() && w.normalized.waits ? judgement.company : judgement.held_for;
    if (quotas && !waits_for.value().empty()) {
        quotas->held.room(waits_for, request.body.size(), now);  // which forgets what time has passed over
        quotas->held.add(waits_for, request.body.size());
    }
    fill_receipt(*event.mutable_receipt(), webhook, request, judgement, w.received, w.parts.urls);
    auto answer = this->answer(w, id, now);

    events::Meta meta;
    meta.id = event_id;
    meta.source = "/" + service;
    meta.time = w.received;
    meta.trace = request.trace;
    // From here until it is safe, where steps are told.
    std::shared_ptr<tel::Span> step;
    if (tel::tracing()) {
        meta.trace = request.trace.child();
        step = std::make_shared<tel::Span>(
            tel::Span{meta.trace, request.trace.span_id, tel::SpanKind::producer, "webhook " + std::string(webhook.name()), now});
        step->service = service;
        step->attributes.emplace_back("otto.verdict", std::string(to_text(judgement.verdict)));
    }
    auto wire = events::encode(event, meta);
    log_webhook(webhook, request, judgement, w.reading.get(), &w.normalized, id, tel::Level::info, to_text(judgement.verdict),
                200, "");

    auto responder = std::make_shared<http::Responder>(std::move(w.respond));
    request.body = std::string();  // its memory goes here, not with the answer
    publisher.send(std::move(wire), [responder, answer = std::move(answer), request = std::move(request),
                                     step = std::move(step)](Publisher::Safe safe) mutable {
        if (step) tell_webhook(*step, safe);
        if (safe == Publisher::Safe::refused) {
            answer = http::problem({503, "Not taken", "The webhook could not be stored safely; send it again."}, request);
            answer.headers.add("Retry-After", "5");
        }
        (*responder)(std::move(answer));
    });
}

namespace {

bool unsigned_allowed(const app::Service& service, const providers::Webhook& webhook) {
    auto allowed = service.settings().get(kAllowUnsigned);
    return std::find(allowed.begin(), allowed.end(), webhook.name()) != allowed.end();
}

}  // namespace

Endpoint::Endpoint(app::Service& service, const providers::Webhook& webhook, const directory::Companies& companies,
                   DeploymentAccount deployment)
    : Endpoint(service, webhook,
               std::make_unique<KeyedByCompany>(webhook, companies, unsigned_allowed(service, webhook), std::move(deployment)),
               &companies, std::make_unique<Quotas>(service.settings())) {}

Endpoint::Endpoint(app::Service& service, const providers::Webhook& webhook, DeploymentKey key)
    : Endpoint(service, webhook, std::make_unique<KeyedByDeployment>(webhook, std::move(key), unsigned_allowed(service, webhook)),
               nullptr, nullptr) {}

Endpoint::Endpoint(app::Service& service, const providers::Webhook& webhook, std::unique_ptr<const Judge> judge,
                   const directory::Companies* companies, std::unique_ptr<Quotas> quotas)
    : impl_(std::make_shared<Impl>(service, webhook, std::move(judge), companies, std::move(quotas))) {
    auto impl = impl_;
    http::RouteLimits limits;
    limits.body = webhook.body_limit();
    auto admit = [impl](const http::Request& head, bool) -> std::optional<http::Admission> {
        http::Admission admission;
        if (auto refused = impl->judge->refused_by_head(providers::Parts::of(head))) {
            Judgement forged{Verdict::forged};
            forged.refusal = std::move(*refused);
            tel::ServiceScope scope(impl->service);
            admission.refusal = impl->refusal(head, forged, nullptr);
        }
        return admission;
    };
    if (impl->judge->judges_heads()) limits.admit = admit;
    // An address that was pasted with a slash at its end is the same: providers do not try again.
    auto paths = webhook.paths();
    for (std::size_t i = 0, n = paths.size(); i < n; ++i) paths.push_back(paths[i] + "/");
    service.routes().add_async(
        http::Method::post, paths, [impl](std::vector<http::PendingRequest> all) { impl->take(std::move(all)); }, limits);
    service.on_start("publisher to Kafka", [impl] { impl->publisher.start(); });
    // Without Kafka the spool takes webhooks, so this holds nothing up, and is given up soon.
    service.ready_after("kafka", [impl, until = std::optional<Steady::time_point>()]() mutable -> std::optional<app::Awaited> {
        if (!until) until = Steady::now() + kWarmUp;
        auto warm = impl->publisher.warm_up(Millis{500});
        if (warm) return std::nullopt;
        if (Steady::now() < *until) return app::Awaited{"kafka", warm.error().describe()};
        tel::warn("Kafka is not there at the start: webhooks go to the spool", {{"why", warm.error().describe()}});
        return std::nullopt;
    });
    service.ready_when(
        "spool", [impl, limit = static_cast<double>(service.settings().get(kSpoolMegabytes) << 20)]() -> Result<void> {
            if (static_cast<double>(impl->publisher.spooled_bytes()) < kNearlyFull * limit) return {};
            return Error("the spool is nearly full", "Kafka must take webhooks again, or OTTO_SPOOL_MEGABYTES be raised");
        });
    service.depends_on("kafka", [impl] { return impl->publisher.kafka_answers(Millis{1'500}); });
    service.on_stop("publisher to Kafka", [impl](Millis within) {
        impl->tell_refusals();
        impl->publisher.stop(within);
    });
    service.watch(impl->publisher.event_fd(), [impl] { impl->publisher.serve(); });
    service.every(Millis{20}, [impl] { impl->publisher.serve(); });
    service.every(Millis{5'000}, [impl] { impl->tell_refusals(); });
    if (auto old = impl->publisher.put_aside(); !old.empty()) service.warn(old);
    if (unsigned_allowed(service, webhook))
        service.warn("unsigned webhooks of " + std::string(webhook.name()) +
                     " are taken where no key is set (OTTO_ALLOW_UNSIGNED_WEBHOOKS): anybody can make them up");
}

Endpoint::~Endpoint() = default;

}  // namespace otto::ingress
