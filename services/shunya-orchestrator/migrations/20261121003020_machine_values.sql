-- What the machine said for the fields that a person corrected, {"booking_status": "not_booked"}: the columns hold what counts, and `raw`, which has it too, may be
-- megabytes. Locks: `call_analyses` for a moment, no rewrite.
SET LOCAL lock_timeout = '5s';
ALTER TABLE call_analyses ADD COLUMN machine_values jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN call_analyses.booking_status IS 'as it counts: a person''s correction, else what Shunya said; likewise the other fields that people correct';
