-- When the last report of a call was received: what its transcript and its analysis took is counted from then (otto_call_journey_seconds). A column without a default is no rewrite, and the lock is
-- held for a moment. Calls that stand here by now are told of without it.
ALTER TABLE recorded_calls ADD COLUMN reported_at timestamptz;
