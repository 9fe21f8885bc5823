-- How far the background steps are (`ottoctl migrate --background`): changes of large tables that no rollout waits for, in batches. A row a step that has begun; each batch moves it in its own transaction, so
-- that whoever goes on after a kill begins where the last batch ended. No company's data stands in it; everybody may read it. No locks: a new table.
CREATE TABLE background_steps (
  version     text PRIMARY KEY,
  name        text NOT NULL,
  checksum    text NOT NULL,                        -- of the step's text as it began
  cursor      text[],                               -- the key of the last row it has come past
  rows_done   bigint NOT NULL DEFAULT 0,
  rows_total  bigint NOT NULL DEFAULT 0,            -- an estimate of when it began
  started_at  timestamptz NOT NULL DEFAULT now(),
  changed_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  error       text NOT NULL DEFAULT ''              -- of the last attempt
);
GRANT SELECT ON background_steps TO PUBLIC;
