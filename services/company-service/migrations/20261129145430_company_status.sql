-- A suspended company's people are refused wherever they knock: every service that serves them reads their company's status. Locks: none that anybody waits for.
CREATE POLICY status_of_own ON companies FOR SELECT TO otto_appointment_service, otto_shunya_orchestrator USING (id = otto_request_company());
GRANT SELECT (id, status) ON companies TO otto_appointment_service, otto_shunya_orchestrator, otto_lead_pipeline;
