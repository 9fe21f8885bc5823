#pragma once
// What is reported of texts, a step a function.
#include <string>
#include <vector>

#include "handlers/messages.hpp"
#include "steps.hpp"

namespace otto::lead_pipeline::tests {

inline const std::string kCustomer = "+12025550100", kOurs = "+15205232772";

/// One event, as tenant-router passes it on.
struct Told {
    std::string id;  ///< of the event
    inbound::v1::MessageReport report;
    int received = 0;
    std::string provider = "twilio";
    bool by_deployment = false;  ///< its own account proved it
};

inline Told text(const std::string& sid, const std::string& body, int received, const std::string& from = kCustomer) {
    Told t{sid + " received", {}, received};
    auto& r = t.report;
    r.set_provider_message_id(sid);
    r.set_direction("inbound");
    r.set_customer_phone(from);
    r.set_company_number(kOurs);
    r.set_status("received");
    r.set_has_body(true);
    r.set_body(body);
    return t;
}

inline Told sent_text(const std::string& sid, const std::string& body, int received, int sent) {
    auto t = text(sid, body, received);
    t.id = sid + " sent";
    t.report.set_direction("outbound");
    t.report.set_status("sent");
    t.report.set_sent_at_us(to_micros(at(sent)));
    return t;
}

inline Told status(const std::string& sid, const std::string& status, int received, const std::string& error = "") {
    Told t{sid + " " + status, {}, received};
    auto& r = t.report;
    r.set_provider_message_id(sid);
    r.set_direction("outbound");
    r.set_customer_phone(kCustomer);
    r.set_company_number(kOurs);
    r.set_status(status);
    if (!error.empty()) r.set_error_code(error);
    return t;
}

struct Batch {
    std::size_t statements = 0;
    std::multiset<std::string> told;     ///< by kind of row
    std::multiset<std::string> refused;  ///< why
};

/// In one transaction.
inline Batch record(const std::vector<std::pair<std::string, Told>>& of_companies) {
    static const Uuid space = *Uuid::parse("6f74746f-6576-5e6e-a473-0000000000fd");
    std::vector<routed::v1::MessageReported> events(of_companies.size());
    std::vector<rt::Envelope> metas(of_companies.size());
    std::vector<rt::In<routed::v1::MessageReported>> ins;
    std::vector<CompanyId> companies;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const auto& [company, told] = of_companies[i];
        events[i].set_company_id(company);
        events[i].mutable_receipt()->set_provider(told.provider);
        events[i].mutable_receipt()->set_proven_by_deployment(told.by_deployment);
        events[i].mutable_receipt()->set_received_at_us(to_micros(at(told.received)));
        *events[i].mutable_message() = told.report;
        metas[i].id = EventId{Uuid::v5(space, company + told.id)};
        metas[i].company = CompanyId{company};
        companies.push_back(metas[i].company);
        ins.push_back({events[i], metas[i]});
    }
    auto tx = Db::shared().service.begin(pg::Scope::companies(companies));
    rt::Sink sink("lead-pipeline/messages");
    MessagesOut out(sink);
    Messages().record(ins, tx, out);
    Batch batch{tx.statements(), {}, {}};
    for (const auto& [id, why] : sink.take_rejected()) batch.refused.insert(why);
    tx.commit();
    for (const auto& item : sink.items()) {
        changes::v1::RowChanged row;
        REQUIRE(row.ParseFromString(item.wire.value));
        batch.told.insert(row.kind());
    }
    return batch;
}

inline Batch record(const std::string& company, const std::vector<Told>& all) {
    std::vector<std::pair<std::string, Told>> of_company;
    for (const auto& t : all) of_company.emplace_back(company, t);
    return record(of_company);
}

}  // namespace otto::lead_pipeline::tests
