-- Whose appointments return to nobody is looked up where the event of the removal is worked on, so a batch sees the people of its companies, as a request does. Locks: company_users for a moment.
SET LOCAL lock_timeout = '5s';
DROP POLICY appointment_reps ON company_users;
CREATE POLICY appointment_reps ON company_users FOR SELECT TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
