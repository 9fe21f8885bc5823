-- A time zone that is none cannot be stored, whoever writes it: everything that reckons in the company's days failed on it. Looked at when it is written only. AT TIME ZONE refuses most at once
-- but takes more than zones' names (abbreviations, "Foo5"); the names themselves are a scan of 30 to 40 ms.
-- And the onboarding step that follows a connected provider is called by its public name.
-- Locks: companies for a moment (triggers), then its rows.
SET LOCAL lock_timeout = '5s';

CREATE FUNCTION is_time_zone(zone text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN EXISTS (SELECT FROM pg_timezone_names WHERE name = zone);
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $$;

UPDATE companies SET timezone = 'America/New_York' WHERE NOT is_time_zone(timezone);  -- the default: what they had could not be reckoned with
UPDATE companies SET onboarding_step = 'document_ingestion' WHERE onboarding_step = 'callrail_connected';

CREATE FUNCTION companies_time_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT is_time_zone(NEW.timezone) THEN
    RAISE EXCEPTION '"%" is no time zone', NEW.timezone USING ERRCODE = 'check_violation', CONSTRAINT = 'companies_time_zone', HINT = 'write it as America/Phoenix; pg_timezone_names lists them';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER companies_time_zone_new BEFORE INSERT ON companies FOR EACH ROW EXECUTE FUNCTION companies_time_zone();
CREATE TRIGGER companies_time_zone_other BEFORE UPDATE OF timezone ON companies FOR EACH ROW WHEN (NEW.timezone IS DISTINCT FROM OLD.timezone) EXECUTE FUNCTION companies_time_zone();

-- An id at CallRail becomes part of an address: nothing that could be another path.
UPDATE companies SET callrail_account_id = NULL WHERE callrail_account_id !~ '^[A-Za-z0-9_-]+$';
UPDATE companies SET callrail_company_id = NULL WHERE callrail_company_id !~ '^[A-Za-z0-9_-]+$';
ALTER TABLE companies ADD CONSTRAINT companies_callrail_account_id CHECK (callrail_account_id ~ '^[A-Za-z0-9_-]+$'), ADD CONSTRAINT companies_callrail_company_id CHECK (callrail_company_id ~ '^[A-Za-z0-9_-]+$');
