// Twilio's webhooks: texts, how they stand, and calls, which wait. The payload decides which of them it is, never the path.
// Source: providers.md §2.
#include <charconv>

#include "base/json.hpp"
#include "base/phone.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/twilio_report.hpp"
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

class Read final : public Reading {
public:
    explicit Read(const Parts& parts) : fields_(fields_of(parts)) {
        if (!fields_) return;
        facts_.sid = text({"MessageSid", "SmsSid", "SmsMessageSid"});
        sid_is_odd_ = trim(facts_.sid).size() > kLongestSid;
        facts_.account_sid = text({"AccountSid"});
        facts_.from = text({"From", "Caller"});
        facts_.to = text({"To", "Called"});
        facts_.status = text({"MessageStatus", "SmsStatus"});
        if (!facts_.sid.empty()) {
            addressee_ = addressee_of(facts_);
            return;
        }
        call_sid_ = text({"CallSid"});
        if (!call_sid_.empty() && lower(text({"Direction"})).starts_with("outbound")) std::swap(facts_.from, facts_.to);
        addressee_ = addressee_of(facts_);  // the company's end stands in `to`
        if (!call_sid_.empty()) addressee_.set_purpose(pb::PURPOSE_VOICE);
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
        } else {
            *event.mutable_addressee() = addressee_;
            event.set_kind(call_sid_.empty() ? "webhook" : "call.webhook");
            n.identity = keepable(call_sid_, 200);
            event.set_key(n.identity.empty() ? "twilio:unknown" : n.identity);
            // The same for all that can be cut of one signed request, which would fill a disk else.
            if (auto signature = keepable(trim(parts.header(kSignatureHeader)), kLongestSignature); !signature.empty()) {
                n.identity.append(" ").append(signature);
                n.whole = true;
            }
            event.set_not_understood(!fields_            ? fields_.error().message
                                     : sid_is_odd_       ? "it names a text by more than a SID"
                                     : call_sid_.empty() ? "it names no text (MessageSid) and no call (CallSid)"
                                                         : "calls of Twilio are not recorded yet");
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

    Result<std::shared_ptr<const FormFields>> fields_;
    MessageFacts facts_;
    std::string call_sid_;
    bool sid_is_odd_ = false;
    pb::Addressee addressee_;
};

class Twilio final : public Webhook {
public:
    std::string_view name() const override { return "twilio"; }
    std::string_view title() const override { return "Twilio"; }
    std::vector<std::string> paths() const override {
        return {"/sms/twilio-webhook", "/api/v1/twilio-webhook", "/api/aloha/webhooks/message-status"};
    }
    std::vector<std::string_view> signature_headers() const override { return {kSignatureHeader}; }
    std::unique_ptr<Reading> read(const Parts& parts) const override { return std::make_unique<Read>(parts); }
    Proof proof(const Parts& parts) const override { return proof_of(parts); }
    bool signs_address() const override { return true; }
    bool numbers_are_registered() const override { return true; }
    /// Twilio takes TwiML, and for a status nothing. A text gets no reply: Twilio itself answers STOP and HELP, and a reply to
    /// STOP fails.
    http::Response answer(const Taken& taken) const override {
        if (taken.event.kind() == "message.status") return http::Response::empty(204);
        return http::Response::text(200, "<Response/>", "text/xml");
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
