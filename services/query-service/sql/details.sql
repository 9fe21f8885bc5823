-- name: one_call
SELECT c.*, to_jsonb(c.tags) AS tags_json, /*contact*/, k.created_at AS contact_created_at,
       /*lead*/, /*owner*/, l.created_at AS lead_created_at, f.booking_status,
       EXISTS (SELECT FROM call_transcripts t WHERE t.company_id = c.company_id AND t.call_id = c.call_id) AS has_transcript, s.state AS analysis_state, s.since AS analysis_since, s.why AS analysis_why,
       s.cure AS analysis_cure
  FROM calls c
  JOIN LATERAL (SELECT primary_phone, first_name, last_name, created_at FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT status, assigned_rep_id, created_at FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT booking_status FROM call_facts WHERE company_id = c.company_id AND call_id = c.call_id LIMIT 1) f ON true
  LEFT JOIN LATERAL (SELECT state, since, why, cure FROM analysis_states WHERE company_id = c.company_id AND call_id = c.call_id LIMIT 1) s ON true
 WHERE c.company_id = $1 AND c.call_id = $2 AND ($3::text IS NULL OR l.assigned_rep_id = $3)

-- name: one_aloha_call
SELECT /*aloha_call*/, c.recording_url
  FROM calls c
  JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
  JOIN leads l ON l.company_id = c.company_id AND l.id = c.lead_id
  LEFT JOIN LATERAL /*meaning*/ a ON true
 WHERE c.company_id = $1 AND c.call_id = $2 AND ($3::text IS NULL OR l.assigned_rep_id = $3)

-- name: answered_calls
-- How many calls somebody answered, counted as far as lists are. Their facts lie closer together than they do: 10,001 of a company's 200,000 take 20 ms here, and 80 as rows of `calls`.
SELECT count(*) AS n FROM (SELECT FROM call_facts WHERE company_id = $1 AND answered LIMIT 10001) counted

-- name: voicemail_of_call
-- The newest, should there be several.
SELECT v.id, /*voicemail_recording*/, v.duration, v.transcript, v.summary, v.status, v.created_at
  FROM voicemail_messages v JOIN calls c ON c.company_id = v.company_id AND c.call_id = v.call_id
 WHERE v.company_id = $1 AND v.call_id = $2 ORDER BY v.created_at DESC, v.id DESC LIMIT 1

-- name: call_folded_into
-- What has become of a call that proved to be another one.
SELECT into_id FROM folded_calls WHERE company_id = $1 AND from_id = $2

-- name: row_folded_into
-- The same of a lead or a contact.
SELECT into_id FROM folded_rows WHERE company_id = $1 AND kind = $2 AND from_id = $3

-- name: one_lead
/*one_lead*/ AND ($3::text IS NULL OR l.assigned_rep_id = $3)

-- name: one_contact
SELECT k.* FROM contact_cards k WHERE k.company_id = :company AND k.id = :id AND (:own::text IS NULL OR /*card_is_own*/)

-- name: company
SELECT id, name, phone_number, primary_tracking_number, address, timezone, call_provider, callrail_account_id, callrail_company_id, callrail_api_key_last4, callrail_signing_key_last4,
       callrail_signing_key_explicit, callrail_signing_key_former_until, twilio_account_sid, twilio_auth_token_last4, onboarding_step, onboarding_completed, status, service_area, call_flow, workflow_config,
       callrail_problem, callrail_problem_cure, twilio_problem, twilio_problem_cure, twilio_auth_token_former_until,
       (SELECT json_build_object('events', h -> 'events', 'bytes', h -> 'bytes', 'oldest_at', h -> 'oldest_at', 'limited', held_limited, 'reasons', h -> 'reasons') FROM held_on_account() h WHERE h IS NOT NULL)::text AS held, created_at, updated_at
  FROM companies WHERE id = $1

