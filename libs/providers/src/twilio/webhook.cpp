// Twilio's webhooks: texts, how they stand, and calls. The payload decides which of them it is; the path only tells the kinds of
// a call's apart. Source: providers.md §2.
#include <charconv>

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/twilio_report.hpp"
#include "twilio/call_report.hpp"
#include "twilio/signature.hpp"

namespace otto::providers::twilio {

namespace pb = otto::inbound::v1;

namespace {

/// Names and values are signed with nothing between them, so who has one signed request can cut it anew and it is still signed.
/// With what follows it a SID would be another one, and the text of then another text of now: but no SID is so long.
constexpr std::size_t kLongestSid = 34, kLongestSignature = 100;

/// What the body says, a form or a JSON object alike. The error says why it is neither.
Result<std::shared_ptr<const FormFields>> fields_of(const Parts& parts) {
    if (parts.content_type == "application/x-www-form-urlencoded") {
        if (auto form = parts.form()) return form;
        return Error("the form has more than " + std::to_string(kMostFormFields) + " fields");
    }
    auto parsed = JsonDocument::parse(parts.body);
    if (!parsed) return Error("the body is no form and no JSON: " + parsed.error().message);
    if (!parsed->root().is_object()) return Error("the body is no form and no JSON object");
    if (parsed->root().size() > kMostFormFields)
        return Error("the body has more than " + std::to_string(kMostFormFields) + " fields");
    FormFields out;
    for (const auto& member : parsed->root().members())
        if (auto text = member.value.loose_text()) out.emplace_back(std::string(member.name), std::move(*text));
    return std::make_shared<const FormFields>(std::move(out));
}

/// Where a call's webhooks go; voice at an address that texts have too is a call that comes in.
constexpr std::pair<std::string_view, CallHook> kCallPaths[] = {{"/api/aloha/webhooks/incoming-call", CallHook::incoming},
                                                                {"/api/aloha/webhooks/call-status", CallHook::status},
                                                                {"/api/aloha/webhooks/next-step", CallHook::step},
                                                                {"/api/aloha/webhooks/voicemail-recorded", CallHook::recording}};
constexpr std::string_view kTextStatusPath = "/api/aloha/webhooks/message-status";

std::optional<CallHook> hook_at(std::string_view path) {
    auto found = std::find_if(std::begin(kCallPaths), std::end(kCallPaths), [&](const auto& p) { return p.first == path; });
    return found == std::end(kCallPaths) ? std::nullopt : std::optional(found->second);
}

/// Whether it is about how the call goes on.
bool is_asked(const CallFacts& said) { return !is_leg(said) && (said.hook == CallHook::incoming || said.hook == CallHook::step); }

bool is_sid(std::string_view text) { return trim(text).size() <= kLongestSid; }

class Read final : public Reading {
public:
    explicit Read(const Parts& parts) : fields_(fields_of(parts)) {
        if (!fields_) return;
        facts_.sid = text({"MessageSid", "SmsSid", "SmsMessageSid"});
        sid_is_odd_ = !is_sid(facts_.sid);
        facts_.account_sid = text({"AccountSid"});
        facts_.from = text({"From", "Caller"});
        facts_.to = text({"To", "Called"});
        facts_.status = text({"MessageStatus", "SmsStatus"});
        if (auto sid = facts_.sid.empty() ? text({"CallSid"}) : ""; !sid.empty())
            read_call(parts, std::move(sid));
        else
            addressee_ = addressee_of(facts_);
    }

    const pb::Addressee& addressee() const override { return addressee_; }

