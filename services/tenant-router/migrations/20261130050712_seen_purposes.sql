-- What a seen number was used for: its company's manager registers it for that. Those that are there were seen in calls.
-- Locks: seen_numbers for a moment (a column with a constant default).
SET LOCAL lock_timeout = '5s';
ALTER TABLE seen_numbers ADD COLUMN purposes text[] NOT NULL DEFAULT '{voice}';
