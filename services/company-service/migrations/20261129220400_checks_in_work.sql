-- When a company is looked at outside again stands in the queue of all services (20261129220000_work.sql), one for each kind of look; what is due
-- goes there. `check_company` asks for a look as before. Of `members_wanted` only the moment remains when somebody last wanted one before
-- its time; the function runs in the name of company-service now, whose queue it is.
-- Locks: company_checks exclusively, until it is gone.
SET LOCAL lock_timeout = '5s';

INSERT INTO work (queue, company_id, key, due_at, attempt)
SELECT CASE what WHEN 'members' THEN 'company-service/members' ELSE 'company-service/callrail-numbers' END, company_id, '', due_at, failures FROM company_checks;

CREATE TABLE members_asked (
  company_id text PRIMARY KEY,
  asked_at   timestamptz NOT NULL               -- when somebody last wanted its members before their time
);
INSERT INTO members_asked SELECT company_id, asked_at FROM company_checks WHERE what = 'members' AND asked_at IS NOT NULL;
SELECT otto_wall('members_asked', writer => 'otto_company_service', readers => '{}');

CREATE OR REPLACE FUNCTION check_company(of_company text, of_what text) RETURNS void LANGUAGE sql AS
$$ SELECT otto_want('company-service/' || replace(of_what, '_', '-'), of_company, '', now()) $$;

-- False: a look that was asked for after `since` has been taken. True: it is still to come; call again.
CREATE OR REPLACE FUNCTION members_wanted(since timestamptz) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  of_company text := otto_request_company();
  due        timestamptz;
  asked      timestamptz;
BEGIN
  SELECT due_at INTO due FROM work WHERE queue = 'company-service/members' AND company_id = of_company AND key = '';
  IF NOT FOUND THEN RETURN false; END IF;
  SELECT asked_at INTO asked FROM members_asked WHERE company_id = of_company FOR UPDATE;
  IF asked >= since THEN RETURN due <= clock_timestamp(); END IF;
  IF asked IS NULL OR asked < clock_timestamp() - interval '1 second' THEN
    INSERT INTO members_asked VALUES (of_company, clock_timestamp()) ON CONFLICT (company_id) DO UPDATE SET asked_at = excluded.asked_at;
    PERFORM otto_want('company-service/members', of_company, '', now());
  END IF;
  RETURN true;
END $$;
GRANT CREATE ON SCHEMA public TO otto_company_service;
ALTER FUNCTION members_wanted(timestamptz) OWNER TO otto_company_service;
REVOKE CREATE ON SCHEMA public FROM otto_company_service;

DROP TABLE company_checks;
