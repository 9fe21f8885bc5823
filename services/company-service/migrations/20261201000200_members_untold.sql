-- Who tells of members and who changes them take the same rows in the same order: the members first, then the company's mark, which counts, so that what comes while it is told is told next.
-- Locks: members_untold for a moment (a column with a constant default).
SET LOCAL lock_timeout = '5s';

ALTER TABLE members_untold ADD COLUMN changes bigint NOT NULL DEFAULT 1;
CREATE OR REPLACE FUNCTION members_untold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO members_untold AS m (company_id) SELECT DISTINCT company_id FROM changed WHERE version > told_version ORDER BY 1 ON CONFLICT (company_id) DO UPDATE SET changes = m.changes + 1;
  IF FOUND THEN PERFORM pg_notify('otto_members', ''); END IF;
  RETURN NULL;
END $$;
