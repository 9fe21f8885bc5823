#pragma once
// Calls as Twilio tells of them, and what is made of them.
#include <algorithm>
#include <random>
#include <vector>

#include "database.hpp"
#include "handlers/calls.hpp"
#include "handlers/voicemails.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "rules/call.hpp"
#include "steps.hpp"

namespace otto::lead_pipeline::tests::voice {

namespace pb = otto::inbound::v1;

/// One report, at its place among those of its call: when it was received is a property of it, whenever it is processed.
struct Told {
    pb::CallReport report;
    int second = 0;
    bool of_deployment = false;
};

/// One that names no number, as those of recordings and of dialled legs do.
inline pb::CallReport bare(const std::string& sid = "CA1") {
    pb::CallReport r;
    r.set_stage(pb::STAGE_PROGRESS);
    r.set_provider_call_id(sid);
    r.add_aliases(sid);
    return r;
}

inline pb::CallReport twilio(const std::string& status, std::optional<std::int64_t> sequence = {}, const std::string& sid = "CA1",
                             const std::string& phone = "+12025550100") {
    auto r = bare(sid);
    r.set_status(status);
    r.set_customer_phone(phone);
    r.set_customer_phone_callable(phone.starts_with("+"));
    r.set_tracking_number("+15551234567");
    r.set_direction("inbound");
    if (sequence) r.set_sequence(*sequence);
    return r;
}

inline pb::CallReport incoming(const std::string& sid = "CA1", const std::string& phone = "+12025550100") {
    auto r = twilio("ringing", {}, sid, phone);
    r.set_started_at_us(to_micros(at(0)));
    r.set_consent_notice_sha256("5ha");
    r.set_consent_notice_played(true);
    return r;
}

inline pb::CallReport next_step(const std::string& status = "in_progress") {
    auto r = twilio(status);
    r.set_consent_notice_sha256("5ha");
    return r;
}

inline pb::CallReport ended(std::int64_t seconds, std::optional<std::int64_t> sequence = 0, const std::string& sid = "CA1") {
    auto r = twilio("ended", sequence, sid);
    r.set_duration_s(seconds);
    r.set_ended_at_us(to_micros(at(static_cast<int>(seconds))));
    return r;
}

inline pb::CallReport recorded(const std::string& sid, bool voicemail, const std::string& status = "completed",
                               const std::string& call = "CA1") {
    auto r = bare(call);
    auto& recording = *r.mutable_recording();
    recording.set_sid(sid);
    recording.set_url("https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/" + sid);
    recording.set_status(status);
    if (status == "completed") recording.set_duration_s(12);
    recording.set_voicemail(voicemail);
    recording.set_started_at_us(to_micros(at(20)));
    return r;
}

/// The caller was asked to wait, nobody took the call, and left a voicemail; told of twice under two addresses.
inline std::vector<Told> left_a_voicemail() {
    auto leg = bare();  // a dialled phone that nobody picked up
    leg.add_aliases("CA0");
    auto again = recorded("RE1", true);
    again.mutable_recording()->set_url("https://elsewhere.example/RE1");
    return {{incoming(), 1},
            {leg, 2},
            {next_step(), 3},
            {recorded("RE1", true, "in_progress"), 4},
            {recorded("RE1", true), 5, true},
            {again, 6},
            {ended(49), 7}};
}

/// A dial that somebody took, recorded, with what Twilio numbers; and a voicemail that was begun and is no voicemail.
inline std::vector<Told> was_answered() {
    auto step = next_step();
    step.set_answered(true);
    auto late = twilio("ringing", 1);
    return {{incoming(), 1},
            {late, 2},
            {twilio("in_progress", 2), 3},
            {step, 4},
            {recorded("RE2", true, "absent"), 5},
            {recorded("RE3", false), 6},
            {ended(61, 3), 7}};
}

/// Both: the call's own recording counts, and the voicemail is kept.
inline std::vector<Told> was_both() {
    auto step = next_step();
    step.set_answered(true);
    return {{incoming(), 1},      {step, 2}, {recorded("RE4", true), 3}, {recorded("RE5", false), 4, true}, {ended(70), 5},
            {twilio("missed"), 6}};
}

inline EventId event_id(int n) {
    return EventId{Uuid::v5(*Uuid::parse("6f74746f-6576-5e6e-a473-0000000000fd"), "voice " + std::to_string(n))};
}

/// What was emitted, and in how many statements.
struct Taken {
    std::vector<rt::Sink::Item> items;
    std::size_t statements = 0;
    template <class M>
    std::vector<M> of(std::string_view type) const {
        std::vector<M> out;
        for (const auto& item : items)
            for (const auto& [name, v] : item.wire.headers)
                if (name == "ce_type" && v.ends_with(type)) REQUIRE(out.emplace_back().ParseFromString(item.wire.value));
        return out;
    }
    std::multiset<std::string> changed() const {
        std::multiset<std::string> kinds;
        for (const auto& row : of<changes::v1::RowChanged>(".RowChanged")) kinds.insert(row.kind());
        return kinds;
    }
    calls::v1::CallRecorded call() const {
        auto all = of<calls::v1::CallRecorded>(".CallRecorded");
        REQUIRE(all.size() == 1);
        return all.front();
    }
};

/// One batch. `n` names the events, so that the same one twice has one id.
inline Taken take(const std::string& company, const std::vector<std::pair<int, Told>>& batch, Millis grace = Millis{0},
                  const std::string& provider = "twilio") {
    std::vector<routed::v1::CallReported> events(batch.size());
    std::vector<rt::Envelope> metas(batch.size());
    std::vector<rt::In<routed::v1::CallReported>> ins;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const auto& [n, told] = batch[i];
        auto& e = events[i];
        e.set_company_id(company);
        e.mutable_receipt()->set_provider(provider);
        e.mutable_receipt()->set_received_at_us(to_micros(at(1000 + told.second)));
        e.mutable_receipt()->set_proven_by_deployment(told.of_deployment);
        *e.mutable_call() = told.report;
        metas[i].id = event_id(n);
        metas[i].company = CompanyId{company};
        ins.push_back({e, metas[i]});
    }
    auto tx = Db::shared().service.begin(pg::Scope::company(CompanyId{company}));
    rt::Sink sink("lead-pipeline");
    CallsOut out(sink);
    Calls(grace).record(ins, tx, out);
    Taken taken{sink.items(), tx.statements()};
    tx.commit();
    return taken;
}

