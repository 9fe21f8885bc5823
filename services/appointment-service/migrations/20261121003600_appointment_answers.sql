-- An appointment is shown with the number of its lead's open tasks, by whoever answers with it.
GRANT SELECT ON tasks TO otto_appointment_service;
CREATE POLICY appointment_answers ON tasks FOR SELECT TO otto_appointment_service USING (company_id = otto_request_company());
