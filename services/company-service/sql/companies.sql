-- name: create_company
INSERT INTO companies (id, name, phone_number, primary_tracking_number, address, timezone) VALUES ($1, $2, $3, $4, $5, $6)

-- name: company_exists
SELECT name FROM companies WHERE id = $1

-- name: is_time_zone
SELECT is_time_zone($1) AS good

-- name: update_company
-- What $11 names is cleared, what is null besides stays. Answers what is another value than before, and short values as they were and are; if nothing is, nothing is written.
WITH old AS (SELECT * FROM companies WHERE id = $1 FOR UPDATE),
fresh AS (
  SELECT coalesce($2, name) AS name, coalesce($6, timezone) AS timezone,
         CASE WHEN 'phone_number' = ANY ($11::text[]) THEN NULL ELSE coalesce($3, phone_number) END AS phone_number,
         CASE WHEN 'primary_tracking_number' = ANY ($11::text[]) THEN NULL ELSE coalesce($4, primary_tracking_number) END AS primary_tracking_number,
         CASE WHEN 'address' = ANY ($11::text[]) THEN NULL ELSE coalesce($5, address) END AS address,
         CASE WHEN 'callrail_company_id' = ANY ($11::text[]) THEN NULL ELSE coalesce($7, callrail_company_id) END AS callrail_company_id,
         CASE WHEN 'service_area' = ANY ($11::text[]) THEN NULL ELSE coalesce($8::jsonb, service_area) END AS service_area,
         CASE WHEN 'call_flow' = ANY ($11::text[]) THEN NULL ELSE coalesce($9::jsonb, call_flow) END AS call_flow,
         CASE WHEN 'workflow_config' = ANY ($11::text[]) THEN NULL ELSE coalesce($10::jsonb, workflow_config) END AS workflow_config
    FROM old),
changed AS (
  SELECT array_remove(ARRAY[CASE WHEN f.name IS DISTINCT FROM o.name THEN 'name' END, CASE WHEN f.timezone IS DISTINCT FROM o.timezone THEN 'timezone' END,
           CASE WHEN f.phone_number IS DISTINCT FROM o.phone_number THEN 'phone_number' END, CASE WHEN f.primary_tracking_number IS DISTINCT FROM o.primary_tracking_number THEN 'primary_tracking_number' END,
           CASE WHEN f.address IS DISTINCT FROM o.address THEN 'address' END, CASE WHEN f.callrail_company_id IS DISTINCT FROM o.callrail_company_id THEN 'callrail_company_id' END,
           CASE WHEN f.service_area IS DISTINCT FROM o.service_area THEN 'service_area' END, CASE WHEN f.call_flow IS DISTINCT FROM o.call_flow THEN 'call_flow' END,
           CASE WHEN f.workflow_config IS DISTINCT FROM o.workflow_config THEN 'workflow_config' END], NULL) AS names
    FROM old o, fresh f),
written AS (
  UPDATE companies c SET name = f.name, timezone = f.timezone, phone_number = f.phone_number, primary_tracking_number = f.primary_tracking_number, address = f.address,
         callrail_company_id = f.callrail_company_id, service_area = f.service_area, call_flow = f.call_flow, workflow_config = f.workflow_config
    FROM fresh f, changed WHERE c.id = $1 AND cardinality(changed.names) > 0)
SELECT array_to_string(names, ',') AS names, o.name AS old_name, f.name AS new_name, o.timezone AS old_timezone, f.timezone AS new_timezone, o.phone_number AS old_phone_number, f.phone_number AS new_phone_number, o.primary_tracking_number AS old_primary_tracking_number, f.primary_tracking_number AS new_primary_tracking_number, o.callrail_company_id AS old_callrail_company_id, f.callrail_company_id AS new_callrail_company_id
  FROM changed, old o, fresh f

