-- name: dead_letters_list
SELECT json_build_object('id', id, 'dead_at', dead_at, 'consumer', consumer, 'topic', topic, 'partition', partition, 'offset', "offset", 'type', type, 'event_id', event_id,
                         'company_id', company_id, 'key', key, 'bytes', octet_length(value), 'error', error, 'unpublished', unpublished) AS j
  FROM dead_letters
 WHERE ($1::text IS NULL OR consumer = $1) AND ($2::text IS NULL OR company_id = $2) AND ($3::text IS NULL OR position(lower($3) IN lower(error)) > 0)
 ORDER BY dead_at DESC, id LIMIT $4::bigint

-- name: dead_letter_one
SELECT json_build_object('id', id, 'dead_at', dead_at, 'consumer', consumer, 'topic', topic, 'partition', partition, 'offset', "offset", 'type', type, 'event_id', event_id,
                         'company_id', company_id, 'key', key, 'bytes', octet_length(value), 'error', error, 'unpublished', unpublished, 'history', history, 'headers', headers) AS j
  FROM dead_letters WHERE id = $1

-- name: dead_letter_locked
-- For a change: nobody else changes it meanwhile.
SELECT consumer, topic, partition, "offset", key, event_id, company_id, type, value, headers, error FROM dead_letters WHERE id = $1 FOR UPDATE

-- name: dead_letter_edit
UPDATE dead_letters SET value = $2, key = $3, event_id = $4, company_id = $5, type = $6, headers = $7::jsonb, history = history || $8::jsonb WHERE id = $1

-- name: note_edit
INSERT INTO operator_actions (operator, action, target, event_id, company_id, reason, detail)
SELECT $1, 'dead_letter.edit', id, event_id, company_id, $3, json_build_object('former', to_jsonb(d) - 'history') FROM dead_letters d WHERE id = $2

-- name: dead_letters_chosen
-- What Kafka refused (unpublished) goes the way of a pass-through's: to its topic, by its service's outbox.
SELECT id, consumer, topic, partition, type, event_id, company_id, value, error,
       unpublished OR NOT EXISTS (SELECT FROM lanes l WHERE l.consumer = d.consumer AND l.topic = d.topic AND l.next_offset IS NOT NULL) AS passes_through
  FROM dead_letters d
 WHERE ($1::uuid[] IS NULL OR id = ANY ($1)) AND ($2::text IS NULL OR consumer = $2) AND ($3::text IS NULL OR company_id = $3)
   AND ($4::text IS NULL OR position(lower($4) IN lower(error)) > 0)
 ORDER BY dead_at, id FOR UPDATE

-- name: dead_letters_missing
SELECT json_build_object('id', i.id, 'why', coalesce((SELECT a.action || ' by ' || a.operator || ' at ' || a.at FROM operator_actions a WHERE a.target = i.id ORDER BY a.id DESC LIMIT 1), 'there is no such dead letter')) AS j
  FROM unnest($1::uuid[]) AS i (id) WHERE NOT EXISTS (SELECT FROM dead_letters d WHERE d.id = i.id)

-- name: dead_letters_summary
SELECT json_build_object('events', count(*), 'consumer', consumer, 'type', type, 'error', error, 'oldest', min(dead_at), 'newest', max(dead_at)) AS j
  FROM dead_letters WHERE id = ANY ($1::uuid[]) GROUP BY consumer, type, error ORDER BY count(*) DESC

-- name: note_redrive
INSERT INTO operator_actions (operator, action, target, event_id, company_id, reason, detail)
SELECT $1, 'dead_letter.redrive', id, event_id, company_id, $3, json_build_object('consumer', consumer, 'type', type, 'error', error) FROM dead_letters WHERE id = ANY ($2::uuid[])

-- name: redrive
-- Back to the lane of its partition. It waits for itself alone (blocks_key false): its key went on without it when it died. A parked event has its
-- inbox row; one that could not be read when it died has none yet.
WITH dead AS (DELETE FROM dead_letters WHERE id = ANY ($1::uuid[]) RETURNING *),
     seen AS (INSERT INTO inbox (consumer, company_id, event_id) SELECT consumer, company_id, event_id FROM dead ORDER BY 2, 3 ON CONFLICT DO NOTHING)
INSERT INTO parked (consumer, topic, partition, key, blocks_key, event_id, company_id, type, value, headers, attempt, error, history, next_at)
SELECT consumer, topic, partition, key, false, event_id, company_id, type, value, headers, 0, '', history || $2::jsonb, now() FROM dead ORDER BY dead_at, id

-- name: redrive_through
-- A pass-through has no parked events: its topic gets the record once more, by its service's own outbox. Who has seen the event drops the repeat. And what Kafka refused is
-- put back where it was.
WITH dead AS (DELETE FROM dead_letters WHERE id = ANY ($1::uuid[]) RETURNING *)
INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers)
SELECT consumer, 'outbox', 0, topic, key, value, headers FROM dead ORDER BY dead_at, id

-- name: wake_outbox
SELECT pg_notify('otto_outbox', '')

-- name: redriven
-- What became of redriven events: parked still, dead again, published or done.
SELECT json_build_object('event_id', i.event_id, 'consumer', i.consumer,
         'outcome', CASE WHEN d.id IS NOT NULL THEN 'dead again' WHEN p.error <> '' THEN 'failed, tried again' WHEN p.id IS NOT NULL OR o.id IS NOT NULL THEN 'waits'
                         WHEN i.through THEN 'published again' ELSE 'done' END,
         'dead_letter', d.id, 'error', coalesce(d.error, nullif(p.error, '')), 'next_at', p.next_at) AS j
  FROM unnest($1::text[], $2::uuid[], $3::boolean[]) AS i (consumer, event_id, through)
  LEFT JOIN LATERAL (SELECT id, error FROM dead_letters WHERE consumer = i.consumer AND event_id = i.event_id ORDER BY dead_at DESC LIMIT 1) d ON true
  LEFT JOIN LATERAL (SELECT id, attempt, error, next_at FROM parked WHERE consumer = i.consumer AND event_id = i.event_id ORDER BY id DESC LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT id FROM outbox WHERE i.through AND consumer = i.consumer AND lane_topic = 'outbox' AND headers @> jsonb_build_array(jsonb_build_array('ce_id', i.event_id)) LIMIT 1) o ON true

-- name: note_discard
-- The whole letter stays on record.
INSERT INTO operator_actions (operator, action, target, event_id, company_id, reason, detail)
SELECT $1, 'dead_letter.discard', id, event_id, company_id, $3, to_jsonb(d) FROM dead_letters d WHERE id = ANY ($2::uuid[])

-- name: discard
DELETE FROM dead_letters WHERE id = ANY ($1::uuid[])
