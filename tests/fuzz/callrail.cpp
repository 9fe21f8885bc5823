// A CallRail webhook: lines with the route's last part, the content type, the query and the header Signature; the rest is the
// body.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <set>

#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "ingress/judge.hpp"
#include "otto/inbound/v1/inbound.pb.h"

using namespace otto;
namespace pb = otto::inbound::v1;

namespace {

constexpr std::int64_t kWeek = 7 * 86'400, kEndOf2200 = 7'289'654'400'000'000;

/// Every text of the message: what stands in rows can be kept by Postgres, which knows no NUL, and by proto3, which knows UTF-8
/// only.
void check_texts(const google::protobuf::Message& m) {
    const auto* reflection = m.GetReflection();
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    reflection->ListFields(m, &fields);
    using Field = google::protobuf::FieldDescriptor;
    for (const auto* f : fields) {
        int n = f->is_repeated() ? reflection->FieldSize(m, f) : 1;
        for (int i = 0; i < n; ++i) {
            if (f->cpp_type() == Field::CPPTYPE_MESSAGE) {
                check_texts(f->is_repeated() ? reflection->GetRepeatedMessage(m, f, i) : reflection->GetMessage(m, f));
            } else if (f->type() == Field::TYPE_STRING) {
                auto text = f->is_repeated() ? reflection->GetRepeatedString(m, f, i) : reflection->GetString(m, f);
                OTTO_EXPECT(valid_utf8(text), f->full_name());
                OTTO_EXPECT(text.find('\0') == std::string::npos, f->full_name());
                OTTO_EXPECT(text.size() <= (64u << 10) + 200, f->full_name());
            }
        }
    }
}

bool e164(std::string_view text) {
    return text.starts_with('+') && text.size() >= 8 && text.size() <= 16 &&
           text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

void check_report(const pb::CallReport& r) {
    OTTO_EXPECT(r.stage() >= pb::STAGE_PRE_CALL && r.stage() <= pb::STAGE_MODIFIED, r.ShortDebugString());
    static const std::set<std::string> statuses{"", "ringing", "in_progress", "completed", "missed", "voicemail", "failed"};
    OTTO_EXPECT(statuses.contains(r.status()), r.status());
    OTTO_EXPECT(!r.status().empty() || r.stage() == pb::STAGE_MODIFIED, r.ShortDebugString());
    OTTO_EXPECT(r.customer_phone_callable() == e164(r.customer_phone()) || !r.customer_phone_callable(), r.customer_phone());
    OTTO_EXPECT(!r.has_direction() || r.direction() == "inbound" || r.direction() == "outbound", r.direction());
    OTTO_EXPECT(
        r.duration_s() >= 0 && r.duration_s() <= kWeek && r.recording_duration_s() >= 0 && r.recording_duration_s() <= kWeek,
        r.ShortDebugString());
    if (r.stage() == pb::STAGE_PRE_CALL)
        OTTO_EXPECT(!r.has_duration_s() && !(r.has_answered() && !r.answered()) && r.status() == "ringing", r.ShortDebugString());
    OTTO_EXPECT(r.started_at_us() >= 0 && r.started_at_us() < kEndOf2200 && r.ended_at_us() >= 0 &&
                    r.ended_at_us() < kEndOf2200 + kWeek * 1'000'000,
                r.ShortDebugString());
    OTTO_EXPECT(!r.has_recording_url() || r.recording_url().starts_with("https://") || r.recording_url().starts_with("http://"),
                r.recording_url());
    OTTO_EXPECT(r.provider_call_id() == (r.aliases_size() > 0 ? r.aliases(0) : ""), r.ShortDebugString());
    std::set<std::string> ids(r.aliases().begin(), r.aliases().end());
    OTTO_EXPECT(static_cast<int>(ids.size()) == r.aliases_size() && r.aliases_size() <= 3, r.ShortDebugString());
    for (const auto& id : ids) OTTO_EXPECT(!trim(id).empty() && id.size() <= 200, id);
    OTTO_EXPECT(r.tags_size() == 0 || r.has_tags(), r.ShortDebugString());
}

}  // namespace

void fuzz(std::string_view text) {
    [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);  // it prints each broken text
    static const auto& provider = *providers::webhook_of("callrail");
    static const auto paths = provider.paths();
    fuzzing::Input input(text);
    http::Request request;
    request.method = http::Method::post;
    request.received_at = from_micros(1'767'225'600'000'000);
    auto last = input.line();
    request.path = "/api/v1/callrail/webhook";
    for (const auto& path : paths)  // the router lets no other path come here
        if (path.ends_with("/" + std::string(last))) request.path = path;
    request.headers.add("Content-Type", std::string(input.line()));
    request.target = request.path + "?" + std::string(input.line());
    request.client_address = request.headers.get("content-type");  // whatever a proxy says
    const std::string signature(input.line());
    request.body = input.rest();

    const auto parts = providers::Parts::of(request);
    const auto reading = provider.read(parts);
    auto n = reading->normalize(parts);
    const auto& addressee = reading->addressee();
    OTTO_EXPECT(n.event != nullptr, "");
    const auto& event = *n.event;
    static const std::set<std::string> kinds{"call.incoming", "call.answered",    "call.completed", "call.missed",
                                             "call.modified", "message.received", "message.sent"};
    OTTO_EXPECT(kinds.contains(event.kind()), event.kind());
    OTTO_EXPECT(!event.key().empty(), "an event without a key has no order");
    OTTO_EXPECT(event.has_call() || event.has_message() || !event.not_understood().empty(), "neither understood nor said why");
    check_texts(event);
    pb::ProviderEvent arrived;
    OTTO_EXPECT(arrived.ParseFromString(event.SerializeAsString()), event.ShortDebugString());
    OTTO_EXPECT(arrived.SerializeAsString() == event.SerializeAsString(), event.ShortDebugString());
    OTTO_EXPECT(event.ByteSizeLong() <= 10 * request.body.size() + 1'000, "normalized parts far larger than the body");
    if (event.has_call()) {
        const auto& r = event.call();
        check_report(r);
        OTTO_EXPECT(r.provider_call_id().empty() != event.not_understood().empty(), event.ShortDebugString());
        OTTO_EXPECT(
            n.identity == r.provider_call_id() && n.customer == r.customer_phone() && addressee.number() == r.tracking_number(),
            event.ShortDebugString());
        OTTO_EXPECT(addressee.has_at_us() == r.has_started_at_us() && addressee.at_us() == r.started_at_us(),
                    event.ShortDebugString());
        if (r.customer_phone_callable()) OTTO_EXPECT(event.key() == r.customer_phone(), event.key());
    } else if (event.has_message()) {
        const auto& r = event.message();
        OTTO_EXPECT(r.direction() == "inbound" || r.direction() == "outbound", r.ShortDebugString());
        OTTO_EXPECT(r.provider_message_id().empty() != event.not_understood().empty(), event.ShortDebugString());
        OTTO_EXPECT(r.status() == (r.direction() == "inbound" ? "received" : "sent") && r.media_size() <= 100,
                    r.ShortDebugString());
        OTTO_EXPECT(n.identity == r.provider_message_id() && n.customer == r.customer_phone() &&
                        addressee.number() == r.company_number() &&
                        addressee.other_number() == (r.customer_phone_callable() ? r.customer_phone() : ""),
                    event.ShortDebugString());
    } else {
        OTTO_EXPECT(n.identity.empty() && n.customer.empty() && addressee.number().empty(), "");
    }
    // Pure: the same request is the same event.
    OTTO_EXPECT(event.addressee().SerializeAsString() == addressee.SerializeAsString(), event.ShortDebugString());
    auto again = provider.read(parts)->normalize(parts);
    OTTO_EXPECT(again.event->SerializeAsString() == event.SerializeAsString() && again.identity == n.identity,
                event.ShortDebugString());
    // White space around JSON says nothing.
    if (event.has_call() && !request.body.empty() && request.body.front() == '{') {
        auto spaced = request;
        spaced.body = "\r\n " + request.body + " \n";
        auto its = providers::Parts::of(spaced);
        OTTO_EXPECT(provider.read(its)->normalize(its).event->SerializeAsString() == event.SerializeAsString(),
                    event.ShortDebugString());
    }
    // The headers that carry a signature, and no other.
    request.headers.add("Signature", signature);
    request.headers.add("X-CallRail-Signature", std::string(input.rest().substr(0, 100)));
    request.headers.add("Authorization", "Bearer x");
    const auto offered = providers::Parts::of(request);
    auto proof = provider.proof(offered);
    OTTO_EXPECT(proof.missing.has_value() == proof.alternatives.empty(), "");
    for (const auto& claims : proof.alternatives)
        for (const auto& claim : claims) OTTO_EXPECT(claim.composed.empty() && claim.body == request.body, "");
    // What goes to Kafka can be read again, and has the body as it came.
    auto whole = event;
    ingress::fill_receipt(*whole.mutable_receipt(), provider, request, {ingress::Verdict::open}, from_micros(1));
    OTTO_EXPECT(arrived.ParseFromString(whole.SerializeAsString()), whole.ShortDebugString());
    OTTO_EXPECT(arrived.receipt().raw_body() == request.body && arrived.receipt().headers_size() == 2, whole.ShortDebugString());
    // What was kept is read as what came.
    const auto kept = providers::Parts::of(arrived.receipt());
    OTTO_EXPECT(kept.path == request.path, arrived.receipt().request_target());
    if (valid_utf8(request.headers.get("content-type")))
        OTTO_EXPECT(provider.read(kept)->normalize(kept).event->SerializeAsString() == event.SerializeAsString(),
                    whole.ShortDebugString());
}
