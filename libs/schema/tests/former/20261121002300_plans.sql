-- A batch looks up a few hundred rows by their whole keys, however large the tables and whatever the statistics know; but a plan made for an empty table (all in
-- one hash, or by a scan) was kept while the table grew. So this role joins by index only. No locks.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['enable_hashjoin', 'enable_mergejoin', 'enable_seqscan'] LOOP
    EXECUTE format('ALTER ROLE otto_lead_pipeline IN DATABASE %I SET %I = off', current_database(), name);
  END LOOP;
END $$;
