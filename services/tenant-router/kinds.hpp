#pragma once
#include "base/phone.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "routing.hpp"
#include "runtime/runtime.hpp"

/// The kinds of events that go to the company whose key proves them, and how each goes on. A new kind is a struct here and its
/// name in `Kinds`; reports of jobs, whose company stands in a table, are none.
namespace otto::tenant_router {

/// What every kind hands over beside its report: whose it is, `phone` that its events are ordered by, and the receipt.
template <class Routed>
void hand_over_rest(inbound::v1::ProviderEvent& event, const Owner& owner, std::string phone, Routed& out) {
    out.set_company_id(owner.company.value());
    out.set_phone(std::move(phone));
    out.set_kind(event.kind());
    auto& receipt = *out.mutable_receipt();
    receipt.Swap(event.mutable_receipt());
    receipt.set_verdict(owner.unsigned_ ? inbound::v1::VERDICT_UNSIGNED : inbound::v1::VERDICT_AUTHENTIC);
    receipt.set_proven_company_id(owner.company.value());
    receipt.set_final_proof(owner.final_proof);
    receipt.set_proven_by_deployment(owner.by_deployment);
}

struct CallKind {
    using Routed = routed::v1::CallReported;
    static bool fits(const inbound::v1::ProviderEvent& event) { return event.has_call(); }
    /// The event as it goes on, into `out`, all of whose fields are set; what `out` held goes into `event`, whose memory the next
    /// one can use.
    static void hand_over(inbound::v1::ProviderEvent& event, const Owner& owner, Routed& out) {
        // An ingress of a former version may have read the numbers otherwise, today or when what was held came.
        auto& call = *event.mutable_call();
        auto customer = normalize_phone(call.customer_phone());
        call.set_customer_phone(std::move(customer.text));
        call.set_customer_phone_callable(customer.e164);
        call.set_tracking_number(normalize_phone(call.tracking_number()).text);
        auto phone = !owner.phone.empty()             ? owner.phone
                     : call.customer_phone_callable() ? call.customer_phone()
                                                      : call.provider_call_id();
        hand_over_rest(event, owner, std::move(phone), out);
        out.mutable_call()->Swap(&call);
    }
};

/// Reads both ends of a text as if the other one were the company's.
inline void turn(inbound::v1::ProviderEvent& event) {
    auto& message = *event.mutable_message();
    const bool sent = message.direction() != "outbound";
    message.set_direction(sent ? "outbound" : "inbound");
    message.set_status(sent ? "sent" : "received");
    message.mutable_customer_phone()->swap(*message.mutable_company_number());
    event.set_kind(sent ? "message.sent" : "message.received");
}

struct MessageKind {
    using Routed = routed::v1::MessageReported;
    static bool fits(const inbound::v1::ProviderEvent& event) { return event.has_message(); }
    static void hand_over(inbound::v1::ProviderEvent& event, const Owner& owner, Routed& out) {
        if (owner.turned) turn(event);
        auto& message = *event.mutable_message();
        auto customer = normalize_phone(message.customer_phone());
        message.set_customer_phone(std::move(customer.text));
        message.set_customer_phone_callable(customer.e164);
        message.set_company_number(normalize_phone(message.company_number()).text);
        hand_over_rest(event, owner, message.customer_phone_callable() ? message.customer_phone() : message.provider_message_id(),
                       out);
        out.mutable_message()->Swap(&message);
    }
};

template <class... Kind>
struct KindsOf {
    using Out = rt::Out<typename Kind::Routed...>;
    using Emitter = rt::Emitter<typename Kind::Routed..., routed::v1::JobReported>;
    static bool fit(const inbound::v1::ProviderEvent& event) { return (Kind::fits(event) || ...); }
    /// Gives the event as it goes on to `then`; whatever can be of it is moved.
    template <class Then>
    static void hand_over(inbound::v1::ProviderEvent& event, const Owner& owner, Then&& then) {
        [[maybe_unused]] bool handed = (hand_over_as<Kind>(event, owner, then) || ...);
    }

private:
    template <class K, class Then>
    static bool hand_over_as(inbound::v1::ProviderEvent& event, const Owner& owner, Then& then) {
        if (!K::fits(event)) return false;
        static thread_local typename K::Routed message;
        K::hand_over(event, owner, message);
        then(message);
        return true;
    }
};
using Kinds = KindsOf<CallKind, MessageKind>;

/// One alone, by value.
template <class Kind>
typename Kind::Routed handed_over(inbound::v1::ProviderEvent event, const Owner& owner) {
    typename Kind::Routed out;
    Kind::hand_over(event, owner, out);
    return out;
}

}  // namespace otto::tenant_router