-- name: connect_callrail
UPDATE companies SET callrail_api_key = coalesce($2, callrail_api_key), callrail_api_key_last4 = coalesce($3, callrail_api_key_last4), callrail_account_id = coalesce($4, callrail_account_id),
       callrail_company_id = coalesce($5, callrail_company_id), primary_tracking_number = coalesce($6, primary_tracking_number), call_provider = CASE WHEN $7::boolean THEN 'callrail' ELSE call_provider END,
       onboarding_step = CASE WHEN onboarding_step = 'company_created' AND coalesce($2, callrail_api_key) IS NOT NULL AND coalesce($4, callrail_account_id) IS NOT NULL
                              THEN 'document_ingestion' ELSE onboarding_step END
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

-- name: number_obstacle
-- What stands against a company's claim of a number for both purposes; null: nothing.
SELECT number_obstacle($1, $2, '{voice,text}', NULL) AS obstacle

-- name: own_number
SELECT id FROM company_numbers WHERE company_id = $1 AND e164 = $2 AND is_active AND purposes && ARRAY(SELECT jsonb_array_elements_text($3::jsonb))
   AND tstzrange(valid_from, valid_to) && tstzrange(coalesce($4::timestamptz, least(number_free_since($2), $5::timestamptz)), $5) ORDER BY created_at LIMIT 1

-- name: count_unproven
-- Also those that were past when they were registered: nobody holds others' past in bulk either.
SELECT count(*) AS n FROM company_numbers WHERE company_id = $1 AND standing = 'unproven' AND (valid_to IS NULL OR (valid_to > valid_from AND (valid_to > now() OR created_at >= valid_to)))

-- name: add_number
-- Whose number it is, if nobody says so: of the provider that lists it for the company, else of the one whose webhooks showed it, else of the one that the company connected last.
INSERT INTO company_numbers (company_id, e164, purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from, from_given, valid_to)
VALUES ($1, $2, ARRAY(SELECT jsonb_array_elements_text($3::jsonb)),
        coalesce($4, (SELECT provider FROM listed_numbers WHERE company_id = $1 AND e164 = $2 ORDER BY listed_at DESC LIMIT 1), (SELECT provider FROM seen_numbers WHERE company_id = $1 AND e164 = $2),
                 (SELECT call_provider FROM companies WHERE id = $1), 'callrail'), $5, $6, $7, coalesce($8::timestamptz, number_free_since($2)), $8::timestamptz IS NOT NULL, $9)
RETURNING /*number_columns*/

-- name: change_number
UPDATE company_numbers SET purposes = CASE WHEN $3::jsonb IS NULL THEN purposes ELSE ARRAY(SELECT jsonb_array_elements_text($3::jsonb)) END, provider = coalesce($4, provider),
       provider_sid = CASE WHEN $6::boolean THEN NULL ELSE coalesce($5, provider_sid) END, is_active = coalesce($7, is_active), voicemail_enabled = coalesce($8, voicemail_enabled),
       valid_from = coalesce($9::timestamptz, valid_from), from_given = from_given OR $9::timestamptz IS NOT NULL, valid_to = CASE WHEN $11::boolean THEN NULL ELSE coalesce($10::timestamptz, valid_to) END
 WHERE company_id = $1 AND id = $2 AND (valid_to IS NULL OR valid_to > greatest(now(), valid_from))
RETURNING /*number_columns*/

-- name: number_values
SELECT array_to_string(purposes, ', ') AS purposes, provider, provider_sid, is_active, voicemail_enabled, valid_from, valid_to FROM company_numbers WHERE company_id = $1 AND id = $2 FOR UPDATE

-- name: end_number
UPDATE company_numbers SET valid_to = greatest(now(), valid_from) WHERE company_id = $1 AND id = $2 AND (valid_to IS NULL OR valid_to > greatest(now(), valid_from))
RETURNING /*number_columns*/

-- name: raise_number
-- Standing only rises.
UPDATE company_numbers SET standing = $3 WHERE company_id = $1 AND e164 = $2 AND is_active AND (valid_to IS NULL OR valid_to > now()) AND (standing = 'unproven' OR ($3 = 'final' AND standing = 'proven'))

