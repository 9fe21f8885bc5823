-- A task about an appointment is about one of the company's own. Locks: none that anybody waits for.
CREATE POLICY task_appointments ON appointments FOR SELECT TO otto_lead_pipeline USING (company_id = otto_request_company());
GRANT SELECT (company_id, id, assigned_rep_id) ON appointments TO otto_lead_pipeline;
