-- How the orchestrator drives a call from its recording to its analysis, and what people are shown of it on the way.
--
-- For readers (query-service): the view
--     analysis_states (company_id text, call_id bigint, state text, since timestamptz, why text, cure text)
-- has one row for each call. `state` is one of
--     none                   nothing will come: the call has no recording to analyse
--     waiting_for_recording  the recording is not here yet
--     recording_unavailable  it never came, or is no recording: what is known of the call is all there will be, a person may look
--     transcribing, analysing  Shunya is at it
--     paused                 it waits, and goes on by itself (Shunya cannot be reached, or refuses our token)
--     failed                 a step was given up
--     done                   call_analyses has it
-- `since` is when that began; `why` says in a sentence what happens or is wrong; `cure` what a person can do, null if nothing needs doing.
-- One call: SELECT state, since, why, cure FROM analysis_states WHERE company_id = $1 AND call_id = $2.
--
-- Locks: `shunya_jobs` and `recordings` for a moment (columns without a rewrite).
SET LOCAL lock_timeout = '5s';

-- What is known of a call that has a recording, from otto.calls. An older version never undoes a newer. Whoever changes anything of a call's analysis holds its row.
CREATE TABLE recorded_calls (
  company_id       text NOT NULL,
  call_id          bigint NOT NULL,
  version          bigint NOT NULL,             -- of the call, as lead-pipeline counts
  provider         text NOT NULL,
  provider_call_id text NOT NULL,
  phone            text NOT NULL,               -- what the events of the call are keyed by
  status           text NOT NULL,
  contact_card_id  uuid,
  lead_id          uuid,
  owner_id         text,
  recording_url    text NOT NULL,
  started_at       timestamptz,
  received_at      timestamptz NOT NULL,
  paused_since     timestamptz,                 -- the outside cannot be reached: nothing is used up meanwhile
  paused_why       text,
  traceparent      text NOT NULL DEFAULT '',
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);

ALTER TABLE recordings ADD COLUMN next_at timestamptz;            -- when it is asked for again; null: now
ALTER TABLE shunya_jobs
  ADD COLUMN round       integer NOT NULL DEFAULT 0,              -- how often Shunya said that the job failed and it was begun anew: each round has an Idempotency-Key of its own
  ADD COLUMN asks        integer NOT NULL DEFAULT 0,              -- how often it was asked for its result in vain
  ADD COLUMN asked_at    timestamptz,
  ADD COLUMN reported_at timestamptz,                             -- Shunya said that it is done, without the result
  ADD COLUMN link_until  timestamptz;                             -- end of the recording's link that was posted: a repeat posts the same

-- One row a call that still needs a step: what workers take under a lease. No tenant content, so no wall: a worker must see what is due before it knows whose it is.
CREATE TABLE orchestrator_work (
  company_id   text NOT NULL,
  call_id      bigint NOT NULL,
  due_at       timestamptz NOT NULL,
  leased_until timestamptz,
  lease        uuid,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);
CREATE INDEX orchestrator_work_due ON orchestrator_work (due_at);
CREATE INDEX orchestrator_work_lease ON orchestrator_work (lease) WHERE lease IS NOT NULL;
-- Its rows change at each step and live for minutes.
ALTER TABLE orchestrator_work SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
GRANT SELECT, INSERT, UPDATE, DELETE ON orchestrator_work TO otto_shunya_orchestrator;

ALTER TABLE recorded_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE recorded_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON recorded_calls TO otto_shunya_orchestrator USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON recorded_calls TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON recorded_calls TO otto_shunya_orchestrator;
GRANT SELECT ON recorded_calls TO otto_query_service;

-- A person's correction is on record with what else people do.
CREATE POLICY corrections ON audit_log FOR INSERT TO otto_shunya_orchestrator WITH CHECK ((company_id || '') = ANY (otto_batch_companies()));
GRANT INSERT ON audit_log TO otto_shunya_orchestrator;

