-- name: save_calls
-- Calls of a batch, each in its newest version. Those without a recording only change what is known of a call that had one. A call that is new here, or whose recording could not
-- be had and has another address now, is to be worked on; so is one whose recording was too short for a voicemail and proves to be none.
-- What is known of a recording goes with its address.
WITH given AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[],
                       $15::uuid[], $16::boolean[], $17::bigint[], $18::text[], $19::boolean[], $20::bigint[], $21::text[], $22::timestamptz[])
    AS i (company_id, call_id, version, provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, started_at, received_at, traceparent, recording_id, recorded, pause_ms,
          recording_sid, recording_of_deployment, recording_seconds, recording_unavailable, reported_at)
), saved AS (
  INSERT INTO recorded_calls AS k (company_id, call_id, version, provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, started_at, received_at, traceparent,
                                   recording_sid, recording_of_deployment, recording_seconds, recording_unavailable, reported_at)
  SELECT company_id, call_id, version, provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, started_at, received_at, traceparent,
         recording_sid, recording_of_deployment, recording_seconds, recording_unavailable, reported_at FROM given g
   WHERE recorded OR EXISTS (SELECT FROM recorded_calls r WHERE r.company_id = g.company_id AND r.call_id = g.call_id)
   ORDER BY company_id, call_id
  ON CONFLICT (company_id, call_id) DO UPDATE SET version = excluded.version, provider = excluded.provider, provider_call_id = excluded.provider_call_id, phone = excluded.phone, status = excluded.status,
    contact_card_id = coalesce(excluded.contact_card_id, k.contact_card_id), lead_id = coalesce(excluded.lead_id, k.lead_id), owner_id = coalesce(excluded.owner_id, k.owner_id),
    recording_url = CASE WHEN excluded.recording_url = '' THEN k.recording_url ELSE excluded.recording_url END, started_at = coalesce(excluded.started_at, k.started_at),
    recording_sid = CASE WHEN excluded.recording_url = '' THEN k.recording_sid ELSE excluded.recording_sid END,
    recording_of_deployment = CASE WHEN excluded.recording_url = '' THEN k.recording_of_deployment ELSE excluded.recording_of_deployment END,
    recording_seconds = CASE WHEN excluded.recording_url = '' THEN k.recording_seconds ELSE excluded.recording_seconds END,
    recording_unavailable = excluded.recording_unavailable, received_at = excluded.received_at, reported_at = greatest(k.reported_at, excluded.reported_at), updated_at = now()
  WHERE k.version < excluded.version AND k.folded_into IS NULL
  RETURNING company_id, call_id, recording_url, status
), asked AS (
  INSERT INTO recordings AS r (company_id, id, call_id, source_url)
  SELECT s.company_id, g.recording_id, s.call_id, s.recording_url FROM saved s JOIN given g USING (company_id, call_id) ORDER BY s.company_id, s.call_id
  ON CONFLICT (company_id, call_id) WHERE call_id IS NOT NULL DO UPDATE
     SET source_url = excluded.source_url, updated_at = now(), status = 'pending', attempts = 0, error = NULL, cure = NULL, tried_key = NULL, next_at = NULL, created_at = now()
   WHERE r.status IN ('unavailable', 'manual_review') AND r.source_url IS DISTINCT FROM excluded.source_url
  RETURNING company_id, call_id
), long_enough AS (
  UPDATE recordings r SET too_short = false, updated_at = now() FROM saved s
   WHERE r.company_id = s.company_id AND r.call_id = s.call_id AND r.too_short AND s.status <> 'voicemail'
  RETURNING r.company_id, r.call_id
)
SELECT otto_want('shunya-orchestrator', company_id, call_id::text, now() + pause_ms * interval '1 millisecond')
  FROM (SELECT * FROM (SELECT * FROM asked UNION ALL SELECT * FROM long_enough) w JOIN given USING (company_id, call_id) ORDER BY company_id, call_id) a

-- name: lock_call
SELECT FROM recorded_calls WHERE company_id = $1 AND call_id = $2 FOR UPDATE

-- name: call_state
-- Everything that decides what is to be done next. One row.
SELECT clock_timestamp() AS now, k.company_id, k.call_id, k.provider, k.provider_call_id, k.phone, k.status AS call_status, k.contact_card_id, k.lead_id, k.owner_id, k.recording_url, k.started_at AS call_started_at,
       k.received_at, k.reported_at, k.paused_since, k.traceparent, k.folded_into, coalesce(k.shunya_call_id, k.call_id) AS shunya_call_id,
       k.recording_of_deployment, k.recording_seconds, k.recording_unavailable, r.too_short AS r_too_short,
       r.status AS r_status, r.attempts AS r_attempts, r.created_at AS r_since, r.next_at AS r_next_at, r.object_key,
       t.id AS t_id, t.job_status AS t_job_status, t.shunya_job_id AS t_shunya_job_id, t.round AS t_round, t.refusals AS t_refusals, t.retry_count AS t_retry_count, t.asks AS t_asks, t.posted_at AS t_posted_at, t.asked_at AS t_asked_at,
       t.reported_at AS t_reported_at, t.next_retry_at AS t_next_retry_at, t.link_until AS t_link_until, t.started_at AS t_started_at, t.finished_at AS t_finished_at, t.error_message AS t_error_message,
       t.processed_output_hash AS t_hash,
       a.id AS a_id, a.job_status AS a_job_status, a.shunya_job_id AS a_shunya_job_id, a.round AS a_round, a.refusals AS a_refusals, a.retry_count AS a_retry_count, a.asks AS a_asks, a.posted_at AS a_posted_at, a.asked_at AS a_asked_at,
       a.reported_at AS a_reported_at, a.next_retry_at AS a_next_retry_at, a.link_until AS a_link_until, a.started_at AS a_started_at, a.finished_at AS a_finished_at, a.error_message AS a_error_message,
       a.processed_output_hash AS a_hash,
       x.call_id IS NOT NULL AS has_transcript, x.received_at AS x_received_at,
       n.call_id IS NOT NULL AND n.provider <> 'person' AS has_analysis, n.received_at AS n_received_at
  FROM recorded_calls k
  JOIN recordings r ON r.company_id = k.company_id AND r.call_id = k.call_id
  LEFT JOIN shunya_jobs t ON t.company_id = k.company_id AND t.call_id = k.call_id AND t.step = 'transcription'
  LEFT JOIN shunya_jobs a ON a.company_id = k.company_id AND a.call_id = k.call_id AND a.step = 'analysis'
  LEFT JOIN call_transcripts x ON x.company_id = k.company_id AND x.call_id = k.call_id
  LEFT JOIN call_analyses n ON n.company_id = k.company_id AND n.call_id = k.call_id
 WHERE k.company_id = $1 AND k.call_id = $2