-- name: dirty_companies
SELECT company_id FROM directory_state WHERE dirty ORDER BY company_id LIMIT 500

-- name: all_versions
SELECT company_id, version, dirty FROM directory_state

-- name: make_dirty
-- Above what the topic has and above what the table has.
UPDATE directory_state SET version = greatest(version + 1, $2::bigint + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), dirty = true WHERE company_id = $1

-- name: take_dirty
-- Above what the topic has, also if the table has forgotten that.
UPDATE directory_state SET dirty = false, version = greatest(version, $2::bigint + 1) WHERE company_id = $1 RETURNING version

-- name: profile
SELECT id, name, status, timezone, call_provider, workflow_config, call_flow, service_area, held_limited FROM companies WHERE id = $1

-- name: profile_accounts
SELECT provider, coalesce(account_id, '') AS account_id, provider_company_id, api_key, api_key_column, signing_key, from_provider, former_key, former_from_provider, former_until, signing_key_column,
       coalesce(problem, '') AS problem, coalesce(problem_cure, '') AS problem_cure
  FROM provider_accounts WHERE company_id = $1 ORDER BY provider

-- name: profile_numbers
-- Ended ones as long as late webhooks of their calls may still come.
SELECT e164, 'voice' = ANY (purposes) AS voice, 'text' = ANY (purposes) AS text, provider, standing, voicemail_enabled, nullif(valid_from, '-infinity') AS valid_from, valid_to
  FROM company_numbers
 WHERE company_id = $1 AND is_active AND (valid_to IS NULL OR valid_to > now() - interval '90 days') ORDER BY valid_from, e164

-- name: callrail_account
SELECT callrail_api_key, callrail_account_id, callrail_company_id FROM companies WHERE id = $1 AND status = 'active'

-- name: callrail_claimants
SELECT callrail_claimants($1, $2) AS n

-- name: callrail_problem
UPDATE companies SET callrail_problem = $2, callrail_problem_cure = $3 WHERE id = $1 AND (callrail_problem, callrail_problem_cure) IS DISTINCT FROM ($2::text, $3::text)

-- name: twilio_account
SELECT twilio_account_sid, twilio_auth_token FROM companies WHERE id = $1 AND status = 'active'

-- name: twilio_problem
UPDATE companies SET twilio_problem = $2, twilio_problem_cure = $3 WHERE id = $1 AND (twilio_problem, twilio_problem_cure) IS DISTINCT FROM ($2::text, $3::text)

-- name: twilio_claimants
SELECT twilio_claimants($1, $2) AS n

-- name: twilio_token
SELECT twilio_auth_token FROM companies WHERE id = $1 FOR UPDATE

-- name: connect_twilio
-- The former token stays valid for a while: webhooks that were signed with it are still on their way, or held.
UPDATE companies SET twilio_auth_token_former = CASE WHEN $6::boolean THEN twilio_auth_token ELSE twilio_auth_token_former END,
       twilio_auth_token_former_until = CASE WHEN $6::boolean THEN now() + $7::bigint * interval '1 millisecond' ELSE twilio_auth_token_former_until END,
       twilio_account_sid = $2, twilio_auth_token = $3, twilio_auth_token_last4 = $4, primary_tracking_number = coalesce($5, primary_tracking_number), call_provider = 'twilio',
       onboarding_step = CASE WHEN onboarding_step = 'company_created' THEN 'document_ingestion' ELSE onboarding_step END
 WHERE id = $1

-- name: keep_other_providers
-- The field names one number; that of another provider, which it named until now, stays registered by itself.
UPDATE company_numbers SET from_company = false WHERE company_id = $1 AND from_company AND provider <> $2 AND is_active AND valid_to IS NULL

