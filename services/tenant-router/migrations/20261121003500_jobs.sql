-- Reports of Shunya's jobs wait for the job to be on record; provider_calls holds jobs and their calls as "job:<id>" and "call:<id>" of the provider shunya.
-- Locks: held_events for a moment (a column without a default), then against writers while the index is made over what waits, which is few.
ALTER TABLE held_events ADD COLUMN waits_for text[];  -- names in provider_calls of which one must be known; null: it waits for something else
CREATE INDEX held_events_waits_for ON held_events USING gin (waits_for) WHERE released_at IS NULL;
