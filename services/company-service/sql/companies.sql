-- name: create_company
INSERT INTO companies (id, name, phone_number, primary_tracking_number, address, timezone) VALUES ($1, $2, $3, $4, $5, $6)

-- name: add_user
INSERT INTO company_users (company_id, id, role) VALUES ($1, $2, $3) ON CONFLICT (company_id, id) DO UPDATE SET role = excluded.role, status = 'active'

-- name: company_exists
SELECT name FROM companies WHERE id = $1

-- name: valid_timezone
SELECT name FROM pg_timezone_names WHERE name = $1

-- name: update_company
-- Absent = unchanged.
UPDATE companies SET name = coalesce($2, name), phone_number = coalesce($3, phone_number), primary_tracking_number = coalesce($4, primary_tracking_number), address = coalesce($5, address),
       timezone = coalesce($6, timezone), callrail_company_id = coalesce($7, callrail_company_id), service_area = coalesce($8::jsonb, service_area), call_flow = coalesce($9::jsonb, call_flow),
       workflow_config = coalesce($10::jsonb, workflow_config)
 WHERE id = $1

-- name: connect_callrail
UPDATE companies SET callrail_api_key = coalesce($2, callrail_api_key), callrail_api_key_last4 = coalesce($3, callrail_api_key_last4), callrail_account_id = coalesce($4, callrail_account_id),
       callrail_company_id = coalesce($5, callrail_company_id), primary_tracking_number = coalesce($6, primary_tracking_number), call_provider = CASE WHEN $7::boolean THEN 'callrail' ELSE call_provider END,
       onboarding_step = CASE WHEN onboarding_step = 'company_created' AND coalesce($2, callrail_api_key) IS NOT NULL AND coalesce($4, callrail_account_id) IS NOT NULL
                              THEN 'callrail_connected' ELSE onboarding_step END
 WHERE id = $1

-- name: signing_key
SELECT callrail_signing_key, callrail_signing_key_explicit, callrail_api_key, callrail_account_id, callrail_company_id FROM companies WHERE id = $1 FOR UPDATE

-- name: set_signing_key
-- The former key stays valid for a while: webhooks that were signed with it are still on their way.
UPDATE companies SET callrail_signing_key_former = CASE WHEN $6::boolean THEN callrail_signing_key ELSE callrail_signing_key_former END,
       callrail_signing_key_former_explicit = CASE WHEN $6::boolean THEN callrail_signing_key_explicit ELSE callrail_signing_key_former_explicit END,
       callrail_signing_key_former_until = CASE WHEN $6::boolean AND callrail_signing_key IS NOT NULL THEN now() + $5::bigint * interval '1 millisecond' ELSE callrail_signing_key_former_until END,
       callrail_signing_key = $2, callrail_signing_key_last4 = $3, callrail_signing_key_explicit = $4
 WHERE id = $1

-- name: audit
INSERT INTO audit_log (company_id, user_id, action, target, detail) VALUES ($1, $2, $3, $4, $5)

-- name: add_number
INSERT INTO company_numbers (company_id, e164, purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from)
VALUES ($1, $2, ARRAY(SELECT jsonb_array_elements_text($3::jsonb)), $4, $5, $6, $7, number_free_since($2))
RETURNING id, company_id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from, valid_to, created_at, updated_at

-- name: change_number
UPDATE company_numbers SET purposes = CASE WHEN $3::jsonb IS NULL THEN purposes ELSE ARRAY(SELECT jsonb_array_elements_text($3::jsonb)) END, provider = coalesce($4, provider), provider_sid = coalesce($5, provider_sid),
       is_active = coalesce($6, is_active), voicemail_enabled = coalesce($7, voicemail_enabled)
 WHERE company_id = $1 AND id = $2
RETURNING id, company_id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from, valid_to, created_at, updated_at

-- name: end_number
UPDATE company_numbers SET valid_to = greatest(now(), valid_from) WHERE company_id = $1 AND id = $2 AND valid_to IS NULL AND is_active
RETURNING id, company_id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from, valid_to, created_at, updated_at

-- name: dirty_companies
SELECT company_id FROM directory_state WHERE dirty ORDER BY company_id LIMIT 500

-- name: all_versions
SELECT company_id, version FROM directory_state WHERE NOT dirty

-- name: make_dirty
UPDATE directory_state SET dirty = true WHERE company_id = $1

-- name: take_dirty
UPDATE directory_state SET dirty = false WHERE company_id = $1 RETURNING version

-- name: profile
SELECT id, name, status, timezone, call_provider, callrail_account_id, callrail_company_id, callrail_signing_key, callrail_signing_key_explicit, callrail_signing_key_former, callrail_signing_key_former_explicit,
       callrail_signing_key_former_until, callrail_api_key, workflow_config
  FROM companies WHERE id = $1

-- name: profile_numbers
SELECT e164, 'voice' = ANY (purposes) AS voice, 'text' = ANY (purposes) AS text, provider, standing, nullif(valid_from, '-infinity') AS valid_from, valid_to FROM company_numbers
 WHERE company_id = $1 AND is_active ORDER BY valid_from, e164
