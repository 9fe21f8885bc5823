-- Who has just joined an organisation is not among its company's users until Clerk has been asked again, and may be named to a command a moment after: then a service asks for that look at once, for
-- the company of its request and no other, at most every five seconds.
-- Locks: company_checks for a moment (a column without a default).
SET LOCAL lock_timeout = '5s';

ALTER TABLE company_checks ADD COLUMN asked_at timestamptz;  -- when somebody last wanted it before its time

-- True: the look is due or under way. False: it has been taken just now.
CREATE FUNCTION members_wanted() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE company_checks SET due_at = clock_timestamp(), failures = 0, asked_at = clock_timestamp()
   WHERE company_id = otto_request_company() AND what = 'members' AND (asked_at IS NULL OR asked_at < clock_timestamp() - interval '5 seconds');
  IF FOUND THEN
    PERFORM pg_notify('otto_checks', 'members');
    RETURN true;
  END IF;
  RETURN EXISTS (SELECT FROM company_checks WHERE company_id = otto_request_company() AND what = 'members' AND due_at <= clock_timestamp());
END $$;
REVOKE EXECUTE ON FUNCTION members_wanted() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION members_wanted() TO otto_lead_pipeline, otto_appointment_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION members_wanted() OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
