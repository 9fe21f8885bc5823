-- What a recording waits for that a person can give: another API key. What is known of its cure, apart from its cause. And a retry that a manager may ask for.
--
-- `analysis_states` as before (20261121003010_orchestrator.sql), but a cure names what a person can call, and fits its cause.
--
-- Locks: `recordings`, `recorded_calls`, `shunya_jobs` and `calls` for a moment (columns without a rewrite, a policy).
SET LOCAL lock_timeout = '5s';

ALTER TABLE recordings
  ADD COLUMN cure      text,                      -- what a person can do; null: nothing is known of it
  ADD COLUMN tried_key text;                      -- the mark of the API key ("" without one) that did not do, where another one may; null: a key is not what it lacks
CREATE INDEX recordings_tried_key ON recordings (company_id) WHERE tried_key IS NOT NULL;
ALTER TABLE recorded_calls ADD COLUMN paused_cure text;
ALTER TABLE shunya_jobs ADD COLUMN refusals integer NOT NULL DEFAULT 0;  -- how often Shunya itself said no, or that the job failed: what gives a job up; neither an outage nor a link that ran out counts

-- What was given up for want of a good key before: begun anew with the one that is there now.
UPDATE recordings SET tried_key = '' WHERE status = 'unavailable' AND (error LIKE '%the company''s API key%' OR error LIKE '%there is neither an API key%');

-- A retry answers with the call's state, which starts from the call.
CREATE POLICY state_of_a_call ON calls FOR SELECT TO otto_shunya_orchestrator USING (company_id = otto_request_company());
GRANT SELECT (company_id, call_id, status, recording_url, ended_at, happened_at) ON calls TO otto_shunya_orchestrator;

CREATE OR REPLACE VIEW analysis_states WITH (security_invoker = true) AS
SELECT c.company_id, c.call_id, s.state, s.since, s.why, s.cure
  FROM calls c
  LEFT JOIN recorded_calls k ON k.company_id = c.company_id AND k.call_id = c.call_id
  LEFT JOIN recordings r ON r.company_id = c.company_id AND r.call_id = c.call_id
  LEFT JOIN shunya_jobs t ON t.company_id = c.company_id AND t.call_id = c.call_id AND t.step = 'transcription'
  LEFT JOIN shunya_jobs a ON a.company_id = c.company_id AND a.call_id = c.call_id AND a.step = 'analysis'
  LEFT JOIN call_transcripts x ON x.company_id = c.company_id AND x.call_id = c.call_id
  LEFT JOIN call_analyses n ON n.company_id = c.company_id AND n.call_id = c.call_id
  -- Seed 001, 5.2: what to look at when Shunya is silent.
  CROSS JOIN LATERAL (SELECT 'Otto asks Shunya by itself from time to time (OTTO_SHUNYA_POLL_AFTER). If it lasts: does Shunya post its results to /api/v1/shunya/webhook of this deployment, and is '
                             'OTTO_SHUNYA_WEBHOOK_SECRET the secret that Shunya signs with?' AS text,
                             'POST /api/v1/calls/' || c.call_id || '/analysis/retry (a manager) tries again.' AS again) cures
  CROSS JOIN LATERAL (
    SELECT v.state, v.since, v.why, v.cure
      FROM (VALUES
        (1, n.call_id IS NOT NULL, 'done', n.created_at, 'The analysis is there.', NULL),
        (2, a.job_status IN ('failed', 'timeout'), 'failed', coalesce(a.finished_at, a.updated_at), 'The analysis failed: ' || coalesce(a.error_message, 'Shunya gave no reason') || '.',
            CASE a.job_status WHEN 'timeout' THEN cures.text || ' ' ELSE '' END || cures.again),
        (3, x.call_id IS NULL AND t.job_status IN ('failed', 'timeout'), 'failed', coalesce(t.finished_at, t.updated_at), 'The transcription failed: ' || coalesce(t.error_message, 'Shunya gave no reason') || '.',
            CASE t.job_status WHEN 'timeout' THEN cures.text || ' ' ELSE 'If Shunya could not fetch the recording: does it reach OTTO_PUBLIC_URL? ' END || cures.again),
        (4, r.status IN ('unavailable', 'manual_review'), 'recording_unavailable', r.updated_at, 'The recording cannot be had: ' || coalesce(r.error, 'the provider does not have it') || '.',
            CASE WHEN r.tried_key IS NOT NULL THEN coalesce(r.cure, 'Give the company''s API key (POST /api/v1/company/set-callrail-api-key/' || c.company_id || ').') || ' It is then fetched by itself.'
                 ELSE concat_ws(' ', coalesce(r.cure, CASE r.status WHEN 'manual_review' THEN 'Listen to the call at the provider, if it is there, and enter by hand what it meant (PATCH /api/v1/calls/' || c.call_id || '/analysis).' END),
                                cures.again) END),
        (5, k.paused_since IS NOT NULL, 'paused', k.paused_since, coalesce(k.paused_why, 'The outside cannot be reached') || '.',
            coalesce(k.paused_cure, 'It goes on by itself. If it lasts: is OTTO_SHUNYA_API right, and OTTO_SHUNYA_TOKEN_SECRET the one that Shunya knows?')),
        (6, a.id IS NOT NULL AND now() - coalesce(a.started_at, a.created_at) > interval '5 minutes', 'analysing', coalesce(a.started_at, a.created_at),
            'Shunya has had the call for over 5 minutes and has not sent its analysis' || coalesce('; last: ' || a.error_message, '') || '.', cures.text),
        (7, a.id IS NOT NULL, 'analysing', coalesce(a.started_at, a.created_at), 'Shunya is analysing the call' || coalesce('; last: ' || a.error_message, '') || '.', NULL),
        (8, t.id IS NOT NULL AND now() - coalesce(t.started_at, t.created_at) > interval '5 minutes', 'transcribing', coalesce(t.started_at, t.created_at),
            'Shunya has had the recording for over 5 minutes and has not sent the transcript' || coalesce('; last: ' || t.error_message, '') || '.', cures.text),
        (9, t.id IS NOT NULL, 'transcribing', coalesce(t.started_at, t.created_at), 'Shunya is transcribing the recording' || coalesce('; last: ' || t.error_message, '') || '.', NULL),
        (10, r.id IS NOT NULL, 'waiting_for_recording', r.created_at, 'The recording is being fetched from the provider' || coalesce('; last: ' || r.error, '') || '.',
            coalesce(r.cure, CASE WHEN now() - r.created_at > interval '5 minutes' THEN 'It is asked for again from time to time. Does the company''s CallRail API key see this call, and has the call a recording there?' END)),
        (11, c.status IN ('completed', 'voicemail') AND (c.recording_url IS NOT NULL OR now() - coalesce(c.ended_at, c.happened_at) < interval '1 hour'), 'waiting_for_recording',
            coalesce(c.ended_at, c.happened_at), 'The provider has not sent the recording yet.', 'It comes with a later report of the call. If none ever comes: is call recording switched on for this number at the provider?'),
        (12, c.status IN ('completed', 'voicemail'), 'none', coalesce(c.ended_at, c.happened_at), 'The provider sent no recording of this call.', 'Is call recording switched on for this number at the provider?'),
        (13, true, 'none', c.happened_at, 'There is nothing to analyse: the call is ' || c.status || '.', NULL)
      ) AS v (rank, applies, state, since, why, cure)
     WHERE v.applies ORDER BY v.rank LIMIT 1) s;