    Normalized normalize(const Parts& parts) const override {
        Normalized n;
        n.event = new_event();
        auto& event = *n.event;
        if (!facts_.sid.empty() && !sid_is_odd_) {
            n.identity = tell(whole(parts), event);
            n.whole = !event.message().provider_message_id().empty();
            n.customer = event.message().customer_phone();
        } else if (call_ && !sid_is_odd_) {
            const auto call = whole_call(parts);
            auto identity = tell(call, event);
            n.identity = std::move(identity.text);
            n.whole = identity.whole;
            n.customer = event.call().customer_phone();
            if (is_asked(call)) n.moment = moment_of(call);
        } else {
            not_understood(parts, n);
        }
        n.waits = !event.not_understood().empty();
        return n;
    }

private:
    /// The first that says something.
    std::string text(std::initializer_list<std::string_view> names) const {
        for (auto name : names)
            if (auto value = form_value(**fields_, name); value && !trim(*value).empty()) return std::string(*value);
        return "";
    }
    std::optional<std::int64_t> count(std::string_view name) const {
        auto said = text({name});
        std::int64_t n = 0;
        auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), n);
        return error == std::errc{} && end == said.data() + said.size() && !said.empty() ? std::optional(n) : std::nullopt;
    }

    /// What of a call says whose it could be.
    void read_call(const Parts& parts, std::string sid) {
        auto& call = call_.emplace();
        call.sid = std::move(sid);
        call.parent_sid = text({"ParentCallSid"});
        call.account_sid = facts_.account_sid;
        call.direction = text({"Direction"});
        call.from = facts_.from;
        call.to = facts_.to;
        call.status = text({"CallStatus"});
        call.timestamp = text({"Timestamp"});
        call.duration = text({"CallDuration"});
        call.recording_sid = text({"RecordingSid"});
        call.recording_status = text({"RecordingStatus"});
        call.hook = hook_at(parts.path).value_or(parts.path == kTextStatusPath ? CallHook::status : CallHook::incoming);
        if (!call.recording_sid.empty() && !call.recording_status.empty()) call.hook = CallHook::recording;
        sid_is_odd_ = !is_sid(call.sid) || !is_sid(call.parent_sid) || !is_sid(call.recording_sid);
        addressee_ = addressee_of(call);
        if (sid_is_odd_) addressee_.clear_provider_call_id();
    }

    void not_understood(const Parts& parts, Normalized& n) const {
        auto& event = *n.event;
        const auto hook = call_ ? std::optional(call_->hook) : hook_at(parts.path);
        *event.mutable_addressee() = addressee_;
        event.set_kind(facts_.sid.empty() && hook ? std::string(kind_of(*hook)) : "webhook");
        n.identity = keepable(call_ ? call_->sid : "", 200);
        event.set_key(n.identity.empty() ? "twilio:unknown" : n.identity);
        // The same for all that can be cut of one signed request, which would fill a disk else.
        if (auto signature = keepable(trim(parts.header(kSignatureHeader)), kLongestSignature); !signature.empty()) {
            n.identity.append(" ").append(signature);
            n.whole = true;
        }
        event.set_not_understood(!fields_              ? fields_.error().message
                                 : !facts_.sid.empty() ? "it names a text by more than a SID"
                                 : call_               ? "it names a call, or its recording, by more than a SID"
                                                       : "it names no text (MessageSid) and no call (CallSid)");
    }

    MessageFacts whole(const Parts& parts) const {
        auto out = facts_;
        const bool in = came_in(facts_);
        if (auto body = form_value(**fields_, "Body"); body && in) out.body = std::string(*body);
        for (std::size_t i = 0; i < kMostMedia; ++i) {
            auto n = std::to_string(i);
            auto url = text({"MediaUrl" + n});
            if (url.empty()) break;
            out.media.emplace_back(std::move(url), text({"MediaContentType" + n}));
        }
        out.segments = count("NumSegments");
        out.error_code = text({"ErrorCode"});
        out.error_message = text({"ErrorMessage"});
        out.opt_out_type = text({"OptOutType"});
        if (auto query = parts.target.find('?'); query != std::string_view::npos && !in) {
            const auto fields = parse_form(parts.target.substr(query + 1));
            out.our_message_id = std::string(form_value(fields, "m").value_or(""));
        }
        return out;
    }