-- name: numbers_of_provider
SELECT DISTINCT e164 FROM company_numbers WHERE company_id = $1 AND provider = $2 AND is_active AND valid_from <= now() AND (valid_to IS NULL OR valid_to > now()) ORDER BY e164

-- name: voice_numbers_of_provider
SELECT DISTINCT e164 FROM company_numbers WHERE company_id = $1 AND provider = $2 AND 'voice' = ANY (purposes) AND is_active AND valid_from <= now() AND (valid_to IS NULL OR valid_to > now()) ORDER BY e164

-- name: numbers_that_flow
-- Calls of these meet the company's call flow, now or once their time begins.
SELECT DISTINCT e164 FROM company_numbers WHERE company_id = $1 AND provider = 'twilio' AND 'voice' = ANY (purposes) AND is_active AND (valid_to IS NULL OR valid_to > now()) ORDER BY e164

-- name: texts_that_wait
-- While Twilio does not let the account in; of more than 10,000 no more are counted.
SELECT p.why, p.until, (SELECT count(*) FROM (SELECT FROM text_sends s WHERE s.company_id = p.company_id LIMIT 10000) AS w) AS n FROM text_pauses p WHERE p.company_id = $1

-- name: provider_tests
SELECT count(*) AS n, coalesce(ceil(extract(epoch FROM min(at) + interval '1 minute' - now())), 0)::bigint AS seconds_left FROM provider_tests WHERE company_id = $1 AND at > now() - interval '1 minute'

-- name: note_provider_test
INSERT INTO provider_tests (company_id) VALUES ($1)

-- name: forget_unlisted
-- A number that the list showed and shows no more is the company's by its signature only.
WITH gone AS (DELETE FROM listed_numbers WHERE company_id = $1 AND provider = $3 AND e164 <> ALL ($2::text[]) RETURNING e164)
UPDATE company_numbers n SET standing = 'proven' FROM gone WHERE n.company_id = $1 AND n.e164 = gone.e164 AND n.standing = 'final' AND n.is_active AND (n.valid_to IS NULL OR n.valid_to > now())

-- name: keep_listed
INSERT INTO listed_numbers (company_id, provider, e164) SELECT DISTINCT $1, $3, n FROM unnest($2::text[]) n ON CONFLICT (company_id, provider, e164) DO UPDATE SET listed_at = now()

-- name: listed_are_final
UPDATE company_numbers SET standing = 'final' WHERE company_id = $1 AND e164 = ANY ($2::text[]) AND standing <> 'final' AND is_active AND (valid_to IS NULL OR valid_to > now())

-- name: creations
SELECT count(*) AS n, coalesce(ceil(extract(epoch FROM min(at) + interval '1 hour' - now())), 0)::bigint AS seconds_left FROM company_creations WHERE user_id = $1 AND at > now() - interval '1 hour'

-- name: note_creation
INSERT INTO company_creations (user_id) VALUES ($1)

-- name: unused_organisation
-- One that a try of the user made at Clerk and that no company has; none that another request is just using.
SELECT organisation_id, asked, at FROM unused_organisations WHERE user_id = $1 ORDER BY at LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: note_organisation
INSERT INTO unused_organisations (user_id, organisation_id, asked) VALUES ($1, $2, $3::jsonb) ON CONFLICT (user_id, organisation_id) DO UPDATE SET asked = excluded.asked

-- name: use_organisation
DELETE FROM unused_organisations WHERE user_id = $1 AND organisation_id = $2

-- name: finished_company
SELECT company_id, name FROM finished_companies WHERE user_id = $1 AND at > now() - interval '1 hour' ORDER BY at LIMIT 1

-- name: take_finished_company
DELETE FROM finished_companies WHERE user_id = $1 AND company_id = $2

-- name: note_finished_company
INSERT INTO finished_companies (user_id, company_id, name) SELECT $1, id, name FROM companies WHERE id = $2

-- name: founder_unseen
-- Whom Clerk has not told of yet, and nobody removed.
SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status = 'active' AND NOT at_clerk
