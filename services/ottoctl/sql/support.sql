-- name: support_company
-- Secrets only as set or not; nothing that a person said of themselves.
SELECT json_build_object('id', id, 'name', name, 'status', status, 'timezone', timezone, 'call_provider', call_provider, 'phone', phone_number, 'primary_phone', primary_tracking_number,
         'callrail_account_id', callrail_account_id, 'callrail_company_id', callrail_company_id, 'callrail_api_key', CASE WHEN callrail_api_key IS NULL THEN 'not set' ELSE 'set' END,
         'callrail_signing_key', CASE WHEN callrail_signing_key IS NULL THEN 'not set' ELSE 'set' END, 'callrail_signing_key_explicit', callrail_signing_key_explicit,
         'callrail_signing_key_former_until', callrail_signing_key_former_until, 'twilio_account_sid', CASE WHEN twilio_account_sid IS NULL THEN 'not set' ELSE 'set' END,
         'twilio_auth_token', CASE WHEN twilio_auth_token IS NULL THEN 'not set' ELSE 'set' END, 'twilio_problem', twilio_problem, 'callrail_problem', callrail_problem, 'onboarding_step', onboarding_step, 'onboarding_completed', onboarding_completed,
         'service_area', CASE WHEN service_area IS NULL THEN 'not set' ELSE 'set' END, 'call_flow', CASE WHEN call_flow IS NULL THEN 'not set' ELSE 'set' END,
         'workflow_config', CASE WHEN workflow_config IS NULL THEN 'not set' ELSE 'set' END, 'directory_version', (SELECT version FROM directory_state d WHERE d.company_id = c.id),
         'directory_behind', (SELECT dirty FROM directory_state d WHERE d.company_id = c.id), 'users', (SELECT count(*) FROM company_users u WHERE u.company_id = c.id),
         'no_manager', NOT EXISTS (SELECT FROM company_users u WHERE u.company_id = c.id AND u.role = 'manager' AND u.status = 'active'),
         'created_at', created_at, 'updated_at', updated_at) AS j
  FROM companies c WHERE id = $1

-- name: support_numbers
-- The company's numbers; whether the one asked about is among them.
SELECT json_build_object('phone', e164, 'asked_about', e164 = $2, 'purposes', array_to_string(purposes, ','), 'provider', provider, 'is_active', is_active, 'from_company', from_company,
                         'valid_from', valid_from, 'valid_to', valid_to) AS j
  FROM company_numbers WHERE company_id = $1
UNION ALL
SELECT json_build_object('phone', e164, 'asked_about', e164 = $2, 'purposes', array_to_string(purposes, ','), 'provider', provider, 'is_active', false, 'state', 'seen', 'valid_from', first_seen_at, 'valid_to', last_seen_at)
  FROM seen_numbers WHERE company_id = $1

-- name: support_owner
-- Does the number belong to somebody else? Only whether: not to whom.
SELECT count(*) AS n FROM company_numbers WHERE e164 = $1 AND company_id <> $2 AND is_active AND tstzrange(valid_from, valid_to) @> $3::timestamptz

-- name: support_calls
SELECT json_build_object('call_id', call_id, 'provider', provider, 'provider_call_id', provider_call_id, 'phone_number', phone_number, 'direction', direction, 'status', status, 'missed_call', missed_call,
                         'answered', answered, 'duration', duration, 'recording', recording_url IS NOT NULL, 'started_at', started_at, 'ended_at', ended_at, 'received_at', received_at,
                         'lead_id', lead_id, 'contact_card_id', contact_card_id, 'version', version, 'traceparent', traceparent, 'created_at', created_at, 'updated_at', updated_at) AS j
  FROM calls WHERE company_id = $1 AND tracking_number = $2 AND (happened_at BETWEEN $3 AND $4 OR received_at BETWEEN $3 AND $4) ORDER BY happened_at, call_id LIMIT 1000

-- name: support_messages
-- Texts from or to the number, without what they say.
SELECT json_build_object('id', id, 'provider', provider, 'provider_message_id', provider_message_id, 'direction', direction, 'from_number', from_number, 'to_number', to_number, 'status', status,
                         'has_body', body IS NOT NULL, 'media', jsonb_array_length(media), 'segments', segments, 'error_code', error_code, 'error_message', error_message, 'automatic', automatic, 'scheduled_at', scheduled_at, 'asked_at', asked_at,
                         'status_unknown', status_unknown, 'sent_at', sent_at,
                         'lead_id', lead_id, 'contact_card_id', contact_card_id, 'version', version, 'created_at', created_at, 'updated_at', updated_at) AS j
  FROM messages WHERE company_id = $1 AND (from_number = $2 OR to_number = $2) AND sent_at BETWEEN $3 AND $4 ORDER BY sent_at, id LIMIT 1000

-- name: support_sends
-- Texts from or to the number that are still to leave, whenever they were written.
SELECT json_build_object('id', message_id, 'from_number', from_number, 'to_number', to_number, 'state', state, 'automatic', automatic, 'segments', segments, 'accepted_at', accepted_at, 'asked_at', asked_at,
                         'looked_at', looked_at, 'not_found', not_found, 'failures', failures, 'why', nullif(why, '')) AS j
  FROM text_sends WHERE company_id = $1 AND (from_number = $2 OR to_number = $2) ORDER BY accepted_at, message_id LIMIT 1000

-- name: support_held
SELECT json_build_object('event_id', event_id, 'received_at', received_at, 'held_at', held_at, 'provider', provider, 'kind', kind, 'verdict', verdict, 'path', split_part(request_target, '?', 1),
                         'body_bytes', octet_length(raw_body), 'reason', reason, 'cure', cure, 'asked_at', asked_at, 'released_at', released_at, 'to_this_company', released_to = $2, 'traceparent', traceparent) AS j
  FROM held_events WHERE number = $1 AND received_at BETWEEN $3 AND $4 ORDER BY received_at LIMIT 1000

-- name: support_dead
SELECT json_build_object('id', id, 'consumer', consumer, 'topic', topic, 'partition', partition, 'offset', "offset", 'type', type, 'event_id', event_id, 'bytes', octet_length(value), 'dead_at', dead_at,
                         'error', error, 'history', history) AS j
  FROM dead_letters WHERE company_id = $1 AND dead_at BETWEEN $2 AND $3 ORDER BY dead_at LIMIT 1000

-- name: support_parked
SELECT json_build_object('consumer', consumer, 'topic', topic, 'partition', partition, 'type', type, 'event_id', event_id, 'attempt', attempt, 'error', error, 'next_at', next_at, 'parked_at', parked_at) AS j
  FROM parked WHERE company_id = $1 ORDER BY parked_at LIMIT 1000

-- name: support_versions
SELECT json_build_object('postgres', current_setting('server_version'), 'schema', (SELECT max(version) FROM schema_migrations), 'migrations', (SELECT count(*) FROM schema_migrations)) AS j