/// One report in a batch of its own.
inline Taken take(const std::string& company, const pb::CallReport& r, int second = 0) {
    static int n = 1'000'000;
    return take(company, {{++n, Told{r, second}}});
}

/// All that people see of the company's calls and voicemails; generated ids aside.
inline std::string seen(const std::string& company) {
    return lines(
               "SELECT (to_jsonb(c) - 'call_id' - 'created_at' - 'updated_at' - 'company_id' - 'lead_id' - 'contact_card_id' - "
               "'version' - 'traceparent' - 'happened_at' - 'merge_state')::text AS v FROM calls c WHERE company_id = $1 ORDER "
               "BY "
               "provider_call_id",
               company) +
           lines(
               "SELECT concat_ws(' ', v.recording_sid, v.recording_url, v.duration, v.transcript, v.summary, v.status, "
               "v.created_at AT TIME ZONE 'UTC', c.provider_call_id) AS v FROM voicemail_messages v JOIN calls c USING "
               "(company_id, call_id) WHERE v.company_id = $1 ORDER BY recording_sid",
               company);
}

/// What Shunya found, as the orchestrator keeps it.
inline void transcript(const std::string& company, std::int64_t call, const std::string& text) {
    as_owner("INSERT INTO call_transcripts (company_id, call_id, transcript_text, received_at) VALUES ('" + company + "', " +
             std::to_string(call) + ", '" + text +
             "', now()) ON CONFLICT (company_id, call_id) DO UPDATE SET transcript_text = "
             "excluded.transcript_text");
}
inline void summary(const std::string& company, std::int64_t call, const std::string& text) {
    as_owner("INSERT INTO call_analyses (company_id, call_id, summary, raw, received_at) VALUES ('" + company + "', " +
             std::to_string(call) + ", '" + text +
             "', '{}', now()) ON CONFLICT (company_id, call_id) DO UPDATE SET summary = "
             "excluded.summary");
}

inline std::multiset<std::string> transcribed(const std::string& company, std::int64_t call) {
    analysis::v1::TranscriptReady e;
    e.set_company_id(company);
    e.set_call_id(call);
    rt::Envelope meta;
    meta.id = EventId{Uuid::v7(system_clock().now())};
    meta.company = CompanyId{company};
    std::vector<rt::In<analysis::v1::TranscriptReady>> ins{{e, meta}};
    auto tx = Db::shared().service.begin(pg::Scope::company(meta.company));
    rt::Sink sink("lead-pipeline/voicemails");
    rt::Out<changes::v1::RowChanged> out(sink);
    Voicemails().transcribed(ins, tx, out);
    CHECK(tx.statements() == 1);
    tx.commit();
    return Taken{sink.items()}.changed();
}

}  // namespace otto::lead_pipeline::tests::voice
