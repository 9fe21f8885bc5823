#include "rows/lead_row.hpp"

namespace otto::lead_pipeline {
namespace {

const pg::Table<LeadRow> kLeads(
    "lead_pipeline", "leads",
    {
        pg::col("company_id", &LeadRow::company).key(),
        pg::col("id", &LeadRow::id).key(),
        pg::col("contact_card_id", &LeadRow::contact),
        pg::col("status", &LeadRow::status),
        pg::derived<LeadRow>("pool_status", [](const LeadRow& l) { return pool_status(l.status, l.rep.has_value()); }),
        pg::col("assigned_rep_id", &LeadRow::rep),
        pg::col("source", &LeadRow::lead, &Lead::source),
        pg::col("source_at", &LeadRow::lead, &Lead::source_at),
        pg::col("source_call", &LeadRow::lead, &Lead::source_call),
        pg::col("last_contacted_at", &LeadRow::lead, &Lead::last_contacted_at),
        pg::col("edited_status", &LeadRow::edited_status),
        pg::col("status_edited_at", &LeadRow::edited_at),
        pg::col("last_qualified_at", &LeadRow::last_qualified_at),
        pg::col("created_at", &LeadRow::made_at).once().unread().otherwise("now()"),
    });

const pg::Table<VerdictRow> kVerdicts("lead_pipeline", "call_verdicts",
                                      {
                                          pg::col("company_id", &VerdictRow::company).key(),
                                          pg::col("call_id", &VerdictRow::verdict, &Verdict::call).key(),
                                          pg::col("lead_id", &VerdictRow::lead),
                                          pg::col("booking_status", &VerdictRow::verdict, &Verdict::booking_status),
                                          pg::col("lead_quality", &VerdictRow::verdict, &Verdict::lead_quality),
                                          pg::col("call_outcome_category", &VerdictRow::verdict, &Verdict::call_outcome_category),
                                          pg::col("call_started_at", &VerdictRow::verdict, &Verdict::call_started_at),
                                          pg::col("received_at", &VerdictRow::verdict, &Verdict::received_at),
                                          pg::col("version", &VerdictRow::verdict, &Verdict::version),
                                      });

}  // namespace

// Two conditions in one WHERE would have no index: so two halves.
const pg::Select<LeadRow> find_leads = kLeads.select("find_leads", R"(SELECT {columns} FROM leads
 WHERE (company_id, contact_card_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) AND status NOT IN ('closed_won', 'closed_lost', 'abandoned')
UNION
SELECT {columns} FROM leads WHERE (company_id, id) IN (SELECT * FROM unnest($3::text[], $4::uuid[])))");
const pg::Select<LeadRow> lock_leads = kLeads.by("lock_leads", {"company_id", "id"}, "ORDER BY company_id, id FOR UPDATE");
const pg::Select<LeadRow> lock_leads_of_contacts =
    kLeads.by("lock_leads_of_contacts", {"company_id", "contact_card_id"}, "ORDER BY company_id, id FOR UPDATE");
const pg::Write<LeadRow> add_leads = kLeads.insert(
    "add_leads", {"company_id", "id", "contact_card_id", "source", "source_at", "source_call", "last_contacted_at", "created_at"},
    "");
const pg::Write<LeadRow> touch_leads = kLeads.update("touch_leads", {"source", "source_at", "source_call", "last_contacted_at"});
const pg::Write<LeadRow> settle_leads = kLeads.update(
    "settle_leads", {"status", "pool_status", "last_qualified_at"},
    "closed_at = CASE WHEN i.status IN ('closed_won', 'closed_lost', 'abandoned') THEN coalesce(t.closed_at, now()) END");
const pg::Write<LeadRow> assign_leads = kLeads.update("assign_leads", {"assigned_rep_id", "pool_status"});

const pg::Select<VerdictRow> verdicts_of_leads = kVerdicts.by("verdicts_of_leads", {"company_id", "lead_id"});
const pg::Write<VerdictRow> save_verdicts = kVerdicts.upsert("save_verdicts");

}  // namespace otto::lead_pipeline
