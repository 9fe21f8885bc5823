// Shunya's webhooks: a line with the scheme, a line with the timestamp header, a line with the signature header ({right} stands
// for the right one), then the body.
#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/shunya_webhook.hpp"

using namespace otto;
using namespace otto::providers::shunya;

void fuzz(std::string_view text) {
    fuzzing::Input input(text);
    auto scheme = scheme_of(input.line()).value_or(Scheme::timestamp_dot_body);
    const std::string stamp(input.line()), given(input.line()), body(input.rest());
    const Secret secret("a secret of Shunya's");
    const Instant now = from_micros(1'765'189'800'000'000);

    // Sorted JSON: what is written is JSON of the same meaning, ASCII, and is itself when sorted again; what is no JSON to our
    // parser is sorted only for doubt about depth and numbers beyond double.
    auto sorted = sorted_json(body);
    if (sorted) {
        for (char c : *sorted)
            OTTO_EXPECT(static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7F, *sorted);
        auto again = sorted_json(*sorted);
        OTTO_EXPECT(again.ok() && *again == *sorted, *sorted);
    } else {
        OTTO_EXPECT(!sorted.error().message.empty(), body);
    }
    if (auto parsed = JsonDocument::parse(body); parsed && !body.starts_with("\xEF\xBB\xBF")) OTTO_EXPECT(sorted.ok(), body);

    std::string message = stamp + ".";
    if (scheme == Scheme::timestamp_dot_body) message += body;
    if (scheme == Scheme::uwc) message += hex_encode(sha256(body));
    if (scheme == Scheme::sorted_json) message = stamp + ":" + sorted.value_or("");
    auto right = hex_encode(hmac_sha256(secret.reveal(), message));
    http::Request request;
    request.body = body;
    request.path = request.target = "/api/v1/shunya/webhook";
    request.headers.add(std::string(timestamp_header(scheme)), stamp);
    request.headers.add(std::string(signature_header(scheme)), given == "{right}" ? right : given);
    request.received_at = now;
    const Webhook provider(scheme);
    auto refused = [&](const std::string& of_body, const Secret& by, Instant at) -> std::optional<providers::Refusal> {
        auto r = request;
        r.body = of_body;
        r.received_at = at;
        auto parts = providers::Parts::of(r);
        auto proof = provider.proof(parts);
        if (proof.missing) return proof.missing;
        if (providers::proves(proof, by)) return std::nullopt;
        return providers::Refusal{"no secret matched", "", ""};
    };
    auto why = refused(body, secret, now);
    if (!why) {
        OTTO_EXPECT(given == "{right}" || given == right, given);
        OTTO_EXPECT(refused(body + "x", secret, now).has_value(), "another body passes");
        OTTO_EXPECT(refused(body, Secret("another one"), now).has_value(), "another secret passes");
        OTTO_EXPECT(refused(body, secret, now + std::chrono::minutes(11)).has_value(), "it passes for ever");
        OTTO_EXPECT(refused(body, secret, now - std::chrono::minutes(11)).has_value(), "it passes before its time");
    } else {
        OTTO_EXPECT(
            !why->why.empty() && (why->why == "no secret matched" || (!why->cure.empty() && !why->operators_cure.empty())), "");
    }
    const auto parts = providers::Parts::of(request);
    if (provider.refused_by_head(parts)) OTTO_EXPECT(why.has_value(), "the headers alone refute it, and it passes");
    auto n = provider.read(parts)->normalize(parts);
    auto twice = provider.read(parts)->normalize(parts);
    OTTO_EXPECT(n.event->SerializeAsString() == twice.event->SerializeAsString(), "not pure");
    OTTO_EXPECT(!n.event->key().empty() && !n.event->kind().empty() && n.event->has_job(), body);
    const auto& job = n.event->job();
    for (const auto* field : {&job.shunya_job_id(), &job.event_type(), &job.status(), &n.event->addressee().claimed_company_id(),
                              &n.event->not_understood(), &n.event->key()})
        OTTO_EXPECT(valid_utf8(*field) && field->find('\0') == std::string::npos && field->size() < 2'000, *field);
    OTTO_EXPECT(job.call_id() >= 0 && job.call_id() < (1ll << 53), std::to_string(job.call_id()));
    OTTO_EXPECT(!n.event->not_understood().empty() || !job.shunya_job_id().empty() || job.call_id() > 0, body);
}
