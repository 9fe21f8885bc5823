-- part: sweeps
-- Of both providers, in one form.
(SELECT 'callrail' AS provider, company_id, account_id, started_at, finished_at, pages, seen, missing, early, differing, unowned, error, watermark, not_before, asked_at, missing_total, differing_total FROM callrail_sweeps
 UNION ALL
 SELECT 'twilio', company_id, account_id, started_at, finished_at, pages, seen, missing, early, differing, unowned, error, watermark, not_before, asked_at, missing_total, differing_total FROM twilio_sweeps)

-- name: sweeps
SELECT json_build_object('provider', provider, 'company_id', company_id, 'account', account_id, 'started_at', started_at, 'finished_at', finished_at, 'pages', pages, 'seen', seen, 'missing', missing, 'early', early,
                         'differing', differing, 'unowned', unowned, 'error', error, 'watermark', watermark, 'not_before', not_before, 'asked_at', asked_at, 'missing_total', missing_total,
                         'differing_total', differing_total) AS j
  FROM /*sweeps*/ s WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR account_id = ANY ($1) ORDER BY company_id, provider, account_id

-- name: swept_companies
-- Whether there is anything to show of them.
SELECT (SELECT count(*) FROM /*sweeps*/ s WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR account_id = ANY ($1)) +
       (SELECT count(*) FROM signature_failures WHERE $1::text[] IS NULL OR company_id = ANY ($1)) AS n

-- name: signature_failures
SELECT json_build_object('company_id', company_id, 'provider', provider, 'failures', failures, 'last_at', last_at, 'why', why) AS j FROM signature_failures f
 WHERE $1::text[] IS NULL OR company_id = ANY ($1) OR company_id IN (SELECT s.company_id FROM /*sweeps*/ s WHERE s.account_id = ANY ($1)) ORDER BY company_id, provider

-- name: ask_sweep
-- Only a mark, and a knock: company-service sweeps. The deployment's own Twilio account is known by the rows of who has numbers in it.
WITH calls AS (
  INSERT INTO callrail_sweeps (company_id, asked_at)
  SELECT id, now() FROM companies WHERE status = 'active' AND callrail_api_key IS NOT NULL AND callrail_account_id <> '' AND (id = ANY ($1::text[]) OR callrail_account_id = ANY ($1))
  ON CONFLICT (company_id) DO UPDATE SET asked_at = now()
  RETURNING company_id, 'callrail' AS provider, account_id),
texts AS (
  INSERT INTO twilio_sweeps (company_id, account_id, asked_at)
  SELECT id, twilio_account_sid, now() FROM companies
   WHERE status = 'active' AND twilio_auth_token IS NOT NULL AND twilio_account_sid <> '' AND (id = ANY ($1) OR twilio_account_sid = ANY ($1))
  UNION
  SELECT s.company_id, s.account_id, now() FROM twilio_sweeps s JOIN companies c ON c.id = s.company_id AND c.status = 'active'
   WHERE (s.company_id = ANY ($1) OR s.account_id = ANY ($1)) AND c.twilio_account_sid IS DISTINCT FROM s.account_id
     AND EXISTS (SELECT FROM company_numbers n WHERE n.company_id = s.company_id AND n.provider = 'twilio' AND n.is_active AND (n.valid_to IS NULL OR n.valid_to > now()))
  ON CONFLICT (company_id, account_id) DO UPDATE SET asked_at = now()
  RETURNING company_id, 'twilio', account_id)
SELECT company_id, pg_notify('otto_sweep', '') IS NULL AS knocked FROM (SELECT * FROM calls UNION ALL SELECT * FROM texts) marked

-- name: knock_sweep
SELECT pg_notify('otto_sweep', '')

-- name: sweeps_under_way
-- Of the marks that were set.
SELECT count(*) FILTER (WHERE asked_at IS NOT NULL OR (finished_at IS NULL AND started_at IS NOT NULL)) AS open, count(*) FILTER (WHERE error IS NOT NULL) AS failed
  FROM /*sweeps*/ s WHERE company_id = ANY ($1::text[])
