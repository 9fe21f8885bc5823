-- name: mark_folded
-- Of one that is not known here only the mark is kept. No row: it is marked already. `known`: there is something to take over.
INSERT INTO recorded_calls AS k (company_id, call_id, version, provider, provider_call_id, phone, status, recording_url, received_at, folded_into) VALUES ($1, $2, 0, '', '', $4, '', '', now(), $3)
ON CONFLICT (company_id, call_id) DO UPDATE SET folded_into = excluded.folded_into, updated_at = now() WHERE k.folded_into IS NULL
RETURNING k.provider <> '' AS known

-- name: folded_into
SELECT folded_into FROM recorded_calls WHERE company_id = $1 AND call_id = $2

-- name: stand_in
-- A call that is not known here becomes what the one that goes was, until it is told of itself.
INSERT INTO recorded_calls (company_id, call_id, version, provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, started_at, received_at, paused_since, paused_why, paused_cure, traceparent,
                            shunya_call_id, recording_sid, recording_of_deployment, recording_seconds, recording_unavailable, reported_at)
SELECT company_id, $3, $4, provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, started_at, received_at, paused_since, paused_why, paused_cure, traceparent, shunya_call_id,
       recording_sid, recording_of_deployment, recording_seconds, recording_unavailable, reported_at
  FROM recorded_calls WHERE company_id = $1 AND call_id = $2
ON CONFLICT (company_id, call_id) DO NOTHING

-- name: known_to_shunya_as
UPDATE recorded_calls SET shunya_call_id = $3 WHERE company_id = $1 AND call_id = $2

-- name: change_places
SELECT change_places($1, $2, $3, $4)

-- name: end_jobs
-- Of what both were asked for, this is not gone on with.
UPDATE shunya_jobs SET job_status = 'failed', error_message = $3, next_retry_at = NULL, finished_at = now(), updated_at = now()
 WHERE company_id = $1 AND call_id = $2 AND job_status IN ('pending', 'running')

-- name: end_recording
UPDATE recordings SET status = 'unavailable', error = $3, cure = NULL, tried_key = NULL, next_at = NULL, updated_at = now() WHERE company_id = $1 AND call_id = $2 AND status = 'pending'

-- name: move_corrections
UPDATE analysis_corrections SET call_id = $3 WHERE company_id = $1 AND call_id = $2

-- name: analysis_versions
SELECT call_id, version FROM call_analyses WHERE company_id = $1 AND call_id IN ($2, $3)

-- name: drop_analysis
DELETE FROM call_analyses WHERE company_id = $1 AND call_id = $2

-- name: move_analysis
UPDATE call_analyses SET call_id = $3, updated_at = now() WHERE company_id = $1 AND call_id = $2

-- name: raise_analysis
-- What is told next counts more than all that was told of either.
UPDATE call_analyses SET version = greatest(version, $3::bigint) WHERE company_id = $1 AND call_id = $2
