-- The answers of HTTP writes stood without their company: the same key of one person in two companies gave the one's row to the other. Now company and
-- issuer are part of the key, and each company's answers stand behind its wall. A key is claimed by a row without an answer before its request is worked
-- on, so that two at once do not both act on the outside; a claim that is never answered (its process died) is free again when its time is over.
-- The former rows go: nothing says whose they were. Whoever repeats a request from before this migration does it anew.
-- Locks: a new table in place of one that is held for a moment.
SET LOCAL lock_timeout = '5s';
DROP TABLE idempotency_keys;

CREATE TABLE idempotency_keys (
  consumer      text NOT NULL,                   -- the service
  company_id    text NOT NULL,                   -- '' of who belongs to no company yet
  issuer        text NOT NULL,                   -- who says that user_id is whom
  user_id       text NOT NULL,
  route         text NOT NULL,
  key           text NOT NULL,
  request_hash  text NOT NULL,
  claim         uuid NOT NULL,                   -- of the request that works on it, or did
  claimed_until timestamptz,                     -- null: answered
  status        integer,
  content_type  text NOT NULL DEFAULT '',
  body          bytea,
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, company_id, issuer, user_id, route, key),
  CHECK ((claimed_until IS NULL) = (status IS NOT NULL))
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
-- What is over its time is nobody's answer any more: the service that trims it asks in no company's name. No request of a company sees it.
CREATE POLICY own_answers ON idempotency_keys
  USING (current_user = otto_role_of(consumer)
         AND (company_id = coalesce(otto_request_company(), '') OR (coalesce(otto_request_company(), '') = '' AND created_at < now() - interval '48 hours')))
  WITH CHECK (current_user = otto_role_of(consumer) AND company_id = coalesce(otto_request_company(), ''));
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys
  TO otto_company_service, otto_tenant_router, otto_lead_pipeline, otto_shunya_orchestrator, otto_appointment_service, otto_workflow_service;
