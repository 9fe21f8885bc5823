-- Calls on their way to an analysis stand in the queue of all services (20261129220000_work.sql). What is open goes there; whoever was at
-- a call meanwhile finds its lease gone and writes nothing, and the next goes on from its rows.
-- `retry_call` as before (20261129152614_recording_keys.sql), but it wants work there.
-- Locks: orchestrator_work exclusively, until it is gone.
SET LOCAL lock_timeout = '5s';

INSERT INTO work (queue, company_id, key, due_at, created_at) SELECT 'shunya-orchestrator', company_id, call_id::text, due_at, created_at FROM orchestrator_work;
DROP TABLE orchestrator_work;

CREATE OR REPLACE FUNCTION retry_call(of_company text, of_call bigint) RETURNS text[] LANGUAGE plpgsql AS $$
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
  PERFORM otto_want('shunya-orchestrator', of_company, of_call::text, now());
  RETURN what;
END $$;
