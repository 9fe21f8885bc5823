#include "listed_call.hpp"

#include <algorithm>

namespace otto::company_service {

namespace pb = otto::inbound::v1;

namespace {

void fill_receipt(pb::ProviderEvent& event, const ListedCall& call, const std::string& company_id, const std::string& account_id,
                  Instant asked_at) {
    event.set_kind("call.swept");
    auto& receipt = *event.mutable_receipt();
    receipt.set_provider("callrail");
    receipt.set_request_target("/v3/a/" + account_id + "/calls.json");
    receipt.set_content_type("application/json");
    receipt.set_raw_body(call.json);
    receipt.set_received_at_us(to_micros(asked_at));
    receipt.set_verdict(pb::VERDICT_AUTHENTIC);
    receipt.set_proven_company_id(company_id);
    receipt.set_swept(true);
    event.mutable_call()->set_stage(pb::STAGE_POST_CALL);
    event.mutable_call()->clear_changed();
    event.mutable_addressee()->clear_claimed_company_id();
    event.mutable_addressee()->set_account_id(account_id);
}

}  // namespace

std::vector<std::string> differences(const ListedCall& listed, const KnownCall& known) {
    std::vector<std::string> out;
    const auto& report = listed.event->call();
    if (!report.status().empty() && report.status() != known.status) out.emplace_back("status");
    if (report.has_duration_s() && known.duration_s != report.duration_s()) out.emplace_back("duration");
    if (report.has_recording_url() && !known.has_recording) out.emplace_back("recording");
    if (known.agent_id && known.owner_id != known.agent_id) out.emplace_back("agent");
    return out;
}

pb::ProviderEvent swept_event(const ListedCall& listed, const std::string& company_id, const std::string& account_id,
                              Instant asked_at) {
    auto event = *listed.event;
    fill_receipt(event, listed, company_id, account_id, asked_at);
    return event;
}

pb::ProviderEvent swept_event(const ListedCall& listed, const std::string& company_id, const std::string& account_id,
                              Instant asked_at, const KnownCall& known, const std::vector<std::string>& what) {
    auto differs = [&](std::string_view name) { return std::find(what.begin(), what.end(), name) != what.end(); };
    pb::ProviderEvent event;
    event.set_key(listed.event->key());
    const auto& all = listed.event->call();
    auto& some = *event.mutable_call();
    some.set_provider_call_id(all.provider_call_id());
    *some.mutable_aliases() = all.aliases();
    if (std::find(some.aliases().begin(), some.aliases().end(), known.provider_call_id) == some.aliases().end())
        some.add_aliases(known.provider_call_id);
    some.set_customer_phone(all.customer_phone());
    some.set_customer_phone_callable(all.customer_phone_callable());
    some.set_tracking_number(all.tracking_number());
    if (all.has_direction()) some.set_direction(all.direction());
    if (all.has_started_at_us()) some.set_started_at_us(all.started_at_us());
    *event.mutable_addressee() = listed.event->addressee();
    if (differs("status")) {
        some.set_status(all.status());
        if (all.has_answered()) some.set_answered(all.answered());
    }
    if (differs("duration")) {
        some.set_duration_s(all.duration_s());
        if (all.has_ended_at_us()) some.set_ended_at_us(all.ended_at_us());
    }
    if (differs("recording")) {
        some.set_recording_url(all.recording_url());
        if (all.has_recording_duration_s()) some.set_recording_duration_s(all.recording_duration_s());
    }
    if (differs("agent")) some.set_agent_email(all.agent_email());
    fill_receipt(event, listed, company_id, account_id, asked_at);
    return event;
}

}  // namespace otto::company_service
