-- What may let a held event go on stands beside it, so that a change in the directory tries those alone that it can concern; on whose account it is held; and whether it says of itself
-- what cannot be (another company's number or job, companies that contradict each other): such a one is removed sooner. Rows that are there are given theirs by the first release.
-- Locks: held_events for a moment (columns without a default, or with a constant one), then against writers while the indexes are made over what waits, which is little.
SET LOCAL lock_timeout = '5s';
ALTER TABLE held_events ADD COLUMN concerns text[];  -- "number:+1…", "callrail:ACC…", "company:org_…"
ALTER TABLE held_events ADD COLUMN held_for text;    -- the company; null: nobody's
ALTER TABLE held_events ADD COLUMN conflict boolean NOT NULL DEFAULT false;
CREATE INDEX held_events_concerns ON held_events USING gin (concerns) WHERE released_at IS NULL;
CREATE INDEX held_events_fresh ON held_events (held_at) WHERE released_at IS NULL;