GRANT SELECT ON analysis_states TO otto_shunya_orchestrator;

-- A call that was given up begins anew, where it stopped; what began is returned, empty if nothing was given up, null if there is no such call. Whatever Shunya was paid for is not posted again: its transcript
-- is kept.
CREATE FUNCTION retry_call(of_company text, of_call bigint) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE what text[] := '{}';
BEGIN
  PERFORM FROM recorded_calls WHERE company_id = of_company AND call_id = of_call AND folded_into IS NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE recordings SET status = 'pending', attempts = 0, error = NULL, cure = NULL, tried_key = NULL, next_at = NULL, created_at = now(), updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND status IN ('unavailable', 'manual_review');
  IF FOUND THEN what := what || 'the recording is fetched again'::text; END IF;
  UPDATE shunya_jobs SET job_status = 'pending', round = round + 1, posted_at = NULL, started_at = NULL, finished_at = NULL, next_retry_at = NULL, reported_at = NULL, link_until = NULL, asks = 0, asked_at = NULL,
         retry_count = 0, refusals = 0, error_message = NULL, updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND job_status IN ('failed', 'timeout')
     AND NOT (step = 'transcription' AND EXISTS (SELECT FROM call_transcripts WHERE company_id = of_company AND call_id = of_call))
     AND NOT (step = 'analysis' AND EXISTS (SELECT FROM call_analyses WHERE company_id = of_company AND call_id = of_call AND provider <> 'person'));
  IF FOUND THEN what := what || 'the failed step is posted again'::text; END IF;
  IF what = '{}' THEN RETURN what; END IF;
  UPDATE recorded_calls SET paused_since = NULL, paused_why = NULL, paused_cure = NULL WHERE company_id = of_company AND call_id = of_call AND paused_since IS NOT NULL;
  INSERT INTO orchestrator_work (company_id, call_id, due_at) VALUES (of_company, of_call, now()) ON CONFLICT (company_id, call_id) DO UPDATE SET due_at = now();
  NOTIFY otto_work;
  RETURN what;
END $$;
REVOKE EXECUTE ON FUNCTION retry_call(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retry_call(text, bigint) TO otto_maintenance, otto_shunya_orchestrator;

-- The same for operators, in a sentence.
CREATE OR REPLACE FUNCTION retry_analysis(of_company text, of_call bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE what text[] := retry_call(of_company, of_call);
BEGIN
  IF what IS NULL THEN RETURN 'there is no recorded call ' || of_call || ' of ' || of_company; END IF;
  RETURN coalesce(nullif(array_to_string(what, '; '), ''), 'nothing was given up: nothing to do');
END $$;
