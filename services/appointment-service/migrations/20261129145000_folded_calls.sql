-- A row of a call that proved to be another call stays as a mark of where it went: an analysis that still names it is taken for the other one, and who marks it and who notes an analysis wait for each other,
-- whichever comes first. Locks: `appointment_verdicts` for a moment (a column without a rewrite).
SET LOCAL lock_timeout = '5s';
ALTER TABLE appointment_verdicts ADD COLUMN folded_into bigint;
