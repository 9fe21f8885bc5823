-- The sweep: CallRail never sends a webhook twice, so its list of calls is held against ours. What stands here of each company, and what company-service must
-- see of calls to compare. Locks: none that lasts; calls and call_aliases only get a policy and a grant.
CREATE TABLE callrail_sweeps (
  company_id      text PRIMARY KEY,
  account_id      text NOT NULL DEFAULT '',      -- at CallRail; its companies with the same API key are swept together
  watermark       timestamptz,                   -- calls that began before it have been compared
  asked_at        timestamptz,                   -- an operator asks for a sweep now
  not_before      timestamptz,                   -- CallRail, or the account's budget, asks to wait
  hour            timestamptz,                   -- the hour in which `requests` were made
  requests        integer NOT NULL DEFAULT 0,
  started_at      timestamptz,                   -- the last sweep, and what it found
  finished_at     timestamptz,
  pages           integer NOT NULL DEFAULT 0,
  seen            integer NOT NULL DEFAULT 0,    -- calls of this company that CallRail listed
  missing         integer NOT NULL DEFAULT 0,    -- whose webhooks never came
  early           integer NOT NULL DEFAULT 0,    -- not known yet, and their webhooks may still come
  differing       integer NOT NULL DEFAULT 0,    -- known with another status, duration, recording or agent
  unowned         integer NOT NULL DEFAULT 0,    -- of the account, but to a number that is none of ours
  error           text,
  missing_total   bigint NOT NULL DEFAULT 0,     -- since the company was connected
  differing_total bigint NOT NULL DEFAULT 0
);

-- Webhooks that were refused because no key of the company proved them.
CREATE TABLE signature_failures (
  company_id text NOT NULL,
  provider   text NOT NULL,
  failures   bigint NOT NULL,
  last_at    timestamptz NOT NULL,
  why        text NOT NULL,                      -- of the last one: which check failed
  PRIMARY KEY (company_id, provider)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['callrail_sweeps', 'signature_failures'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY one_company ON %I TO otto_company_service USING (company_id = otto_request_company())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_company_service', name);
  END LOOP;
END $$;

-- To compare: one company at a time.
CREATE POLICY swept_company ON calls FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
CREATE POLICY swept_company ON call_aliases FOR SELECT TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, status, duration, recording_url, started_at, owner_id) ON calls TO otto_company_service;
GRANT SELECT ON call_aliases TO otto_company_service;

-- Who took a call, by the e-mail that CallRail names: lead-pipeline looks it up for the calls of a batch that name one.
CREATE POLICY batch_companies ON company_users FOR SELECT TO otto_lead_pipeline USING (company_id || '' = ANY (otto_batch_companies()));
GRANT SELECT (company_id, id, email, status) ON company_users TO otto_lead_pipeline;
