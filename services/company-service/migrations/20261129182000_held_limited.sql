-- How much may wait on one company's account was counted by each process that takes webhooks in, from its start: N of them let N times as much in, a restart forgot everything, and what had gone on
-- long ago still counted. Now tenant-router counts what waits, once for all, and who has too much is told on otto.directory like everything else of a company; its manager sees it too.
-- Locks: companies for a moment (a column with a constant default, an index over the few that are limited).
SET LOCAL lock_timeout = '5s';
ALTER TABLE companies ADD COLUMN held_limited boolean NOT NULL DEFAULT false;
CREATE INDEX companies_held_limited ON companies (id) WHERE held_limited;
GRANT SELECT (held_limited) ON companies TO otto_query_service;
GRANT SELECT (held_limited), UPDATE (held_limited) ON companies TO otto_numbers;
-- These companies are limited and no others; answers those for whom that is new.
CREATE FUNCTION limit_held(accounts text[]) RETURNS TABLE (company_id text, limited boolean) LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  UPDATE companies c SET held_limited = NOT held_limited
   WHERE c.id IN (SELECT unnest(accounts) UNION SELECT w.id FROM companies w WHERE w.held_limited) AND c.held_limited <> (c.id = ANY (accounts))
  RETURNING c.id, c.held_limited
$$;
REVOKE EXECUTE ON FUNCTION limit_held(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limit_held(text[]) TO otto_tenant_router;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION limit_held(text[]) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
