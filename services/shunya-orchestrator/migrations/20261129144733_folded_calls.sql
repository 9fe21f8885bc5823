-- Two rows of lead-pipeline's that prove to be one call: the one that went stays here as a mark of where it went, so that whatever comes later under its id is taken for the other one; and who writes such a row
-- and who marks it wait for each other, whichever comes first. The call that stays may be known to Shunya by the id of the one that went.
-- Locks: `recorded_calls` for a moment (columns without a rewrite).
SET LOCAL lock_timeout = '5s';
ALTER TABLE recorded_calls
  ADD COLUMN folded_into    bigint,               -- the call that it proved to be: nothing is done here any more
  ADD COLUMN shunya_call_id bigint;               -- what Shunya calls it, where that is not its call_id
COMMENT ON COLUMN recorded_calls.folded_into IS 'rows of shunya_jobs, recordings, call_transcripts and call_analyses under such a call_id are what two rows of one call were both asked for: kept, and never gone on with';
-- A person's corrections follow the call.
GRANT UPDATE (call_id) ON analysis_corrections TO otto_shunya_orchestrator;

-- What two calls have in a table goes from each to the other; a unique index sees each row by itself, so one of them stands aside for a moment.
CREATE FUNCTION change_places(of_table text, of_company text, one bigint, other bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('UPDATE %I SET call_id = -$2 WHERE company_id = $1 AND call_id = $2', of_table) USING of_company, one;
  EXECUTE format('UPDATE %I SET call_id = $3 WHERE company_id = $1 AND call_id = $2', of_table) USING of_company, other, one;
  EXECUTE format('UPDATE %I SET call_id = $3 WHERE company_id = $1 AND call_id = -$2', of_table) USING of_company, one, other;
END $$;
