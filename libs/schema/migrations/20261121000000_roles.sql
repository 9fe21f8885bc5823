-- Who logs in, and the functions that every table's definition may use. One role a service, least privilege: a service gets what its own tables'
-- migrations grant it and nothing else. Passwords are the operator's business. No locks: nothing exists yet.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['otto_company_service', 'otto_tenant_router', 'otto_lead_pipeline', 'otto_query_service',
                              'otto_shunya_orchestrator', 'otto_appointment_service', 'otto_workflow_service'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
    END IF;
  END LOOP;
  -- For people at a psql prompt: sees all rows of all companies.
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'otto_maintenance') THEN
    CREATE ROLE otto_maintenance LOGIN BYPASSRLS;
  END IF;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO otto_company_service, otto_tenant_router, otto_lead_pipeline, otto_query_service,
                                otto_shunya_orchestrator, otto_appointment_service, otto_workflow_service, otto_maintenance;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO otto_maintenance;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO otto_maintenance;
GRANT SELECT ON schema_migrations TO PUBLIC;

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- A callable number in E.164, or null. Twin of base's normalize_phone(); a test feeds both the same texts.
CREATE FUNCTION e164(number text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  -- In a query string "+1202…" may arrive as " 1202…": a space in front may have been a plus.
  space  boolean := number LIKE ' %';
  body   text := btrim(number, E' \t\r\n\f\v');
  plus   boolean := body LIKE '+%';
  digits text;
BEGIN
  IF plus THEN body := substr(body, 2); END IF;
  IF body IS NULL OR body !~ E'^[0-9 \t().\\/-]+$' THEN RETURN NULL; END IF;
  digits := regexp_replace(body, '[^0-9]', '', 'g');
  IF length(digits) = 10 AND NOT plus THEN RETURN '+1' || digits; END IF;
  IF length(digits) = 11 AND digits LIKE '1%' THEN RETURN '+' || digits; END IF;
  IF (plus OR space) AND length(digits) BETWEEN 8 AND 15 THEN RETURN '+' || digits; END IF;
  RETURN NULL;
END $$;

-- The companies of a consumer's batch.
CREATE FUNCTION otto_batch_companies() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT string_to_array(current_setting('otto.company_ids', true), ',') $$;

-- The company of a request.
CREATE FUNCTION otto_request_company() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT current_setting('otto.company_id', true) $$;

-- The role that a consumer ("lead-pipeline", "tenant-router/calls") logs in as.
CREATE FUNCTION otto_role_of(consumer text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT 'otto_' || replace(split_part(consumer, '/', 1), '-', '_') $$;

CREATE FUNCTION otto_touch() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