-- name: call_of_job
SELECT call_id, step FROM shunya_jobs WHERE company_id = $1 AND shunya_job_id = $2 AND call_id IS NOT NULL ORDER BY created_at DESC LIMIT 1

-- name: pause_call
UPDATE recorded_calls SET paused_since = coalesce(paused_since, now()), paused_why = $3, paused_cure = $4 WHERE company_id = $1 AND call_id = $2

-- name: resume_call
UPDATE recorded_calls SET paused_since = NULL, paused_why = NULL, paused_cure = NULL WHERE company_id = $1 AND call_id = $2 AND paused_since IS NOT NULL

-- name: recording_stored
UPDATE recordings SET status = 'stored', object_key = $3, format = $4, bytes = $5, sha256 = $6, duration = $7, source_url = $8, too_short = $9, attempts = attempts + 1, error = NULL, cure = NULL, tried_key = NULL, next_at = NULL, updated_at = now()
 WHERE company_id = $1 AND call_id = $2

-- name: recording_again
UPDATE recordings SET attempts = $3, error = $4, next_at = $5, cure = $6, tried_key = NULL, updated_at = now() WHERE company_id = $1 AND call_id = $2

-- name: recording_refused
-- It is no attempt: nothing of the company can be had with this key.
UPDATE recordings SET error = $3, cure = $4, tried_key = $5, next_at = $6, updated_at = now() WHERE company_id = $1 AND call_id = $2

-- name: recording_resumed
-- What it waited for uses up none of its time.
UPDATE recordings SET created_at = $3 WHERE company_id = $1 AND call_id = $2

-- name: wake_for_keys
-- Recordings that another key did not do for than their account has now: the company's own at the provider, or the deployment's; none that went into another call.
WITH woken AS (
  UPDATE recordings r SET status = 'pending', attempts = 0, error = NULL, cure = NULL, tried_key = NULL, next_at = NULL, created_at = now(), updated_at = now()
    FROM unnest($1::text[], $2::text[], $3::boolean[], $4::text[]) AS i (company_id, provider, of_deployment, mark)
   WHERE r.company_id = i.company_id AND r.tried_key IS NOT NULL AND r.tried_key <> i.mark AND r.status <> 'stored'
     AND EXISTS (SELECT FROM recorded_calls k WHERE k.company_id = r.company_id AND k.call_id = r.call_id AND k.folded_into IS NULL AND k.provider = i.provider AND k.recording_of_deployment = i.of_deployment)
  RETURNING r.company_id, r.call_id
), resumed AS (
  UPDATE recorded_calls k SET paused_since = NULL, paused_why = NULL, paused_cure = NULL FROM woken w WHERE k.company_id = w.company_id AND k.call_id = w.call_id AND k.paused_since IS NOT NULL
)
SELECT otto_want('shunya-orchestrator', company_id, call_id::text, now()) FROM (SELECT * FROM woken ORDER BY company_id, call_id) w

-- name: recording_given_up
UPDATE recordings SET status = $3, error = $4, source_url = $5, cure = $6, tried_key = $7, attempts = attempts + 1, next_at = NULL, updated_at = now() WHERE company_id = $1 AND call_id = $2

-- name: save_job
INSERT INTO shunya_jobs (company_id, id, step, job_type, job_status, shunya_job_id, call_id, retry_count, error_message, next_retry_at, posted_at, started_at, finished_at, round, asks, asked_at, reported_at, link_until,
                         processed_output_hash, refusals)
VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
ON CONFLICT (company_id, id) DO UPDATE SET call_id = excluded.call_id, job_status = excluded.job_status, shunya_job_id = excluded.shunya_job_id, retry_count = excluded.retry_count, error_message = excluded.error_message,
  next_retry_at = excluded.next_retry_at, posted_at = excluded.posted_at, started_at = excluded.started_at, finished_at = excluded.finished_at, round = excluded.round, asks = excluded.asks,
  asked_at = excluded.asked_at, reported_at = excluded.reported_at, link_until = excluded.link_until, processed_output_hash = excluded.processed_output_hash, refusals = excluded.refusals, updated_at = now()
