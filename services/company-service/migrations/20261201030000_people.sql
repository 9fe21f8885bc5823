-- Who is being invited: on record before Clerk is asked, because Clerk's answer, which names the invitation, may be lost; a row goes with what came of it. And how many companies have nobody who manages
-- them, for operators.
-- Locks: none, the table is new.
CREATE TABLE invitations_asked (
  company_id text NOT NULL,
  email      text NOT NULL CHECK (email = lower(email) AND email LIKE '%@%'),
  role       text NOT NULL,                     -- none that is listed: the contract's words stand in company_users
  name       text,
  asked_by   text NOT NULL,                     -- the user
  asked_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, email)
);
SELECT otto_wall('invitations_asked', writer => 'otto_company_service', readers => '{}');

CREATE FUNCTION companies_without_manager() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT count(*) FROM companies c WHERE c.status = 'active'
     AND NOT EXISTS (SELECT FROM company_users u WHERE u.company_id = c.id AND u.role = 'manager' AND u.status = 'active')
$$;
REVOKE EXECUTE ON FUNCTION companies_without_manager() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION companies_without_manager() TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION companies_without_manager() OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
