-- name: held_list
SELECT json_build_object('event_id', event_id, 'received_at', received_at, 'provider', provider, 'kind', kind, 'number', number, 'verdict', verdict, 'reason', reason,
                         'cure', cure, 'held_for', held_for, 'conflict', conflict, 'held_at', held_at, 'asked_at', asked_at, 'released_at', released_at, 'released_to', released_to) AS j
  FROM held_events
 WHERE ($1::boolean OR released_at IS NULL) AND ($2::text IS NULL OR number = $2) AND ($3::text IS NULL OR position(lower($3) IN lower(reason)) > 0)
 ORDER BY received_at DESC, event_id LIMIT $4::bigint

-- name: held_reasons
-- How many wait for what. Numbers are taken out of the reasons, so that one cause is one row.
SELECT json_build_object('events', count(*), 'reason', regexp_replace(reason, '\+[0-9]+', '+…', 'g'), 'cure', min(cure), 'oldest', min(received_at), 'newest', max(received_at)) AS j
  FROM held_events
 WHERE released_at IS NULL AND ($1::text IS NULL OR number = $1) AND ($2::text IS NULL OR position(lower($2) IN lower(reason)) > 0)
 GROUP BY regexp_replace(reason, '\+[0-9]+', '+…', 'g') ORDER BY count(*) DESC

-- name: held_one
SELECT json_build_object('event_id', event_id, 'received_at', received_at, 'held_at', held_at, 'provider', provider, 'kind', kind, 'number', number, 'verdict', verdict,
                         'proven_company_id', proven_company_id, 'held_for', held_for, 'conflict', conflict, 'concerns', to_json(concerns), 'reason', reason, 'cure', cure, 'path', split_part(request_target, '?', 1), 'request_target', request_target, 'content_type', content_type,
                         'signature_headers', signature_headers, 'traceparent', traceparent, 'asked_at', asked_at, 'released_at', released_at, 'released_to', released_to) AS j
  FROM held_events WHERE event_id = $1

-- name: held_bytes
SELECT record, raw_body FROM held_events WHERE event_id = $1

-- name: number_owners
-- Whose number it is and was, and whether the owner could prove anything.
SELECT json_build_object('company_id', n.company_id, 'company_status', c.status, 'purposes', array_to_string(n.purposes, ','), 'valid_from', n.valid_from, 'valid_to', n.valid_to,
                         'is_active', n.is_active, 'standing', n.standing, 'signing_key', CASE WHEN c.callrail_signing_key IS NULL THEN 'not set' ELSE 'set' END, 'twilio_auth_token', CASE WHEN c.twilio_auth_token IS NULL THEN 'not set' ELSE 'set' END) AS j
  FROM company_numbers n LEFT JOIN companies c ON c.id = n.company_id WHERE n.e164 = $1 ORDER BY n.valid_from

-- name: held_chosen
SELECT event_id FROM held_events
 WHERE released_at IS NULL AND ($1::uuid[] IS NULL OR event_id = ANY ($1)) AND ($2::text IS NULL OR number = $2) AND ($3::text IS NULL OR position(lower($3) IN lower(reason)) > 0)
 ORDER BY received_at, event_id

-- name: held_not_waiting
SELECT json_build_object('event_id', i.id, 'why', CASE WHEN h.event_id IS NULL THEN 'no such event is or was held' ELSE 'it went on to ' || h.released_to || ' at ' || h.released_at END) AS j
  FROM unnest($1::uuid[]) AS i (id) LEFT JOIN held_events h ON h.event_id = i.id WHERE h.event_id IS NULL OR h.released_at IS NOT NULL

-- name: held_summary
SELECT json_build_object('events', count(*), 'reason', reason, 'cure', min(cure), 'oldest', min(received_at), 'newest', max(received_at)) AS j
  FROM held_events WHERE event_id = ANY ($1::uuid[]) GROUP BY reason ORDER BY count(*) DESC

-- name: ask_release
-- Only a mark: the router's releaser decides, and passes on.
UPDATE held_events SET asked_at = now() WHERE event_id = ANY ($1::uuid[]) AND released_at IS NULL

-- name: note_release
INSERT INTO operator_actions (operator, action, target, event_id, reason, detail)
SELECT $1, 'held.release', event_id, event_id, '', json_build_object('was', reason) FROM held_events WHERE event_id = ANY ($2::uuid[])

-- name: note_released
-- Whose it turned out to be is known now: so that it is on that company's record.
INSERT INTO operator_actions (operator, action, target, event_id, company_id, reason)
SELECT $1, 'held.release', event_id, event_id, released_to, '' FROM held_events WHERE event_id = ANY ($2::uuid[]) AND released_to <> ''

-- name: held_untried
SELECT count(*) AS n FROM held_events WHERE event_id = ANY ($1::uuid[]) AND released_at IS NULL AND asked_at IS NOT NULL

-- name: held_outcomes
SELECT json_build_object('event_id', event_id, 'outcome', CASE WHEN released_at IS NOT NULL THEN 'went on' WHEN asked_at IS NULL THEN 'stays held' ELSE 'not tried yet' END,
                         'released_to', released_to, 'reason', CASE WHEN released_at IS NULL THEN reason END, 'cure', CASE WHEN released_at IS NULL THEN cure END) AS j
  FROM held_events WHERE event_id = ANY ($1::uuid[]) ORDER BY received_at, event_id