-- name: me
-- What each page needs to know of whoever looks at it. Hours of the company's clocks go before those of its telephone.
SELECT c.id, c.name, c.timezone, u.name AS user_name, u.email,
       coalesce(CASE jsonb_typeof(c.workflow_config::jsonb #> '{clocks,hours}') WHEN 'object' THEN c.workflow_config::jsonb #> '{clocks,hours}' END, c.call_flow::jsonb -> 'hours')::text AS hours,
       coalesce((SELECT json_agg(n.e164 ORDER BY n.valid_from, n.e164) FROM company_numbers n
                  WHERE n.company_id = c.id AND n.is_active AND 'text' = ANY (n.purposes) AND n.valid_from <= now() AND coalesce(n.valid_to > now(), true)), '[]')::text AS texting_numbers
  FROM companies c
  LEFT JOIN company_users u ON u.company_id = c.id AND u.id = $2
 WHERE c.id = $1

-- name: people
SELECT u.id, left(coalesce(u.name, u.email), 200) AS name, u.role, u.status FROM company_users u WHERE u.company_id = $1 ORDER BY lower(coalesce(u.name, u.email, u.id)), u.id

-- name: one_appointment
/*one_appointment*/ AND ($3::text IS NULL OR a.assigned_rep_id = $3)

-- name: one_task
/*one_task*/ AND ($3::text IS NULL OR t.assignee_id = $3 OR l.assigned_rep_id = $3)

-- name: one_message
/*one_message*/ AND (:own::text IS NULL OR /*message_is_own*/)

-- name: one_voicemail
/*one_voicemail*/ AND (:own::text IS NULL OR l.assigned_rep_id = :own)

-- name: call_transcript
SELECT call_id, transcript_text, speaker_labels, confidence_score, language, word_count, received_at, created_at, updated_at FROM call_transcripts WHERE company_id = $1 AND call_id = $2

-- name: call_recording
SELECT status, object_key, format, bytes, sha256, duration, error FROM recordings WHERE company_id = $1 AND call_id = $2

-- name: call_moments
-- What followed from a call: its recording, a voicemail, transcript, analysis, people's corrections, appointment and tasks. A rep sees own appointments and tasks.
SELECT r.updated_at AS at, 'recording' AS kind, CASE r.status WHEN 'stored' THEN 'The recording is stored' ELSE 'The recording cannot be had' END AS title,
       CASE r.status WHEN 'stored' THEN '/api/v1/calls/' || r.call_id || '/recording' ELSE coalesce(r.error, '') END AS detail
  FROM recordings r WHERE r.company_id = $1 AND r.call_id = $2 AND r.status <> 'pending'
UNION ALL
SELECT t.received_at, 'transcription', 'The transcript is there', concat_ws(', ', t.word_count || ' words', t.language) FROM call_transcripts t WHERE t.company_id = $1 AND t.call_id = $2
UNION ALL
SELECT v.created_at, 'voicemail', 'The customer''s voicemail' || coalesce(', ' || v.duration || ' s', ''), coalesce(v.summary, v.transcript, CASE WHEN v.recording_url = c.recording_url THEN '/api/v1/calls/' || v.call_id || '/recording' END, '')
  FROM voicemail_messages v JOIN calls c ON c.company_id = v.company_id AND c.call_id = v.call_id WHERE v.company_id = $1 AND v.call_id = $2
UNION ALL
SELECT a.received_at, 'analysis', 'The call was analysed', concat_ws(', ', a.booking_status, a.lead_quality, a.call_outcome_category) FROM call_analyses a WHERE a.company_id = $1 AND a.call_id = $2
UNION ALL
SELECT c.created_at, 'correction', 'A person corrected the analysis', c.field || ': ' || coalesce(c.value, 'none') FROM analysis_corrections c WHERE c.company_id = $1 AND c.call_id = $2
UNION ALL
SELECT p.created_at, 'appointment', CASE WHEN p.needs_time THEN 'An appointment was booked, without a time' ELSE 'An appointment was booked' END,
       concat_ws(', ', p.status, to_char(p.scheduled_start, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), p.location_address)
  FROM appointments p WHERE p.company_id = $1 AND p.call_id = $2 AND ($3::text IS NULL OR p.assigned_rep_id = $3)
UNION ALL
SELECT p.moved_at, 'appointment', 'The appointment was moved',
       'from ' || to_char(p.moved_from, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || coalesce(' to ' || to_char(p.scheduled_start, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), ', to no time yet')
  FROM appointments p WHERE p.company_id = $1 AND p.lead_id = (SELECT c.lead_id FROM calls c WHERE c.company_id = $1 AND c.call_id = $2) AND $2 IN (p.call_id, p.moved_by_call) AND p.moved_from IS NOT NULL
   AND ($3::text IS NULL OR p.assigned_rep_id = $3)
UNION ALL
SELECT m.at, 'task', m.title, k.description
  FROM tasks k LEFT JOIN leads l ON l.company_id = k.company_id AND l.id = k.lead_id
 CROSS JOIN LATERAL (VALUES (k.created_at, 'A task was made'), (k.completed_at, 'A task was completed')) AS m (at, title)
 WHERE k.company_id = $1 AND k.call_id = $2 AND m.at IS NOT NULL AND ($3::text IS NULL OR k.assignee_id = $3 OR l.assigned_rep_id = $3)
 LIMIT 500

-- name: window
-- Days in the company's zone. Without a date_to today, without a date_from 30 days up to then.
SELECT z.zone AS timezone, d.until::text AS until, coalesce($2::date, d.until - 29)::text AS since
  FROM companies c CROSS JOIN LATERAL (SELECT zone_or_utc(c.timezone) AS zone) z CROSS JOIN LATERAL (SELECT coalesce($3::date, (now() AT TIME ZONE z.zone)::date) AS until) d WHERE c.id = $1

-- name: moments_of_days
-- When days begin and end where the company is.
SELECT $2::date::timestamp AT TIME ZONE z.zone AS since, ($3::date + 1)::timestamp AT TIME ZONE z.zone AS till FROM (SELECT zone_or_utc((SELECT timezone FROM companies WHERE id = $1)) AS zone) z
