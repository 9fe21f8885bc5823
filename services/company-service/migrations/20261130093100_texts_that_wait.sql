-- A test of a company's account at Twilio says that its texts wait for it. Locks: two tables that are new, for a moment.
CREATE POLICY tested_company ON text_pauses FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
CREATE POLICY tested_company ON text_sends FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT (company_id, why, until) ON text_pauses TO otto_company_service;
GRANT SELECT (company_id) ON text_sends TO otto_company_service;
