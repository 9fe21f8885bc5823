-- What a company has at a provider is told on otto.directory in one form for all providers: a view for each says which columns are whose, and provider_accounts joins them, so that nothing else needs to know.
-- Every company is published again in that form; a version rises as mark_directory_dirty() raises it.
-- Locks: rows of directory_state for a moment.
SET LOCAL lock_timeout = '5s';
CREATE VIEW callrail_accounts WITH (security_invoker = true) AS
SELECT id AS company_id, 'callrail'::text AS provider, callrail_account_id AS account_id, callrail_company_id AS provider_company_id,
       callrail_api_key AS api_key, 'callrail_api_key'::text AS api_key_column,
       callrail_signing_key AS signing_key, NOT callrail_signing_key_explicit AS from_provider,
       CASE WHEN callrail_signing_key_former_until IS NOT NULL THEN callrail_signing_key_former END AS former_key, NOT callrail_signing_key_former_explicit AS former_from_provider,
       callrail_signing_key_former_until AS former_until, 'callrail_signing_key'::text AS signing_key_column,  -- sealed for that place, the former one too
       callrail_problem AS problem, callrail_problem_cure AS problem_cure
  FROM companies
 WHERE num_nonnulls(callrail_account_id, callrail_company_id, callrail_api_key, callrail_signing_key, callrail_signing_key_former, callrail_problem) > 0;
CREATE VIEW provider_accounts WITH (security_invoker = true) AS SELECT * FROM callrail_accounts;
GRANT SELECT ON callrail_accounts, provider_accounts TO otto_company_service;
UPDATE directory_state SET version = greatest(version + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), dirty = true;
