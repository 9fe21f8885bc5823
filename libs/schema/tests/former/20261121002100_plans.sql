-- query-service's statements are planned once, for any company, not with the company at hand: one that is newer than the statistics (a tenant of a thousand moves them
-- little, so that can be long) would be planned for as if it had one row. Where values do decide, a request says so itself. No locks.
DO $$
BEGIN
  EXECUTE format('ALTER ROLE otto_query_service IN DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
END $$;
