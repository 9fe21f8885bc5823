-- name: hold
INSERT INTO held_events (event_id, provider, kind, reason, cure, number, verdict, proven_company_id, request_target, content_type, signature_headers, raw_body, record, traceparent, received_at, waits_for,
                         concerns, held_for, conflict)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT (event_id) DO NOTHING

-- name: held_page
-- The waiting ones in order of arrival, after a position: as many as are 32 MiB together, but one. What waits for a job that is not on record comes without its record.
SELECT event_id, reason, cure, CASE WHEN known THEN record END AS record, received_at, traceparent, asked, known, named
  FROM (SELECT *, row_number() OVER arrival AS n, sum(CASE WHEN known THEN octet_length(record) ELSE 0 END) OVER arrival AS bytes
          FROM (SELECT event_id, reason, cure, record, received_at, traceparent, asked_at IS NOT NULL AS asked, concerns IS NOT NULL AS named,
                       waits_for IS NULL OR EXISTS (SELECT FROM provider_calls c WHERE c.provider = h.provider AND c.provider_call_id = ANY (h.waits_for)) AS known
                  FROM held_events h
                 WHERE released_at IS NULL AND (received_at, event_id) > ($1, $2) ORDER BY received_at, event_id LIMIT 200) waiting
        WINDOW arrival AS (ORDER BY received_at, event_id)) page
 WHERE n = 1 OR bytes <= 33554432 ORDER BY received_at, event_id

-- name: held_due
-- Of these: what was held a moment ago, perhaps by a router that did not know yet; what an operator asks for, or a job that has become known; and what waits for one of these names.
SELECT event_id, reason, cure, CASE WHEN known THEN record END AS record, received_at, traceparent, asked, known, named
  FROM (SELECT *, row_number() OVER arrival AS n, sum(CASE WHEN known THEN octet_length(record) ELSE 0 END) OVER arrival AS bytes
          FROM (SELECT event_id, reason, cure, record, received_at, traceparent, asked_at IS NOT NULL AS asked, concerns IS NOT NULL AS named,
                       waits_for IS NULL OR EXISTS (SELECT FROM provider_calls c WHERE c.provider = h.provider AND c.provider_call_id = ANY (h.waits_for)) AS known
                  FROM held_events h
                 WHERE event_id IN (SELECT event_id FROM held_events WHERE released_at IS NULL AND held_at > now() - interval '15 seconds'
                                    UNION ALL SELECT event_id FROM held_events WHERE released_at IS NULL AND asked_at IS NOT NULL
                                    UNION ALL SELECT event_id FROM held_events WHERE released_at IS NULL AND concerns && $3::text[])
                   AND released_at IS NULL AND (received_at, event_id) > ($1, $2) ORDER BY received_at, event_id LIMIT 200) waiting
        WINDOW arrival AS (ORDER BY received_at, event_id)) page
 WHERE n = 1 OR bytes <= 33554432 ORDER BY received_at, event_id

-- name: release
UPDATE held_events SET released_at = now(), released_to = $2, asked_at = NULL WHERE event_id = $1 AND released_at IS NULL

-- name: explain_again
-- Tried, and it cannot go on: why. An operator's wish is answered by that.
UPDATE held_events SET reason = $2, cure = $3, concerns = $4, held_for = $5, conflict = $6, asked_at = NULL WHERE event_id = $1 AND released_at IS NULL

-- name: stays_held
UPDATE held_events SET asked_at = NULL WHERE event_id = $1 AND released_at IS NULL

-- name: remembered
SELECT provider, provider_call_id, company_id, phone FROM provider_calls WHERE (provider, provider_call_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: wake_held
-- Reports that wait for one of these jobs, calls or messages: the next release looks at them.
UPDATE held_events SET asked_at = now() WHERE released_at IS NULL AND (waits_for && $1::text[] OR concerns && $1::text[])

-- name: read_anew
-- What a former version could not read, as it is read now; it keeps its id, receipt and place.
UPDATE held_events SET record = $2, kind = $3, number = $4, waits_for = $5 WHERE event_id = $1 AND released_at IS NULL

-- name: remember_calls
INSERT INTO provider_calls (provider, provider_call_id, company_id, phone)
SELECT DISTINCT ON (p, c, o) p, c, o, t FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS i (p, c, o, t) ORDER BY p, c, o
ON CONFLICT DO NOTHING

-- name: saw_number
INSERT INTO seen_numbers (company_id, e164, provider, purposes, first_seen_at, last_seen_at) VALUES ($1, $2, $3, ARRAY[$4], $5, $5)
ON CONFLICT (company_id, e164) DO UPDATE SET last_seen_at = greatest(seen_numbers.last_seen_at, excluded.last_seen_at), first_seen_at = least(seen_numbers.first_seen_at, excluded.first_seen_at),
  purposes = ARRAY(SELECT DISTINCT p FROM unnest(seen_numbers.purposes || excluded.purposes) AS p ORDER BY p)

-- name: of_companies
-- What is held has no company when its transaction begins; the numbers that it shows have.
SELECT set_config('otto.company_ids', $1, true)

-- name: count_held
SELECT count(*) AS n FROM held_events WHERE released_at IS NULL

-- name: limit_accounts
-- On whose account so many events, or bytes, wait; those for whom that is another answer than before. The length of a body is known without reading it.
SELECT company_id, limited FROM limit_held(ARRAY(
  SELECT held_for FROM held_events WHERE released_at IS NULL AND held_for IS NOT NULL GROUP BY held_for HAVING count(*) >= $1::bigint OR sum(octet_length(raw_body)) >= $2::bigint))
