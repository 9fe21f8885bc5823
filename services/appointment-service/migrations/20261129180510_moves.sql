-- An appointment belongs to the lead that its call has now, and goes where a lead that is folded goes. Locks: none that anybody waits for.
CREATE POLICY appointments_look ON calls FOR SELECT TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY appointments_look ON folded_rows FOR SELECT TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
GRANT SELECT (company_id, call_id, contact_card_id, lead_id) ON calls TO otto_appointment_service;
GRANT SELECT (company_id, kind, from_id, into_id) ON folded_rows TO otto_appointment_service;
