-- name: one_call
SELECT c.*, to_jsonb(c.tags) AS tags_json, k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name, k.created_at AS contact_created_at,
       l.status AS lead_state, l.assigned_rep_id AS lead_rep, l.created_at AS lead_created_at
  FROM calls c
  JOIN LATERAL (SELECT primary_phone, first_name, last_name, created_at FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT status, assigned_rep_id, created_at FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) l ON true
 WHERE c.company_id = $1 AND c.call_id = $2 AND ($3::text IS NULL OR l.assigned_rep_id = $3)

-- name: one_lead
SELECT l.*, k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name
  FROM leads l
  JOIN LATERAL (SELECT primary_phone, first_name, last_name FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) k ON true
 WHERE l.company_id = $1 AND l.id = $2 AND ($3::text IS NULL OR l.assigned_rep_id = $3)

-- name: one_contact
SELECT k.* FROM contact_cards k WHERE k.company_id = $1 AND k.id = $2
   AND ($3::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $3))

-- name: calls_of_lead
SELECT c.*, to_jsonb(c.tags) AS tags_json FROM calls c WHERE c.company_id = $1 AND c.lead_id = $2 ORDER BY c.happened_at DESC, c.call_id DESC LIMIT 200

-- name: calls_of_contact
SELECT c.*, to_jsonb(c.tags) AS tags_json FROM calls c WHERE c.company_id = $1 AND c.contact_card_id = $2 ORDER BY c.happened_at DESC, c.call_id DESC LIMIT 200

-- name: leads_of_contact
SELECT l.* FROM leads l WHERE l.company_id = $1 AND l.contact_card_id = $2 AND ($3::text IS NULL OR l.assigned_rep_id = $3) ORDER BY l.created_at DESC LIMIT 200

-- name: company
SELECT id, name, phone_number, primary_tracking_number, address, timezone, call_provider, callrail_account_id, callrail_company_id, callrail_api_key_last4, callrail_signing_key_last4,
       callrail_signing_key_explicit, callrail_signing_key_former_until, twilio_account_sid, twilio_auth_token_last4, onboarding_step, onboarding_completed, status, service_area, call_flow, workflow_config,
       created_at, updated_at
  FROM companies WHERE id = $1

-- name: numbers
-- Registered ones, and those that proven webhooks showed but nobody registered.
SELECT id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, nullif(valid_from, '-infinity') AS valid_from, valid_to, created_at, 'registered' AS state
  FROM company_numbers WHERE company_id = $1
UNION ALL
SELECT NULL, s.e164, '[]', s.provider, NULL, false, false, s.first_seen_at, NULL, s.first_seen_at, 'seen' FROM seen_numbers s
 WHERE s.company_id = $1 AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = $1 AND n.e164 = s.e164)
 ORDER BY state, e164, created_at

-- name: csr_overview
-- Inbound calls of the window; the owner's own and those that nobody owns, if an owner is given.
SELECT count(*) AS total_calls, count(*) FILTER (WHERE c.missed_call) AS missed_calls, count(*) FILTER (WHERE c.answered) AS answered_calls,
       (SELECT coalesce(sum(t.pending), 0) FROM pending_leads t WHERE t.company_id = $1) AS pending_leads
  FROM calls c
 WHERE c.company_id = $1 AND c.direction = 'inbound'
   AND c.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND c.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
   AND ($5::text IS NULL OR c.owner_id = $5 OR c.owner_id IS NULL)

-- name: today
SELECT timezone, (now() AT TIME ZONE timezone)::date::text AS today, ((now() AT TIME ZONE timezone)::date - 29)::text AS month_ago FROM companies WHERE id = $1
