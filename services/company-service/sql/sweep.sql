-- name: sweep_state
-- How the sweep of a company's account stands; what was of another account is no more.
SELECT asked_at, hour, requests, CASE WHEN account_id = $2 THEN watermark END AS watermark, CASE WHEN account_id = $2 THEN not_before END AS not_before,
       CASE WHEN account_id = $2 THEN started_at END AS started_at
  FROM callrail_sweeps WHERE company_id = $1

-- name: begin_sweep
-- Another account is swept from the beginning.
INSERT INTO callrail_sweeps AS s (company_id, account_id, started_at, watermark) VALUES ($1, $2, $3, $4)
ON CONFLICT (company_id) DO UPDATE SET account_id = excluded.account_id, started_at = excluded.started_at, watermark = excluded.watermark, asked_at = NULL, finished_at = NULL,
  pages = 0, seen = 0, missing = 0, early = 0, differing = 0, unowned = 0, error = NULL, not_before = NULL

-- name: note_page
UPDATE callrail_sweeps SET pages = pages + 1, seen = seen + $2, missing = missing + $3, early = early + $4, differing = differing + $5, unowned = unowned + $6,
       missing_total = missing_total + $3, differing_total = differing_total + $5, watermark = greatest(watermark, $7::timestamptz), hour = $8, requests = $9
 WHERE company_id = $1 AND account_id = $10

-- name: end_sweep
UPDATE callrail_sweeps SET finished_at = now(), error = $2, not_before = $3, watermark = greatest(watermark, $4::timestamptz), hour = $5, requests = $6 WHERE company_id = $1 AND account_id = $7

-- name: known_calls
-- The calls that we have of those that CallRail lists: by any of their ids, else by both numbers and the moment, for a webhook may have told another id. And whose
-- e-mail the agent's is.
SELECT i.n, k.provider_call_id, k.status, k.duration, k.recording_url IS NOT NULL AS has_recording, k.owner_id,
       (SELECT u.id FROM company_users u WHERE u.company_id = $1 AND lower(u.email) = lower(i.agent_email) AND u.status <> 'removed' ORDER BY u.id LIMIT 1) AS agent_id
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[]) AS i (n, id, other_id, phone, tracking, started_at, agent_email)
 CROSS JOIN LATERAL (
   SELECT * FROM (
     SELECT 1 AS how, c.provider_call_id, c.status, c.duration, c.recording_url, c.owner_id FROM call_aliases a JOIN calls c ON c.company_id = a.company_id AND c.call_id = a.call_id
      WHERE a.company_id = $1 AND a.provider = 'callrail' AND a.alias IN (i.id, i.other_id)
     UNION ALL
     SELECT 2, c.provider_call_id, c.status, c.duration, c.recording_url, c.owner_id FROM calls c
      WHERE c.company_id = $1 AND c.provider = 'callrail' AND c.phone_number = i.phone AND c.tracking_number = i.tracking
        AND c.started_at BETWEEN i.started_at - interval '2 seconds' AND i.started_at + interval '2 seconds') found
    ORDER BY how LIMIT 1) k

-- name: twilio_sweep_state
SELECT asked_at, hour, requests, watermark, not_before, started_at FROM twilio_sweeps WHERE company_id = $1 AND account_id = $2

-- name: begin_twilio_sweep
INSERT INTO twilio_sweeps AS s (company_id, account_id, started_at, watermark) VALUES ($1, $2, $3, $4)
ON CONFLICT (company_id, account_id) DO UPDATE SET started_at = excluded.started_at, watermark = excluded.watermark, asked_at = NULL, finished_at = NULL,
  pages = 0, seen = 0, missing = 0, early = 0, differing = 0, unowned = 0, error = NULL, not_before = NULL

-- name: note_twilio_page
UPDATE twilio_sweeps SET pages = pages + 1, seen = seen + $2, missing = missing + $3, early = early + $4, differing = differing + $5, unowned = unowned + $6,
       missing_total = missing_total + $3, differing_total = differing_total + $5, watermark = greatest(watermark, $7::timestamptz), hour = $8, requests = $9
 WHERE company_id = $1 AND account_id = $10

-- name: end_twilio_sweep
UPDATE twilio_sweeps SET finished_at = now(), error = $2, not_before = $3, watermark = greatest(watermark, $4::timestamptz), hour = $5, requests = $6 WHERE company_id = $1 AND account_id = $7

-- name: forget_other_twilio_sweeps
-- Of accounts that were the company's: neither the one that it has now, nor the deployment's.
DELETE FROM twilio_sweeps WHERE company_id = $1 AND account_id NOT IN ($2, $3)

-- name: known_messages
SELECT provider_message_id, status, body IS NOT NULL AS has_body FROM messages WHERE company_id = $1 AND provider = 'twilio' AND provider_message_id = ANY ($2::text[])

-- name: taken_messages
-- Which of these wait, or went to a company.
SELECT name FROM taken_messages('twilio', $1::text[]) AS name

-- name: note_refusals
INSERT INTO signature_failures AS f (company_id, provider, failures, last_at, why) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (company_id, provider) DO UPDATE SET failures = f.failures + excluded.failures, last_at = greatest(f.last_at, excluded.last_at),
  why = CASE WHEN excluded.last_at >= f.last_at THEN excluded.why ELSE f.why END
