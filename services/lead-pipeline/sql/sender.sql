-- name: texts_waiting
-- Of each number: how far its pace is used up, what of it is on its way, and who may leave next.
SELECT i.n, p.free_at, coalesce(r.segments, 0) AS on_the_way, w.message_id, w.segments
  FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS i (company_id, from_number, most, n)
  LEFT JOIN text_paces p ON p.company_id = i.company_id AND p.from_number = i.from_number
  LEFT JOIN LATERAL (SELECT sum(s.segments) AS segments FROM text_sends s WHERE s.company_id = i.company_id AND s.from_number = i.from_number AND s.state = 'released') r ON true
  LEFT JOIN LATERAL (SELECT s.message_id, s.segments, s.automatic, s.accepted_at FROM text_sends s WHERE s.company_id = i.company_id AND s.from_number = i.from_number AND s.state = 'waiting'
                      ORDER BY s.automatic, s.accepted_at, s.message_id LIMIT i.most) w ON true
 ORDER BY i.n, w.automatic, w.accepted_at, w.message_id

-- name: release_texts
-- Who is at work on one of them (it is taken back, say) goes first: it is looked at again.
WITH free AS (SELECT s.company_id, s.message_id FROM text_sends s JOIN unnest($1::text[], $2::uuid[]) AS i (company_id, message_id) ON s.company_id = i.company_id AND s.message_id = i.message_id
               WHERE s.state = 'waiting' FOR UPDATE OF s SKIP LOCKED),
released AS (UPDATE text_sends s SET state = 'released', why = NULL FROM free f WHERE s.company_id = f.company_id AND s.message_id = f.message_id RETURNING s.company_id, s.message_id)
SELECT company_id, message_id, otto_want('lead-pipeline/texts', company_id, message_id::text, now()) FROM released

-- name: keep_paces
INSERT INTO text_paces (company_id, from_number, free_at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i (company_id, from_number, free_at) ORDER BY 1, 2
ON CONFLICT (company_id, from_number) DO UPDATE SET free_at = excluded.free_at

-- name: text_on_its_way
SELECT s.from_number, s.to_number, s.state, s.asked_at, s.looked_at, coalesce(s.account, '') AS account, m.body FROM text_sends s LEFT JOIN messages m ON m.company_id = s.company_id AND m.id = s.message_id
 WHERE s.company_id = $1 AND s.message_id = $2

-- name: text_to_send
SELECT m.body, m.reason, m.scheduled_at, k.state FROM messages m JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id WHERE m.company_id = $1 AND m.id = $2

-- name: text_put_off
UPDATE text_sends SET why = $3 WHERE company_id = $1 AND message_id = $2

-- name: known_sids
SELECT provider_message_id AS sid FROM messages WHERE company_id = $1 AND provider = 'twilio' AND provider_message_id = ANY ($2::text[])

-- name: text_status
SELECT m.provider_message_id AS sid, m.status, m.to_number, m.asked_at, m.status_unknown, EXISTS (SELECT FROM text_sends s WHERE s.company_id = m.company_id AND s.message_id = m.id) AS on_its_way
  FROM messages m WHERE m.company_id = $1 AND m.id = $2

-- name: sending_numbers
SELECT company_id, key FROM work WHERE queue = 'lead-pipeline/text-numbers'

-- name: oldest_texts_waiting
-- Two looks into the index a number.
SELECT coalesce(extract(epoch FROM now() - min(w.accepted_at) FILTER (WHERE p.company_id IS NULL)), 0) AS waiting, coalesce(extract(epoch FROM now() - min(w.accepted_at) FILTER (WHERE p.company_id IS NOT NULL)), 0) AS paused
  FROM unnest($1::text[], $2::text[]) AS i (company_id, from_number)
  CROSS JOIN unnest(ARRAY[false, true]) AS a (automatic)
  CROSS JOIN LATERAL (SELECT s.accepted_at FROM text_sends s WHERE s.company_id = i.company_id AND s.from_number = i.from_number AND s.state = 'waiting' AND s.automatic = a.automatic ORDER BY s.accepted_at LIMIT 1) w
  LEFT JOIN text_pauses p ON p.company_id = i.company_id