    CallFacts whole_call(const Parts& parts) const {
        auto out = *call_;
        if (out.hook == CallHook::recording) {
            out.recording_url = text({"RecordingUrl"});
            out.recording_duration = text({"RecordingDuration"});
            out.recording_source = text({"RecordingSource"});
            out.recording_started = text({"RecordingStartTime"});
            return out;
        }
        const bool in = came_in(out);
        out.sequence = text({"SequenceNumber"});
        out.answered_by = text({"AnsweredBy"});
        out.dial_status = text({"DialCallStatus"});
        out.stream_event = text({"StreamEvent"});
        out.name = text({"CallerName"});
        out.city = in ? text({"FromCity", "CallerCity"}) : text({"ToCity", "CalledCity"});
        out.state = in ? text({"FromState", "CallerState"}) : text({"ToState", "CalledState"});
        out.country = in ? text({"FromCountry", "CallerCountry"}) : text({"ToCountry", "CalledCountry"});
        if (auto query = parts.target.find('?'); query != std::string_view::npos) {
            const auto fields = parse_form(parts.target.substr(query + 1));
            out.flow = std::string(form_value(fields, "flow").value_or(""));
            out.step = std::string(form_value(fields, "step").value_or(""));
        }
        return out;
    }

    Result<std::shared_ptr<const FormFields>> fields_;
    MessageFacts facts_;
    std::optional<CallFacts> call_;
    bool sid_is_odd_ = false;  ///< the text's, or one that the call names
    pb::Addressee addressee_;
};

/// What the callee's flow says; the call keeps which notice that was.
std::string of_flow(const Webhook::Taken& taken) {
    auto said = providers::answer(*taken.callee, *taken.moment, taken.now);
    auto& call = *taken.event.mutable_call();
    call.set_consent_notice_sha256(std::move(said.notice_sha256));
    call.set_consent_notice_played(said.notice_played && !taken.moment->over);
    return std::move(said.twiml);
}

class Twilio final : public Webhook {
public:
    std::string_view name() const override { return "twilio"; }
    std::string_view title() const override { return "Twilio"; }
    std::vector<std::string> paths() const override {
        std::vector<std::string> all{"/sms/twilio-webhook", "/api/v1/twilio-webhook", std::string(kTextStatusPath)};
        for (const auto& [path, hook] : kCallPaths) all.emplace_back(path);
        return all;
    }
    std::vector<std::string_view> signature_headers() const override { return {kSignatureHeader}; }
    std::unique_ptr<Reading> read(const Parts& parts) const override { return std::make_unique<Read>(parts); }
    Proof proof(const Parts& parts) const override { return proof_of(parts); }
    bool signs_address() const override { return true; }
    bool numbers_are_registered() const override { return true; }
    /// Twilio takes TwiML, and for how something stands nothing. A text gets no reply: Twilio itself answers STOP and HELP, and a
    /// reply to STOP fails. What answers a call is its company's flow; one that is nobody's hears so.
    http::Response answer(const Taken& taken) const override {
        const auto& kind = taken.event.kind();
        if (kind == "message.status" || kind == kind_of(CallHook::status) || kind == kind_of(CallHook::recording))
            return http::Response::empty(204);
        const bool asks = kind == kind_of(CallHook::incoming) || kind == kind_of(CallHook::step);
        const auto* moment = taken.moment;
        // What a stream's status is answered Twilio does not read; and a leg hears nothing of ours.
        const bool tells =
            moment ? !moment->stream_event.empty() && taken.event.addressee().number().empty() : taken.event.has_call();
        std::string twiml = "<Response/>";
        if (moment && taken.callee && taken.callee->active)
            twiml = of_flow(taken);
        else if (asks && !tells)
            twiml = nobody_answers();
        return http::Response::text(200, std::move(twiml), "text/xml");
    }
    Cures cures() const override {
        return {.no_key = "Connect its Twilio account (POST /api/v1/onboarding/twilio/connect)",
                .no_key_of_account =
                    "Check its account SID and auth token, and connect the account again (POST "
                    "/api/v1/onboarding/twilio/connect)",
                .or_set_key = "connect the account with its primary auth token (POST /api/v1/onboarding/twilio/connect)",
                .if_it_is_the_providers =
                    "connect the account that its AccountSid names (POST "
                    "/api/v1/onboarding/twilio/connect)",
                .mapping_reason = {},
                .mapping = {}};
    }
};

}  // namespace

const providers::Webhook& webhook() {
    static const Twilio one;
    return one;
}

}  // namespace otto::providers::twilio
