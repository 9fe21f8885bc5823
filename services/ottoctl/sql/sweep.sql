-- name: sweeps
SELECT json_build_object('company_id', company_id, 'account', account_id, 'started_at', started_at, 'finished_at', finished_at, 'pages', pages, 'seen', seen, 'missing', missing, 'early', early,
                         'differing', differing, 'unowned', unowned, 'error', error, 'watermark', watermark, 'not_before', not_before, 'asked_at', asked_at, 'missing_total', missing_total,
                         'differing_total', differing_total) AS j
  FROM callrail_sweeps WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR account_id = ANY ($1) ORDER BY company_id

-- name: swept_companies
-- Whether there is anything to show of them.
SELECT (SELECT count(*) FROM callrail_sweeps WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR account_id = ANY ($1)) +
       (SELECT count(*) FROM signature_failures WHERE $1::text[] IS NULL OR company_id = ANY ($1)) AS n

-- name: signature_failures
SELECT json_build_object('company_id', company_id, 'provider', provider, 'failures', failures, 'last_at', last_at, 'why', why) AS j FROM signature_failures f
 WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR company_id IN (SELECT s.company_id FROM callrail_sweeps s WHERE s.account_id = ANY ($1)) ORDER BY company_id, provider

-- name: ask_sweep
-- Only a mark, and a knock: company-service sweeps.
WITH marked AS (
  INSERT INTO callrail_sweeps (company_id, asked_at)
  SELECT id, now() FROM companies WHERE status = 'active' AND callrail_api_key IS NOT NULL AND callrail_account_id <> '' AND (id = ANY ($1::text[]) OR callrail_account_id = ANY ($1))
  ON CONFLICT (company_id) DO UPDATE SET asked_at = now()
  RETURNING company_id)
SELECT company_id, pg_notify('otto_sweep', '') IS NULL AS knocked FROM marked

-- name: knock_sweep
SELECT pg_notify('otto_sweep', '')

-- name: sweeps_under_way
SELECT count(*) FILTER (WHERE asked_at IS NOT NULL OR finished_at IS NULL) AS open, count(*) FILTER (WHERE error IS NOT NULL) AS failed FROM callrail_sweeps WHERE company_id = ANY ($1::text[])
