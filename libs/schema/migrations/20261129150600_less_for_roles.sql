-- What every login may do by birth, and no service needs: temporary tables (room on the disk, and functions of one's own), large objects (the same), locks that are only a number (one role could make
-- another wait for ever). Taken from PUBLIC; who uses one of them is named here. Postgres lets a role change its own password and its own session's settings, and nothing takes that away: a
-- login is its service's secret, and passwords are set again by who starts the stack. Brief locks on the catalogue.
-- Functions are Postgres's own: an owner of the database that is no superuser leaves them as they are, and an administrator does it (`ottoctl roles plan` says so).
DO $$
DECLARE f record;
BEGIN
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO otto_maintenance', current_database());
  FOR f IN SELECT oid::regprocedure AS name, proname FROM pg_proc
            WHERE has_function_privilege(oid, 'EXECUTE WITH GRANT OPTION') AND pronamespace = 'pg_catalog'::regnamespace AND (proname ~ '^lo_' OR proname IN ('loread', 'lowrite') OR proname ~ '^pg_(try_)?advisory_') LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f.name);
    IF f.proname ~ 'advisory' THEN
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO otto_maintenance', f.name);
    END IF;
  END LOOP;
END $$;
-- One process of a deployment runs a service's schedule; a slot of a rep's day; a number that is claimed.
DO $$
BEGIN
  IF has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE WITH GRANT OPTION') THEN
    GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO otto_company_service, otto_tenant_router, otto_lead_pipeline, otto_shunya_orchestrator, otto_appointment_service, otto_workflow_service;
    GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO otto_appointment_service, otto_numbers;
  END IF;
END $$;
