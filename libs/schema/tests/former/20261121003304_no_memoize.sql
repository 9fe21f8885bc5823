-- A page's cards and leads are each another one: what Memoize keeps of them is never asked for again, and keeping it was a fifth of the page. No locks.
DO $$
BEGIN
  EXECUTE format('ALTER ROLE otto_query_service IN DATABASE %I SET enable_memoize = off', current_database());
END $$;
