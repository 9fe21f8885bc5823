-- Whose number it is that a company registers without saying so: that of the provider whose webhooks showed it. Lock: one table, for a moment.
CREATE POLICY registering_company ON seen_numbers FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT (company_id, e164, provider) ON seen_numbers TO otto_company_service;
