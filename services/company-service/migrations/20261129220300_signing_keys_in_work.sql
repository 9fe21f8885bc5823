-- A company's signing key is looked up by work in a queue (20261129220000_work.sql), where it was an activity of its event: look-ups that are
-- still to come go there; what was done or given up stays on record until it is trimmed.
-- Locks: the rows of `intents` that move.
SET LOCAL lock_timeout = '5s';

WITH moved AS (
  DELETE FROM intents WHERE consumer = 'company-service' AND type = 'otto.changes.v1.CallRailConnected' AND state IN ('pending', 'running') RETURNING company_id
)
INSERT INTO work (queue, company_id, key, due_at) SELECT DISTINCT 'company-service/signing-keys', company_id, '', now() FROM moved;
