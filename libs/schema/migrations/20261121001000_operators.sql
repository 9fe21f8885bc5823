-- What operators do, on record; and how they ask for a held event to be tried.
-- Locks: ALTER TABLE held_events takes its lock for a moment (a column without a default); it gives up rather than make the router wait.
SET LOCAL lock_timeout = '5s';

-- One row an action of a person: what was released, redriven, edited, discarded, by whom and why. Added to, never changed. `detail` holds what was
-- taken away (a discarded dead letter, a payload before it was edited), so that a mistake can be undone. A walled table without a policy: only roles
-- that see all rows reach it.
CREATE TABLE operator_actions (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at         timestamptz NOT NULL DEFAULT now(),
  login      text NOT NULL DEFAULT session_user,  -- the database's own word on who it was
  operator   text NOT NULL,                       -- who they said they were
  action     text NOT NULL CHECK (action IN ('held.release', 'dead_letter.edit', 'dead_letter.redrive', 'dead_letter.discard')),
  target     uuid NOT NULL,                       -- held_events.event_id, or dead_letters.id
  event_id   uuid,
  company_id text NOT NULL DEFAULT '',
  reason     text NOT NULL DEFAULT '',
  detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX operator_actions_target ON operator_actions (target, at);
CREATE INDEX operator_actions_event ON operator_actions (event_id) WHERE event_id IS NOT NULL;
ALTER TABLE operator_actions ENABLE ROW LEVEL SECURITY;
ALTER TABLE operator_actions FORCE ROW LEVEL SECURITY;
REVOKE ALL ON operator_actions FROM otto_maintenance;
GRANT SELECT, INSERT ON operator_actions TO otto_maintenance;

-- An operator asked for it to be tried now; the releaser clears it once it has. Only the releaser passes anything on.
ALTER TABLE held_events ADD COLUMN asked_at timestamptz;
CREATE INDEX held_events_asked ON held_events (received_at, event_id) WHERE asked_at IS NOT NULL AND released_at IS NULL;
-- One dead letter's way back is watched by its event.
CREATE INDEX dead_letters_event ON dead_letters (event_id) WHERE event_id IS NOT NULL;
