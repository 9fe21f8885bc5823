-- The wall around a batch's companies is no condition that an index can serve. `company_id = ANY (...)` was one: a company newer than the last ANALYZE counted as one
-- row, so each look-up by key read all rows of the batch's companies. Every later policy of that name is written the same way. Brief locks.
DO $$
DECLARE p record;
BEGIN
  FOR p IN SELECT schemaname, tablename FROM pg_policies WHERE policyname = 'batch_companies' LOOP
    EXECUTE format('ALTER POLICY batch_companies ON %I.%I USING ((company_id || '''') = ANY (otto_batch_companies()))', p.schemaname, p.tablename);
  END LOOP;
END $$;
