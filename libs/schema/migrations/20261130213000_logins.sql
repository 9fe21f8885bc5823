-- A service's own login, for that service's first migration, as before: SELECT otto_login('otto_texts'). Where the role is there, nothing is done that needs CREATEROLE: how its sessions plan is said as they
-- begin (libs/pg, login.cpp), and no longer by ALTER ROLE. Where it is missing and the owner may not make it, the migration says who does.
-- Locks: none here; brief ones on the catalogue where it is called.
CREATE OR REPLACE FUNCTION otto_login(role text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE walled regclass;
BEGIN
  IF role !~ '^otto_[a-z_]+$' THEN RAISE EXCEPTION 'a service logs in as otto_<its name>, not as %', role; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)) THEN
      RAISE EXCEPTION 'the role % is missing, and % may not make roles', role, current_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'an administrator makes it: ottoctl roles plan';
    END IF;
    EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', role);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  IF has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE WITH GRANT OPTION') THEN
    EXECUTE format('GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO %I', role);
  END IF;
  FOR walled IN SELECT DISTINCT polrelid::regclass FROM pg_policy
                 WHERE pg_get_expr(polqual, polrelid) LIKE '%otto_role_of(%' LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', walled, role);
  END LOOP;
END $$;
