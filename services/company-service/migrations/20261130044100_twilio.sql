-- Twilio's accounts: a token that was replaced goes on proving webhooks for a while, as CallRail's former key does; the numbers that an account lists are looked at as CallRail's are; and how far each
-- account's messages were compared with Twilio's own list. Every company is told anew on otto.directory, with its account at Twilio, its call flow and its service area.
-- Locks: companies and company_numbers for moments (columns without defaults, a small index, triggers), rows of directory_state.
SET LOCAL lock_timeout = '5s';
ALTER TABLE companies ADD COLUMN twilio_auth_token_former text,
                      ADD COLUMN twilio_auth_token_former_until timestamptz,
                      ADD COLUMN twilio_problem text,
                      ADD COLUMN twilio_problem_cure text,
                      ADD CONSTRAINT companies_twilio_account_sid CHECK (twilio_account_sid ~ '^AC[0-9a-f]{32}$') NOT VALID;
CREATE INDEX companies_twilio_account_sid ON companies (twilio_account_sid) WHERE twilio_account_sid IS NOT NULL;
GRANT SELECT (twilio_auth_token_former_until, twilio_problem, twilio_problem_cure) ON companies TO otto_query_service;

CREATE VIEW twilio_accounts WITH (security_invoker = true) AS
SELECT id AS company_id, 'twilio'::text AS provider, twilio_account_sid AS account_id, NULL::text AS provider_company_id,
       twilio_auth_token AS api_key, 'twilio_auth_token'::text AS api_key_column,
       twilio_auth_token AS signing_key, false AS from_provider,  -- one token asks the API and signs webhooks; a person typed it in
       CASE WHEN twilio_auth_token_former_until IS NOT NULL THEN twilio_auth_token_former END AS former_key, false AS former_from_provider,
       twilio_auth_token_former_until AS former_until, 'twilio_auth_token'::text AS signing_key_column,
       twilio_problem AS problem, twilio_problem_cure AS problem_cure
  FROM companies
 WHERE num_nonnulls(twilio_account_sid, twilio_auth_token, twilio_auth_token_former, twilio_problem) > 0;
CREATE OR REPLACE VIEW provider_accounts WITH (security_invoker = true) AS SELECT * FROM callrail_accounts UNION ALL SELECT * FROM twilio_accounts;
GRANT SELECT ON twilio_accounts TO otto_company_service;
UPDATE directory_state SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), dirty = true;

-- What an account lists is read when its credentials change or a number is registered.
CREATE OR REPLACE FUNCTION companies_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM check_company(NEW.id, 'members'); END IF;
  IF TG_OP = 'INSERT' OR (NEW.callrail_api_key, NEW.callrail_account_id, NEW.callrail_company_id) IS DISTINCT FROM (OLD.callrail_api_key, OLD.callrail_account_id, OLD.callrail_company_id) THEN
    PERFORM check_company(NEW.id, 'callrail_numbers');
  END IF;
  IF NEW.twilio_account_sid IS NOT NULL AND (TG_OP = 'INSERT' OR (NEW.twilio_auth_token, NEW.twilio_account_sid) IS DISTINCT FROM (OLD.twilio_auth_token, OLD.twilio_account_sid)) THEN
    PERFORM check_company(NEW.id, 'twilio_numbers');
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER companies_check_twilio AFTER UPDATE OF twilio_auth_token, twilio_account_sid ON companies FOR EACH ROW
  WHEN ((NEW.twilio_auth_token, NEW.twilio_account_sid) IS DISTINCT FROM (OLD.twilio_auth_token, OLD.twilio_account_sid)) EXECUTE FUNCTION companies_check();
CREATE OR REPLACE FUNCTION company_numbers_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM check_company(NEW.company_id, 'callrail_numbers');
  IF EXISTS (SELECT FROM companies WHERE id = NEW.company_id AND twilio_account_sid IS NOT NULL) THEN PERFORM check_company(NEW.company_id, 'twilio_numbers'); END IF;
  RETURN NULL;
END $$;

-- One account is claimed by few companies on their word alone: every webhook that names it is held against the key of each.
GRANT SELECT (twilio_account_sid) ON companies TO otto_numbers;
CREATE FUNCTION twilio_claimants(account_sid text, but_company text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS
$$ SELECT count(*) FROM companies WHERE twilio_account_sid = account_sid AND id <> but_company $$;
REVOKE EXECUTE ON FUNCTION twilio_claimants(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twilio_claimants(text, text) TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION twilio_claimants(text, text) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;

-- When a company had its account at a provider tested: few times a minute, for each asks the provider.
CREATE TABLE provider_tests (
  company_id text NOT NULL,
  at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX provider_tests_company ON provider_tests (company_id, at);
CREATE INDEX provider_tests_at ON provider_tests (at);
SELECT otto_wall('provider_tests', writer => 'otto_company_service', readers => '{}');

-- As callrail_sweeps; of a company that has numbers in the deployment's account too, a row for each account.
CREATE TABLE twilio_sweeps (
  company_id       text NOT NULL,
  account_id       text NOT NULL,                 -- AC…; its companies with the same credentials are swept together
  watermark        timestamptz,                   -- messages that were sent before it have been compared
  asked_at         timestamptz,                   -- an operator asks for a sweep now
  not_before       timestamptz,                   -- Twilio asks to wait
  hour             timestamptz,                   -- the hour in which `requests` were made
  requests         integer NOT NULL DEFAULT 0,
  started_at       timestamptz,                   -- the last sweep, and what it found
  finished_at      timestamptz,
  pages            integer NOT NULL DEFAULT 0,
  seen             integer NOT NULL DEFAULT 0,    -- messages of this company that Twilio listed
  missing          integer NOT NULL DEFAULT 0,    -- whose webhooks never came
  early            integer NOT NULL DEFAULT 0,    -- not known yet, and their webhooks may still come
  differing        integer NOT NULL DEFAULT 0,    -- known with another status or without what was written
  unowned          integer NOT NULL DEFAULT 0,    -- of the account, but to a number that is none of ours
  error            text,
  missing_total    bigint NOT NULL DEFAULT 0,     -- since the company was connected
  differing_total  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (company_id, account_id)
);
SELECT otto_wall('twilio_sweeps', writer => 'otto_company_service', readers => '{}');

-- To compare: one company at a time.
CREATE POLICY swept_company ON messages FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT (company_id, provider, provider_message_id, status, body) ON messages TO otto_company_service;
