-- Twilio's accounts: a token that was replaced goes on proving webhooks for a while, as CallRail's former key does; and how far each account's messages were compared with Twilio's own list.
ALTER TABLE companies ADD COLUMN twilio_auth_token_former text,
                      ADD COLUMN twilio_auth_token_former_until timestamptz,
                      ADD COLUMN twilio_problem text,
                      ADD COLUMN twilio_problem_cure text,
                      ADD CONSTRAINT companies_twilio_account_sid CHECK (twilio_account_sid ~ '^AC[0-9a-f]{32}$') NOT VALID;
CREATE INDEX companies_twilio_account_sid ON companies (twilio_account_sid) WHERE twilio_account_sid IS NOT NULL;
GRANT SELECT (twilio_auth_token_former_until, twilio_problem, twilio_problem_cure) ON companies TO otto_query_service;

CREATE TABLE twilio_sweeps (
  company_id       text NOT NULL PRIMARY KEY,
  account_id       text NOT NULL DEFAULT '',
  watermark        timestamptz,
  asked_at         timestamptz,
  not_before       timestamptz,
  started_at       timestamptz,
  finished_at      timestamptz,
  pages            integer NOT NULL DEFAULT 0,
  seen             integer NOT NULL DEFAULT 0,
  missing          integer NOT NULL DEFAULT 0,
  differing        integer NOT NULL DEFAULT 0,
  unowned          integer NOT NULL DEFAULT 0,
  error            text,
  missing_total    bigint NOT NULL DEFAULT 0,
  differing_total  bigint NOT NULL DEFAULT 0
);
ALTER TABLE twilio_sweeps ENABLE ROW LEVEL SECURITY;
ALTER TABLE twilio_sweeps FORCE ROW LEVEL SECURITY;
CREATE POLICY one_company ON twilio_sweeps TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON twilio_sweeps TO otto_company_service;
