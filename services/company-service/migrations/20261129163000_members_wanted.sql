-- Who has just joined an organisation is not among its company's users until Clerk has been asked again, and may be named to a command a moment after: then a service asks for a look at once, for the
-- company of its request and no other, at most once a second.
-- Locks: company_checks for a moment (a column without a default).
SET LOCAL lock_timeout = '5s';

ALTER TABLE company_checks ADD COLUMN asked_at timestamptz;  -- when somebody last wanted it before its time

-- False: a look that was asked for after `since` has been taken. True: it is still to come; call again.
CREATE FUNCTION members_wanted(since timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  look company_checks;
BEGIN
  SELECT * INTO look FROM company_checks WHERE company_id = otto_request_company() AND what = 'members' FOR UPDATE;
  IF look.asked_at >= since THEN RETURN look.due_at <= clock_timestamp(); END IF;
  IF look.asked_at IS NULL OR look.asked_at < clock_timestamp() - interval '1 second' THEN
    UPDATE company_checks SET due_at = clock_timestamp(), failures = 0, asked_at = clock_timestamp() WHERE company_id = look.company_id AND what = 'members';
    PERFORM pg_notify('otto_checks', 'members');
  END IF;
  RETURN look.company_id IS NOT NULL;
END $$;
REVOKE EXECUTE ON FUNCTION members_wanted(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION members_wanted(timestamptz) TO otto_lead_pipeline, otto_appointment_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION members_wanted(timestamptz) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
