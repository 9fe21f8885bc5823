-- Who did what to what, by whose hand, from where, and what it was before and is now: one line for each write that was answered 2xx, and for what Clerk, Otto itself and operators do to a company's
-- rows. Lines are added and never changed: no service may do more than insert them.
-- Locks: audit_log and operator_actions for a moment; columns without a table's rewrite, checks that hold for new rows and do not walk the old ones. The two indexes keep writers of audit_log waiting
-- while they are made, about a second for a million lines. company_numbers for a moment (a column without a default).
SET LOCAL lock_timeout = '5s';
ALTER TABLE audit_log
  ALTER COLUMN user_id DROP NOT NULL,                 -- Otto and Clerk act of themselves
  ADD COLUMN actor text NOT NULL DEFAULT 'user',
  ADD COLUMN client_address text,
  ADD COLUMN request_id text,
  ADD COLUMN before jsonb,                            -- the fields whose values changed; never a secret, a person's number as its last four
  ADD COLUMN after jsonb;
ALTER TABLE audit_log
  ADD CONSTRAINT audit_log_actor_check CHECK (actor IN ('user', 'operator', 'system', 'clerk')) NOT VALID,
  ADD CONSTRAINT audit_log_somebody CHECK (user_id IS NOT NULL OR actor IN ('system', 'clerk')) NOT VALID;
CREATE INDEX audit_log_list ON audit_log (company_id, at DESC, id DESC);
CREATE INDEX audit_log_target ON audit_log (company_id, target, at DESC, id DESC);

-- One policy for all who write, requests and batches alike: a request's company is its batch's only one.
DROP POLICY appointment_actions ON audit_log;
DROP POLICY corrections ON audit_log;
DROP POLICY own_actions ON audit_log;
DROP POLICY one_company ON audit_log;
CREATE POLICY added_to ON audit_log FOR INSERT TO otto_company_service, otto_lead_pipeline, otto_appointment_service, otto_shunya_orchestrator
  WITH CHECK ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON audit_log FOR SELECT TO otto_query_service USING (company_id = otto_request_company());
REVOKE ALL ON audit_log FROM otto_company_service;
GRANT INSERT ON audit_log TO otto_company_service;

-- What a number's addresses at Twilio were before Otto set them, until the line that says so can be written with the answer.
ALTER TABLE company_numbers ADD COLUMN webhooks_former jsonb;

-- What an operator does to a company's rows is on the company's record too, whichever command it was and whoever forgets it. What stands in a letter or a payload stays with the operators.
CREATE FUNCTION operator_actions_on_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit_log (company_id, user_id, actor, action, target, detail)
  SELECT company_id, operator, 'operator', action, target::text, jsonb_strip_nulls(jsonb_build_object('reason', nullif(reason, ''), 'event_id', event_id))
    FROM made WHERE company_id <> '' ORDER BY id;
  RETURN NULL;
END $$;
CREATE TRIGGER operator_actions_on_record AFTER INSERT ON operator_actions REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION operator_actions_on_record();

-- A company is suspended, and let in again, at a psql prompt. Its own service does so only for Clerk, and says so itself.
CREATE FUNCTION companies_status_on_record() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_user = 'otto_company_service' THEN RETURN NULL; END IF;
  INSERT INTO audit_log (company_id, user_id, actor, action, target, before, after)
  VALUES (NEW.id, session_user, 'operator', CASE NEW.status WHEN 'suspended' THEN 'company.suspend' ELSE 'company.resume' END, NEW.id, jsonb_build_object('status', OLD.status), jsonb_build_object('status', NEW.status));
  RETURN NULL;
END $$;
CREATE TRIGGER companies_status_on_record AFTER UPDATE OF status ON companies FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION companies_status_on_record();
