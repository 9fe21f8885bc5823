// A webhook of Twilio's: lines with the content type, the query (behind a '/' and the name of a call's path: "/next-step?step=1")
// and the header X-Twilio-Signature ({right} stands for the right one), then the body.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <set>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "ingress/judge.hpp"
#include "otto/inbound/v1/inbound.pb.h"

using namespace otto;
namespace pb = otto::inbound::v1;

namespace {

const std::string kPublic = "https://otto.example/front";
const Secret kToken("a token of Twilio's");

/// What Twilio signs of a form, written a second time.
std::string signed_message(const std::string& url, const std::string& body, bool form) {
    std::set<std::pair<std::string, std::string>> parameters;
    if (form)
        for (auto& one : parse_form(body)) parameters.insert(one);
    auto out = url;
    for (const auto& [name, value] : parameters) out += name + value;
    return out;
}

void check_texts(const google::protobuf::Message& m) {
    const auto* reflection = m.GetReflection();
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    reflection->ListFields(m, &fields);
    using Field = google::protobuf::FieldDescriptor;
    for (const auto* f : fields)
        for (int i = 0, n = f->is_repeated() ? reflection->FieldSize(m, f) : 1; i < n; ++i) {
            if (f->cpp_type() == Field::CPPTYPE_MESSAGE) {
                check_texts(f->is_repeated() ? reflection->GetRepeatedMessage(m, f, i) : reflection->GetMessage(m, f));
            } else if (f->type() == Field::TYPE_STRING) {
                auto text = f->is_repeated() ? reflection->GetRepeatedString(m, f, i) : reflection->GetString(m, f);
                OTTO_EXPECT(valid_utf8(text) && text.find('\0') == std::string::npos && text.size() <= 64u << 10, f->full_name());
            }
        }
}

void check_message(const pb::ProviderEvent& event, const providers::Normalized& n) {
    const auto& m = event.message();
    static const std::set<std::string> statuses{"received", "scheduled", "queued",      "sending",   "sent",
                                                "canceled", "failed",    "undelivered", "delivered", "read"};
    OTTO_EXPECT(event.kind() == (m.direction() == "inbound" ? "message.received" : "message.status"), event.kind());
    OTTO_EXPECT(m.direction() == "inbound" || m.direction() == "outbound", m.direction());
    OTTO_EXPECT(statuses.contains(m.status()) || !event.not_understood().empty(), m.status());
    OTTO_EXPECT((m.direction() == "inbound") == m.has_body() && (m.has_body() || m.body().empty()), m.ShortDebugString());
    OTTO_EXPECT(n.whole != m.provider_message_id().empty(), n.identity);
    OTTO_EXPECT(n.identity == m.provider_message_id() + ":" + m.status() && n.customer == m.customer_phone(), n.identity);
    OTTO_EXPECT(m.media_size() <= 100 && m.segments() >= 0 && m.segments() <= 1'000, m.ShortDebugString());
    OTTO_EXPECT(event.addressee().number() == m.company_number(), m.ShortDebugString());
    if (m.customer_phone_callable()) OTTO_EXPECT(event.key() == m.customer_phone(), event.key());
}

void check_call(const pb::ProviderEvent& event, const providers::Normalized& n) {
    const auto& c = event.call();
    static const std::set<std::string> kinds{"call.incoming", "call.status", "call.step", "call.recording"},
        statuses{"", "ringing", "in_progress", "ended", "missed", "failed"},
        recorded{"in_progress", "completed", "absent", "failed"};
    OTTO_EXPECT(kinds.contains(event.kind()), event.kind());
    OTTO_EXPECT(statuses.contains(c.status()), c.status());
    OTTO_EXPECT(c.stage() == pb::STAGE_PROGRESS && c.aliases_size() <= 2, c.ShortDebugString());
    OTTO_EXPECT(c.provider_call_id().empty() ? !event.not_understood().empty() : c.aliases(0) == c.provider_call_id(),
                c.ShortDebugString());
    OTTO_EXPECT(c.provider_call_id().size() <= 34 * 3, c.ShortDebugString());  // a byte that is no text becomes three
    OTTO_EXPECT(c.duration_s() >= 0 && c.duration_s() <= 7 * 86'400 && c.sequence() >= 0, c.ShortDebugString());
    OTTO_EXPECT(event.addressee().number() == c.tracking_number(), c.ShortDebugString());
    OTTO_EXPECT(
        event.addressee().number().empty() == !event.addressee().provider_call_id().empty() || c.provider_call_id().empty(),
        event.ShortDebugString());
    OTTO_EXPECT(n.customer == c.customer_phone(), n.customer);
    OTTO_EXPECT(c.customer_phone().empty() || !event.addressee().number().empty() || c.tracking_number().empty(),
                c.ShortDebugString());
    OTTO_EXPECT(!n.moment || event.kind() == "call.incoming" || event.kind() == "call.step", event.kind());
    if (event.kind() == "call.recording") {
        OTTO_EXPECT(c.has_recording() && c.status().empty() && c.customer_phone().empty() && !c.has_answered(),
                    c.ShortDebugString());
        OTTO_EXPECT(recorded.contains(c.recording().status()) || !event.not_understood().empty(), c.ShortDebugString());
        OTTO_EXPECT(n.whole != c.recording().sid().empty(), n.identity);
    } else {
        OTTO_EXPECT(!c.has_recording(), c.ShortDebugString());
    }
    if (c.customer_phone_callable()) OTTO_EXPECT(event.key() == c.customer_phone(), event.key());
}

}  // namespace

void fuzz(std::string_view text) {
    [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);  // it prints each broken text
    static const auto& provider = *providers::webhook_of("twilio");
    fuzzing::Input input(text);
    http::Request request;
    request.method = http::Method::post;
    request.received_at = from_micros(1'767'225'600'000'000);
    request.path = "/sms/twilio-webhook";
    request.headers.add("Content-Type", std::string(input.line()));
    const auto where = input.line();
    request.target =
        where.starts_with('/') ? "/api/aloha/webhooks" + std::string(where) : request.path + "?" + std::string(where);
    request.path = percent_decode(std::string_view(request.target).substr(0, request.target.find('?')), false);
    if (request.path.ends_with('/')) request.path.pop_back();  // as the endpoint does
    std::string given(input.line());
    request.body = input.rest();
    const bool form = request.content_type() == "application/x-www-form-urlencoded";
    const auto urls = ingress::addresses_of(kPublic, request);
    const auto right = base64_encode(hmac_sha1(kToken.reveal(), signed_message(urls[0], request.body, form)));
    if (given == "{right}") given = right;
    request.headers.add("X-Twilio-Signature", given);
    auto parts = providers::Parts::of(request);
    parts.urls = urls;

    const auto proof = provider.proof(parts);
    OTTO_EXPECT(proof.missing.has_value() == proof.alternatives.empty(), "");
    OTTO_EXPECT(proof.alternatives.size() <= providers::kMostAlternatives, "");
    const bool proven = providers::proves(proof, kToken);
    const bool few = std::count(request.body.begin(), request.body.end(), '&') < 1'000;
    // A form whose address says what its body is must be that body too.
    const auto query = request.target.find('?');
    const bool fits_by_address =
        query == std::string::npos || !form_value(parse_form(request.target.substr(query + 1)), "bodySHA256");
    if (form && few && fits_by_address && trim(given) == right) OTTO_EXPECT(proven, given);
    if (proven) {
        OTTO_EXPECT(!providers::proves(proof, Secret("another")), "");
        auto other = request;
        other.body += form ? "&" + std::to_string(request.body.size()) + "=" + right : " ";
        auto its = providers::Parts::of(other);
        its.urls = urls;
        OTTO_EXPECT(!providers::proves(provider.proof(its), kToken), "another body passes");
        auto elsewhere = parts;
        elsewhere.urls = {"https://elsewhere.example" + request.target};
        OTTO_EXPECT(!providers::proves(provider.proof(elsewhere), kToken), "another address passes");
    }

    const auto reading = provider.read(parts);
    auto n = reading->normalize(parts), twice = provider.read(parts)->normalize(parts);
    const auto& event = *n.event;
    OTTO_EXPECT(event.SerializeAsString() == twice.event->SerializeAsString() && n.identity == twice.identity, "not pure");
    OTTO_EXPECT(!event.key().empty() && !event.kind().empty(), "");
    OTTO_EXPECT(event.has_message() || event.has_call() || !event.not_understood().empty(), "neither understood nor said why");
    OTTO_EXPECT(event.addressee().SerializeAsString() == reading->addressee().SerializeAsString(), event.ShortDebugString());
    check_texts(event);
    if (event.has_message())
        check_message(event, n);
    else if (event.has_call())
        check_call(event, n);
    else
        OTTO_EXPECT(n.waits && (!n.whole || !trim(given).empty()), "known by more than its body without a signature");
    // Whatever came, what answers is Twilio's or nothing, and of nobody's call one sentence.
    auto kept_event = event;
    const auto answer =
        provider.answer({"id", "authentic", kept_event, n.moment ? &*n.moment : nullptr, nullptr, request.received_at});
    OTTO_EXPECT(
        answer.body.empty() ? answer.status == 204 : answer.body == "<Response/>" || answer.body == providers::nobody_answers(),
        answer.body);
    OTTO_EXPECT(kept_event.SerializeAsString() == event.SerializeAsString(), "what nobody answers is changed");
    // What goes to Kafka can be read again, and is proven and read as it came.
    auto whole = event;
    ingress::fill_receipt(*whole.mutable_receipt(), provider, request, {ingress::Verdict::open}, from_micros(1), urls);
    pb::ProviderEvent arrived;
    OTTO_EXPECT(arrived.ParseFromString(whole.SerializeAsString()), whole.ShortDebugString());
    const auto kept = providers::Parts::of(arrived.receipt());
    if (valid_utf8(request.target) && valid_utf8(request.headers.get("content-type")) && valid_utf8(given)) {
        OTTO_EXPECT(providers::proves(provider.proof(kept), kToken) == proven, whole.ShortDebugString());
        OTTO_EXPECT(provider.read(kept)->normalize(kept).event->SerializeAsString() == event.SerializeAsString(),
                    whole.ShortDebugString());
    }
}
