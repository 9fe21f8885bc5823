#include "books/books.hpp"
#include "events/changes.hpp"

namespace otto::lead_pipeline {
namespace {

/// What calls of one customer are keyed by.
std::string phone_of(const CallRow& row) { return row.call.phone_callable ? *row.call.phone_number : row.provider_call_id; }

calls::v1::CallFolded folded(const CallRow& row, const CallId& from) {
    calls::v1::CallFolded m;
    m.set_company_id(row.company.value());
    m.set_phone(phone_of(row));
    m.set_from(from.value());
    m.set_into(row.id.value());
    m.set_version(row.version);
    return m;
}

calls::v1::LeadMoved moved(const CallRow& row, const HeldCall::Move& move) {
    calls::v1::LeadMoved m;
    m.set_company_id(row.company.value());
    m.set_phone(phone_of(row));
    m.set_from_lead(move.from.value().to_string());
    m.set_into_lead(move.into.value().to_string());
    m.set_contact_card_id(row.contact.value().to_string());
    if (!move.whole) m.set_call_id(row.id.value());
    return m;
}

calls::v1::CallRecorded recorded(const CallRow& row) {
    const auto& c = row.call;
    calls::v1::CallRecorded m;
    m.set_company_id(row.company.value());
    m.set_phone(phone_of(row));
    m.set_call_id(row.id.value());
    m.set_version(row.version);
    m.set_provider(row.provider);
    m.set_provider_call_id(row.provider_call_id);
    m.set_contact_card_id(row.contact.value().to_string());
    m.set_lead_id(row.lead.value().to_string());
    m.set_status(c.status());
    m.set_missed_call(c.missed_call());
    m.set_answered(c.answered());
    m.set_direction(c.direction_or_inbound());
    m.set_duration_s(c.duration_s.value_or(0));
    m.set_recording_url(c.recording_url().value_or(""));
    if (const auto* recording = c.recording()) {
        m.set_recording_sid(recording->first);
        m.set_recording_duration_s(recording->second.duration_s.value_or(0));
        m.set_recording_of_deployment(recording->second.of_deployment);
    }
    m.set_recording_unavailable(c.unavailable().value_or(""));
    m.set_started_at_us(c.started_at ? to_micros(*c.started_at) : 0);
    m.set_tracking_number(c.tracking_number.value_or(""));
    m.set_received_at_us(to_micros(c.received_at));
    m.set_owner_id(row.owner_id.value_or(""));
    return m;
}

}  // namespace

void Books::tell(const std::function<void(const rt::Envelope*, const Outgoing&)>& out) const {
    std::set<std::pair<CompanyId, Uuid>> told;  // contacts and leads
    for (const auto& call : calls) {
        const auto& row = call.row;
        const rt::Envelope* cause = call.looked_at() ? nullptr : &call.reports.back()->meta;
        auto changed = [&](const char* kind, const std::string& id, std::int64_t version) {
            out(cause, events::row_changed(row.company, kind, id, version));
        };
        auto changed_once = [&](const char* kind, const Uuid& id) {
            if (told.emplace(row.company, id).second) changed(kind, id.to_string(), 0);
        };
        // First, so that whoever knew the row that went has its work in hand before the one that stays may be begun anew.
        for (const auto& from : call.folded) {
            out(cause, folded(row, from));
            changed("call", std::to_string(from.value()), row.version);
        }
        for (const auto& task : call.tasks) changed("task", task.id.to_string(), task.version);
        for (const auto& move : call.moves) {
            out(cause, moved(row, move));
            changed_once("lead", move.from.value());
        }
        out(cause, recorded(row));
        changed("call", std::to_string(row.id.value()), row.version);
        for (const auto& v : voicemails_.changed_of(row.key())) changed("voicemail", v.id.to_string(), v.version);
        if (leads_.changed().contains(row.lead_key())) changed_once("lead", row.lead.value());
        for (const auto& left : call.left_contacts) changed_once("contact", left.value());
        if (call.contact_changed) changed_once("contact", row.contact.value());
    }
}

}  // namespace otto::lead_pipeline
