-- What company-service looks at outside: the tracking numbers that CallRail lists for a company's account, and the members of its organisation at Clerk. When each is due stands here; a change that
-- makes another look worth while asks for it. No tenant's data is in it, so it has no wall, as directory_state.
-- Besides: what is wrong with a company's account at CallRail, for its manager to read; how many companies claim one id at CallRail; and who has made companies lately.
-- Locks: companies, company_numbers and company_users for moments (columns without defaults, triggers, a small index).
SET LOCAL lock_timeout = '5s';

CREATE TABLE company_checks (
  company_id text NOT NULL,
  what       text NOT NULL CHECK (what IN ('callrail_numbers', 'members')),
  due_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  failures   integer NOT NULL DEFAULT 0,         -- in a row
  PRIMARY KEY (company_id, what)
);
CREATE INDEX company_checks_due ON company_checks (what, due_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON company_checks TO otto_company_service, otto_numbers;

CREATE FUNCTION check_company(of_company text, of_what text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO company_checks (company_id, what) VALUES (of_company, of_what)
  ON CONFLICT (company_id, what) DO UPDATE SET due_at = excluded.due_at, failures = 0;
  SELECT pg_notify('otto_checks', of_what);
$$;

CREATE FUNCTION companies_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM check_company(NEW.id, 'members'); END IF;
  PERFORM check_company(NEW.id, 'callrail_numbers');
  RETURN NULL;
END $$;
CREATE TRIGGER companies_check_new AFTER INSERT ON companies FOR EACH ROW EXECUTE FUNCTION companies_check();
CREATE TRIGGER companies_check_callrail AFTER UPDATE OF callrail_api_key, callrail_account_id, callrail_company_id ON companies FOR EACH ROW
  WHEN ((NEW.callrail_api_key, NEW.callrail_account_id, NEW.callrail_company_id) IS DISTINCT FROM (OLD.callrail_api_key, OLD.callrail_account_id, OLD.callrail_company_id)) EXECUTE FUNCTION companies_check();

CREATE FUNCTION company_numbers_check() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM check_company(NEW.company_id, 'callrail_numbers'); RETURN NULL; END $$;
CREATE TRIGGER company_numbers_check AFTER INSERT ON company_numbers FOR EACH ROW WHEN (NEW.standing <> 'final' AND NEW.is_active AND NEW.valid_to IS NULL) EXECUTE FUNCTION company_numbers_check();

INSERT INTO company_checks (company_id, what) SELECT id, w FROM companies, unnest(ARRAY['callrail_numbers', 'members']) w;

ALTER TABLE companies ADD COLUMN callrail_problem text, ADD COLUMN callrail_problem_cure text;
GRANT SELECT (callrail_problem, callrail_problem_cure) ON companies TO otto_query_service;

ALTER TABLE company_users ADD COLUMN at_clerk boolean NOT NULL DEFAULT false;  -- Clerk has told of the membership; who Clerk never told of is not removed for its silence

-- One id at CallRail is claimed by few companies: every webhook that names it is held against the key of each.
CREATE INDEX companies_callrail_account_id ON companies (callrail_account_id) WHERE callrail_account_id IS NOT NULL;
CREATE INDEX companies_callrail_company_id ON companies (callrail_company_id) WHERE callrail_company_id IS NOT NULL;
GRANT SELECT (callrail_account_id, callrail_company_id) ON companies TO otto_numbers;
CREATE FUNCTION callrail_claimants(callrail_id text, but_company text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT count(*) FROM (SELECT id FROM companies WHERE callrail_account_id = callrail_id UNION SELECT id FROM companies WHERE callrail_company_id = callrail_id) claimants WHERE id <> but_company
$$;
REVOKE EXECUTE ON FUNCTION callrail_claimants(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION callrail_claimants(text, text) TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION callrail_claimants(text, text) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;

-- Each organisation that is made at Clerk costs something there: a person makes few in an hour.
CREATE TABLE company_creations (
  user_id text NOT NULL,
  at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX company_creations_user ON company_creations (user_id, at);
CREATE INDEX company_creations_at ON company_creations (at);
GRANT SELECT, INSERT, DELETE ON company_creations TO otto_company_service;
