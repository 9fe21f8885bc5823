#include "kinds.hpp"

#include "base/phone.hpp"

namespace otto::tenant_router {

namespace pb = otto::inbound::v1;

namespace {

void take_receipt(pb::ProviderEvent& event, const Owner& owner, pb::Receipt& out) {
    out.Swap(event.mutable_receipt());
    out.set_verdict(owner.unsigned_ ? pb::VERDICT_UNSIGNED : pb::VERDICT_AUTHENTIC);
    out.set_proven_company_id(owner.company.value());
    out.set_final_proof(owner.final_proof);
}

}  // namespace

void CallKind::hand_over(pb::ProviderEvent& event, const Owner& owner, Routed& out) {
    // An ingress of a former version may have read the numbers otherwise, today or when what was held came.
    auto& call = *event.mutable_call();
    auto customer = normalize_phone(call.customer_phone());
    call.set_customer_phone(std::move(customer.text));
    call.set_customer_phone_callable(customer.e164);
    call.set_tracking_number(normalize_phone(call.tracking_number()).text);
    out.set_company_id(owner.company.value());
    out.set_phone(call.customer_phone_callable() ? call.customer_phone() : call.provider_call_id());
    take_receipt(event, owner, *out.mutable_receipt());
    out.mutable_call()->Swap(event.mutable_call());
    out.set_kind(event.kind());
}

}  // namespace otto::tenant_router
