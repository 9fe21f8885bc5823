-- Who made or changed an appointment is on record with what else people do; until now appointments alone left no line.
-- Locks: audit_log against writers for a moment, and only while nothing long has it.
SET LOCAL lock_timeout = '5s';
CREATE POLICY appointment_actions ON audit_log FOR INSERT TO otto_appointment_service WITH CHECK (company_id = otto_request_company());
GRANT INSERT ON audit_log TO otto_appointment_service;
