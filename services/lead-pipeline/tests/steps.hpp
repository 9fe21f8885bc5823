#pragma once
// What happens to a customer's calls, a step a function, each in a transaction of its own.
#include <set>

#include "database.hpp"
#include "handlers/analyses.hpp"
#include "handlers/calls.hpp"
#include "testing/catch.hpp"

namespace otto::lead_pipeline::tests {

using analysis::v1::AnalysisCompleted;

inline Instant at(int second) { return Instant{} + std::chrono::seconds(1'700'000'000 + second); }

/// A call of this customer, as its webhooks leave it.
struct PlacedCall {
    std::int64_t id;
    std::string contact, lead;
    static PlacedCall from(const pg::Fields& f) { return {f.integer("call_id"), f.text("contact_card_id"), f.text("lead_id")}; }
};

inline inbound::v1::CallReport report(const std::string& name, const std::string& status, int started,
                                      const std::string& phone = "+12025550100") {
    inbound::v1::CallReport r;
    r.set_stage(inbound::v1::STAGE_POST_CALL);
    r.set_status(status);
    r.set_provider_call_id(name);
    r.add_aliases(name);
    r.set_customer_phone(phone);
    r.set_customer_phone_callable(phone.starts_with("+"));
    r.set_started_at_us(to_micros(at(started)));
    return r;
}

/// How many statements it took.
inline std::size_t record(const std::string& company, const inbound::v1::CallReport& r, Millis grace = Millis{0},
                          int received = 1000) {
    static int n = 0;
    routed::v1::CallReported e;
    e.set_company_id(company);
    e.set_phone(r.customer_phone());
    e.mutable_receipt()->set_provider("callrail");
    e.mutable_receipt()->set_received_at_us(to_micros(at(received)));
    *e.mutable_call() = r;
    rt::Envelope meta;
    meta.id = EventId{Uuid::v5(*Uuid::parse("6f74746f-6576-5e6e-a473-0000000000fe"), std::to_string(++n))};
    meta.company = CompanyId{company};
    std::vector<rt::In<routed::v1::CallReported>> ins{{e, meta}};
    auto tx = Db::shared().service.begin(pg::Scope::company(meta.company));
    rt::Sink sink("lead-pipeline");
    CallsOut out(sink);
    Calls(grace).record(ins, tx, out);
    auto statements = tx.statements();
    tx.commit();
    return statements;
}

inline PlacedCall placed(const std::string& company, const std::string& name) {
    auto tx = Db::shared().owner.begin(pg::Scope::none());
    return tx.one<PlacedCall>({"placed",
                               "SELECT c.call_id, c.contact_card_id, c.lead_id FROM call_aliases a JOIN calls c USING "
                               "(company_id, call_id) WHERE a.company_id = $1 AND a.alias = $2"},
                              {company, name});
}

inline PlacedCall call(const std::string& company, const std::string& name, int started,
                       const std::string& phone = "+12025550100") {
    record(company, report(name, "completed", started, phone));
    return placed(company, name);
}

inline AnalysisCompleted said(const std::string& company, const PlacedCall& call, int started, const char* booking,
                              const char* quality, std::int64_t version = 1) {
    AnalysisCompleted e;
    e.set_company_id(company);
    e.set_phone("+12025550100");
    e.set_call_id(call.id);
    e.set_contact_card_id(call.contact);
    e.set_lead_id(call.lead);
    e.set_version(version);
    e.set_received_at_us(to_micros(at(started + 100 + static_cast<int>(version))));
    e.set_call_started_at_us(to_micros(at(started)));
    if (*booking) e.set_booking_status(booking);
    if (*quality) e.set_lead_quality(quality);
    return e;
}

inline void add_action(AnalysisCompleted& e, const char* type, const char* text, const char* due = "",
                       const char* assignee = "") {
    auto& a = *e.add_actions();
    a.set_type(type);
    a.set_raw_text(text);
    if (*due) a.set_due_at(due);
    if (*assignee) a.set_assignee(assignee);
}

/// What it emitted, by kind of row.
inline std::multiset<std::string> analyse(const std::vector<AnalysisCompleted>& events) {
    std::vector<rt::Envelope> metas(events.size());
    std::vector<rt::In<AnalysisCompleted>> ins;
    std::vector<CompanyId> companies;
    for (std::size_t i = 0; i < events.size(); ++i) {
        metas[i].id = EventId{Uuid::v7(system_clock().now())};
        metas[i].company = CompanyId{events[i].company_id()};
        companies.push_back(metas[i].company);
        ins.push_back({events[i], metas[i]});
    }
    auto tx = Db::shared().service.begin(pg::Scope::companies(companies));
    rt::Sink sink("lead-pipeline/analysis");
    rt::Out<changes::v1::RowChanged> out(sink);
    Analyses().record(ins, tx, out);
    tx.commit();
    std::multiset<std::string> kinds;
    for (const auto& item : sink.items()) {
        changes::v1::RowChanged row;
        REQUIRE(row.ParseFromString(item.wire.value));
        kinds.insert(row.kind());
    }
    return kinds;
}

}  // namespace otto::lead_pipeline::tests