CREATE VIEW analysis_states WITH (security_invoker = true) AS
SELECT c.company_id, c.call_id, s.state, s.since, s.why, s.cure
  FROM calls c
  LEFT JOIN recorded_calls k ON k.company_id = c.company_id AND k.call_id = c.call_id
  LEFT JOIN recordings r ON r.company_id = c.company_id AND r.call_id = c.call_id
  LEFT JOIN shunya_jobs t ON t.company_id = c.company_id AND t.call_id = c.call_id AND t.step = 'transcription'
  LEFT JOIN shunya_jobs a ON a.company_id = c.company_id AND a.call_id = c.call_id AND a.step = 'analysis'
  LEFT JOIN call_transcripts x ON x.company_id = c.company_id AND x.call_id = c.call_id
  LEFT JOIN call_analyses n ON n.company_id = c.company_id AND n.call_id = c.call_id
  -- Seed 001, 5.2: what to look at when Shunya is silent.
  CROSS JOIN LATERAL (SELECT 'Look whether Shunya posts its results to /api/v1/shunya/webhook of this deployment, whether OTTO_SHUNYA_WEBHOOK_SECRET is the secret that Shunya signs with, '
                             'and what the job says: SELECT id, step, job_status, error_message, retry_count FROM shunya_jobs WHERE call_id = ' || c.call_id
                             || '. Otto also asks Shunya by itself from time to time (OTTO_SHUNYA_POLL_AFTER).' AS text,
                             'After the cause is removed: SELECT retry_analysis(''' || c.company_id || ''', ' || c.call_id || ') with deploy/psql begins anew.' AS again) cures
  CROSS JOIN LATERAL (
    SELECT v.state, v.since, v.why, v.cure
      FROM (VALUES
        (1, n.call_id IS NOT NULL, 'done', n.created_at, 'The analysis is there.', NULL),
        (2, a.job_status IN ('failed', 'timeout'), 'failed', coalesce(a.finished_at, a.updated_at), 'The analysis failed: ' || coalesce(a.error_message, 'Shunya gave no reason') || '.', cures.again),
        (3, x.call_id IS NULL AND t.job_status IN ('failed', 'timeout'), 'failed', coalesce(t.finished_at, t.updated_at), 'The transcription failed: ' || coalesce(t.error_message, 'Shunya gave no reason') || '.', cures.again),
        (4, r.status IN ('unavailable', 'manual_review'), 'recording_unavailable', r.updated_at, 'The recording cannot be had: ' || coalesce(r.error, 'the provider does not have it') || '.',
            CASE r.status WHEN 'manual_review' THEN 'Listen to the call at the provider, if it is there, and enter by hand what it meant. ' ELSE '' END || cures.again),
        (5, k.paused_since IS NOT NULL, 'paused', k.paused_since, coalesce(k.paused_why, 'The outside cannot be reached') || '.', 'It goes on by itself. If it lasts: is OTTO_SHUNYA_API right, and OTTO_SHUNYA_TOKEN_SECRET the one that Shunya knows?'),
        (6, a.id IS NOT NULL AND now() - coalesce(a.started_at, a.created_at) > interval '5 minutes', 'analysing', coalesce(a.started_at, a.created_at),
            'Shunya has had the call for over 5 minutes and has not sent its analysis' || coalesce('; last: ' || a.error_message, '') || '.', cures.text),
        (7, a.id IS NOT NULL, 'analysing', coalesce(a.started_at, a.created_at), 'Shunya is analysing the call' || coalesce('; last: ' || a.error_message, '') || '.', NULL),
        (8, t.id IS NOT NULL AND now() - coalesce(t.started_at, t.created_at) > interval '5 minutes', 'transcribing', coalesce(t.started_at, t.created_at),
            'Shunya has had the recording for over 5 minutes and has not sent the transcript' || coalesce('; last: ' || t.error_message, '') || '.', cures.text),
        (9, t.id IS NOT NULL, 'transcribing', coalesce(t.started_at, t.created_at), 'Shunya is transcribing the recording' || coalesce('; last: ' || t.error_message, '') || '.', NULL),
        (10, r.id IS NOT NULL, 'waiting_for_recording', r.created_at, 'The recording is being fetched from the provider' || coalesce('; last: ' || r.error, '') || '.',
            CASE WHEN now() - r.created_at > interval '5 minutes' THEN 'It is asked for again from time to time. Does the company''s CallRail API key see this call, and has the call a recording there?' END),
        (11, c.status IN ('completed', 'voicemail') AND (c.recording_url IS NOT NULL OR now() - coalesce(c.ended_at, c.happened_at) < interval '1 hour'), 'waiting_for_recording',
            coalesce(c.ended_at, c.happened_at), 'The provider has not sent the recording yet.', 'It comes with a later report of the call. If none ever comes: is call recording switched on for this number at the provider?'),
        (12, c.status IN ('completed', 'voicemail'), 'none', coalesce(c.ended_at, c.happened_at), 'The provider sent no recording of this call.', 'Is call recording switched on for this number at the provider?'),
        (13, true, 'none', c.happened_at, 'There is nothing to analyse: the call is ' || c.status || '.', NULL)
      ) AS v (rank, applies, state, since, why, cure)
     WHERE v.applies ORDER BY v.rank LIMIT 1) s;
GRANT SELECT ON analysis_states TO otto_query_service;

-- An operator lets a call that was given up begin anew, where it stopped. Says what will be done. Whatever Shunya was paid for is not posted again: its transcript is kept.
CREATE FUNCTION retry_analysis(of_company text, of_call bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE what text;
BEGIN
  PERFORM FROM recorded_calls WHERE company_id = of_company AND call_id = of_call FOR UPDATE;
  IF NOT FOUND THEN RETURN 'there is no recorded call ' || of_call || ' of ' || of_company; END IF;
  UPDATE recordings SET status = 'pending', attempts = 0, error = NULL, next_at = NULL, created_at = now(), updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND status IN ('unavailable', 'manual_review');
  IF FOUND THEN what := 'the recording is fetched again'; END IF;
  UPDATE shunya_jobs SET job_status = 'pending', round = round + 1, posted_at = NULL, started_at = NULL, finished_at = NULL, next_retry_at = NULL, reported_at = NULL, link_until = NULL, asks = 0, asked_at = NULL,
         retry_count = 0, error_message = NULL, updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND job_status IN ('failed', 'timeout')
     AND NOT (step = 'transcription' AND EXISTS (SELECT FROM call_transcripts WHERE company_id = of_company AND call_id = of_call));
  IF FOUND THEN what := concat_ws('; ', what, 'the failed step is posted again'); END IF;
  IF what IS NULL THEN RETURN 'nothing was given up: nothing to do'; END IF;
  INSERT INTO orchestrator_work (company_id, call_id, due_at) VALUES (of_company, of_call, now()) ON CONFLICT (company_id, call_id) DO UPDATE SET due_at = now();
  NOTIFY otto_work;
  RETURN what;
END $$;
REVOKE EXECUTE ON FUNCTION retry_analysis(text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retry_analysis(text, bigint) TO otto_maintenance;
