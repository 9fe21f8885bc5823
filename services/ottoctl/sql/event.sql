-- name: consumers
SELECT DISTINCT consumer FROM lanes ORDER BY consumer

-- name: inbox_of_company
-- By the primary key; without the company the whole inbox would have to be read.
SELECT json_build_object('consumer', consumer, 'event_id', event_id, 'company_id', company_id, 'applied_at', applied_at) AS j
  FROM inbox WHERE consumer IN (SELECT DISTINCT consumer FROM lanes) AND company_id = ANY ($1::text[]) AND event_id = ANY ($2::uuid[]) ORDER BY applied_at

-- name: inbox_of_any
SELECT json_build_object('consumer', consumer, 'event_id', event_id, 'company_id', company_id, 'applied_at', applied_at) AS j
  FROM inbox WHERE event_id = ANY ($1::uuid[]) ORDER BY applied_at

-- name: event_parked
SELECT json_build_object('consumer', consumer, 'topic', topic, 'partition', partition, 'event_id', event_id, 'type', type, 'company_id', company_id, 'attempt', attempt, 'error', error, 'next_at', next_at,
                         'parked_at', parked_at, 'history', history) AS j
  FROM parked WHERE event_id = ANY ($1::uuid[]) ORDER BY id

-- name: event_dead
SELECT json_build_object('id', id, 'consumer', consumer, 'topic', topic, 'partition', partition, 'offset', "offset", 'event_id', event_id, 'type', type, 'company_id', company_id, 'dead_at', dead_at,
                         'error', error, 'history', history) AS j
  FROM dead_letters WHERE event_id = ANY ($1::uuid[]) ORDER BY dead_at

-- name: event_outbox
SELECT json_build_object('consumer', consumer, 'topic', topic, 'event_id', (SELECT h ->> 1 FROM jsonb_array_elements(headers) h WHERE h ->> 0 = 'ce_id' LIMIT 1), 'created_at', created_at,
                         'not_before', not_before) AS j
  FROM outbox o
 WHERE EXISTS (SELECT FROM jsonb_array_elements(headers) h WHERE h ->> 0 IN ('ce_id', 'ce_causationid') AND h ->> 1 = ANY ($1::text[])) ORDER BY id

-- name: event_intents
SELECT json_build_object('consumer', consumer, 'intent_key', intent_key, 'event_id', event_id, 'state', state, 'attempt', attempt, 'error', error, 'next_at', next_at, 'finished_at', finished_at) AS j
  FROM intents WHERE event_id = ANY ($1::uuid[]) ORDER BY created_at

-- name: event_held
SELECT json_build_object('event_id', event_id, 'received_at', received_at, 'held_at', held_at, 'provider', provider, 'kind', kind, 'verdict', verdict, 'number', number, 'reason', reason, 'cure', cure,
                         'asked_at', asked_at, 'released_at', released_at, 'released_to', released_to) AS j
  FROM held_events WHERE event_id = ANY ($1::uuid[])

-- name: event_held_record
SELECT event_id, record, released_to FROM held_events WHERE event_id = ANY ($1::uuid[])

-- name: event_actions
SELECT json_build_object('at', at, 'operator', operator, 'action', action, 'target', target, 'consumer', detail ->> 'consumer', 'reason', reason) AS j
  FROM operator_actions WHERE event_id = ANY ($1::uuid[]) OR target = ANY ($1::uuid[]) ORDER BY at, id

-- name: event_calls
-- Rows that reports of a call touch, by any id under which the provider speaks of it.
SELECT json_build_object('company_id', c.company_id, 'call_id', c.call_id, 'status', c.status, 'phone_number', c.phone_number, 'tracking_number', c.tracking_number, 'started_at', c.started_at,
                         'version', c.version, 'updated_at', c.updated_at, 'lead_id', c.lead_id, 'lead_state', l.status, 'contact_card_id', c.contact_card_id, 'primary_phone', k.primary_phone,
                         'first_name', k.first_name, 'last_name', k.last_name) AS j
  FROM calls c JOIN leads l ON l.company_id = c.company_id AND l.id = c.lead_id JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
 WHERE (c.company_id, c.call_id) IN (SELECT a.company_id, a.call_id FROM call_aliases a WHERE a.company_id = $1 AND a.provider = $2 AND a.alias = ANY ($3::text[]))
    OR (c.company_id = $1 AND c.provider = $2 AND c.provider_call_id = ANY ($3::text[]))
 ORDER BY c.call_id

-- name: event_messages
SELECT json_build_object('company_id', m.company_id, 'id', m.id, 'direction', m.direction, 'status', m.status, 'from_number', m.from_number, 'to_number', m.to_number, 'has_body', m.body IS NOT NULL,
                         'media', jsonb_array_length(m.media), 'error_code', m.error_code, 'sent_at', m.sent_at, 'version', m.version, 'updated_at', m.updated_at, 'lead_id', m.lead_id,
                         'contact_card_id', m.contact_card_id) AS j
  FROM messages m WHERE m.company_id = $1 AND m.provider = $2 AND m.provider_message_id = ANY ($3::text[]) ORDER BY m.id
