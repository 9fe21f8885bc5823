-- A service's own login, for that service's first migration: SELECT otto_login('otto_texts'). It has what each service has that
-- consumes or answers: the tables that are walled by role (otto_role_of), the lock by which one process of a deployment runs a
-- schedule, and plans as all services have them (small_statements, plans). Until now each of these was a list of all services'
-- names. Locks: none here; brief ones on the catalogue where it is called.
CREATE FUNCTION otto_login(role text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE walled regclass; setting text;
BEGIN
  IF role !~ '^otto_[a-z_]+$' THEN RAISE EXCEPTION 'a service logs in as otto_<its name>, not as %', role; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
    EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', role);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO %I', role);
  FOR walled IN SELECT DISTINCT polrelid::regclass FROM pg_policy
                 WHERE pg_get_expr(polqual, polrelid) LIKE '%otto_role_of(%' LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', walled, role);
  END LOOP;
  FOREACH setting IN ARRAY ARRAY['enable_seqscan = off', 'jit = off', 'plan_cache_mode = force_generic_plan',
                                 'random_page_cost = 1.1'] LOOP
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s', role, current_database(), setting);
  END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION otto_login(text) FROM PUBLIC;
