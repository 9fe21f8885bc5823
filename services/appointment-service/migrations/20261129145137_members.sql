-- Who an appointment is given to is one of the company's people. Locks: none that anybody waits for.
CREATE POLICY appointment_reps ON company_users FOR SELECT TO otto_appointment_service USING (company_id = otto_request_company());
GRANT SELECT (company_id, id, status) ON company_users TO otto_appointment_service;
