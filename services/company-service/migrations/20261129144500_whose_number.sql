-- Whose number it is: proof beats claim. Until now whoever registered a number first had it, so that a stranger could take one that another company's calls come in on.
-- A claim is judged when the row is written, whoever writes it (a command, companies' fields, the view of seed 003, a person with SQL): 'unproven' gives way to proof, 'proven' to 'final'
-- alone, 'final' to nobody. What a company knows of others' numbers is this judgement and no row.
-- Locks: company_numbers, companies and seen_numbers for moments (columns without defaults, triggers, policies, indexes over what is small).
SET LOCAL lock_timeout = '5s';

-- In whose name the judgement looks across companies: no login, and nothing but what follows.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'otto_numbers') THEN
    CREATE ROLE otto_numbers NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
END $$;
GRANT USAGE ON SCHEMA public TO otto_numbers;

ALTER TABLE company_numbers ADD COLUMN ended_note text;  -- why it ended without its company's doing; its manager reads it
CREATE INDEX company_numbers_e164 ON company_numbers (e164);
CREATE INDEX seen_numbers_e164 ON seen_numbers (e164);

-- The numbers that the provider lists under a company's own credentials: final proof, as long as the list is fresh.
CREATE TABLE listed_numbers (
  company_id text NOT NULL,
  provider   text NOT NULL CHECK (provider IN ('callrail', 'twilio')),
  e164       text NOT NULL CHECK (e164 = e164(e164)),
  listed_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, provider, e164)
);
CREATE INDEX listed_numbers_e164 ON listed_numbers (e164);
ALTER TABLE listed_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE listed_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY one_company ON listed_numbers TO otto_company_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON listed_numbers TO otto_company_service;

CREATE POLICY judged ON company_numbers TO otto_numbers USING (true);
CREATE POLICY judged ON companies TO otto_numbers USING (true);
CREATE POLICY judged ON seen_numbers FOR SELECT TO otto_numbers USING (true);
CREATE POLICY judged ON listed_numbers FOR SELECT TO otto_numbers USING (true);
GRANT SELECT, INSERT, UPDATE ON company_numbers TO otto_numbers;
GRANT SELECT (id, status, call_provider, phone_number, primary_tracking_number), UPDATE (phone_number, primary_tracking_number) ON companies TO otto_numbers;
GRANT SELECT ON seen_numbers, listed_numbers TO otto_numbers;
GRANT SELECT, INSERT, UPDATE ON directory_state, number_releases TO otto_numbers;

-- What a number's owner sees of it.
CREATE FUNCTION number_state(standing text, valid_to timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN valid_to IS NOT NULL THEN 'past' WHEN standing = 'unproven' THEN 'unproven' ELSE 'registered' END $$;

-- The proof that a company has of a number, beside its rows in company_numbers: the provider's list, a webhook that its key signed. What it let go since does not count.
CREATE FUNCTION number_proof(of_company text, number text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE
    WHEN EXISTS (SELECT FROM listed_numbers l WHERE l.company_id = of_company AND l.e164 = number AND l.listed_at > now() - interval '7 days') THEN 'final'
    WHEN EXISTS (SELECT FROM seen_numbers s WHERE s.company_id = of_company AND s.e164 = number
                    AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = of_company AND n.e164 = number AND n.valid_to >= s.last_seen_at)) THEN 'proven'
    ELSE 'unproven' END
$$;

-- What stands against a company's claim of a number: null, 'own' (it has it already), 'claimed' (another was first, with as little proof), 'proven' (another has proof, this one no better),
-- 'final' (the provider says that it is another's). Never who.
CREATE FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH mine AS (SELECT number_proof(of_company, number) AS proof),
  live AS (SELECT n.company_id, n.id, n.standing FROM company_numbers n WHERE n.e164 = number AND n.is_active AND (n.valid_to IS NULL OR n.valid_to > now()) AND n.purposes && of_purposes),
  others AS (
    SELECT standing FROM live WHERE company_id <> of_company
    UNION ALL
    SELECT 'proven' FROM (SELECT company_id FROM seen_numbers WHERE e164 = number UNION SELECT company_id FROM listed_numbers WHERE e164 = number) o JOIN companies c ON c.id = o.company_id AND c.status = 'active'
     WHERE o.company_id <> of_company AND number_proof(o.company_id, number) <> 'unproven')
  SELECT CASE
    WHEN EXISTS (SELECT FROM live WHERE company_id = of_company AND id IS DISTINCT FROM of_row) THEN 'own'
    WHEN EXISTS (SELECT FROM others WHERE standing = 'final') THEN 'final'
    WHEN mine.proof <> 'final' AND EXISTS (SELECT FROM others WHERE standing = 'proven') THEN 'proven'
    WHEN mine.proof = 'unproven' AND EXISTS (SELECT FROM others) THEN 'claimed' END
  FROM mine
$$;

-- Takes a number for a company: ends what gives way to its proof, and answers that proof; or fails with what stands against it.
CREATE FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  obstacle text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('number ' || number, 0));  -- one claim of a number after the other
  obstacle := number_obstacle(of_company, number, of_purposes, of_row);
  IF obstacle = 'own' THEN
    RAISE EXCEPTION 'the number is the company''s own already' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_own', HINT = 'change the row that is there';
  ELSIF obstacle IS NOT NULL THEN
    RAISE EXCEPTION 'the number is another company''s' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_' || obstacle,
      HINT = 'have it released there, or set the CallRail API key of this company: once the list of its account shows the number, that is proof';
  END IF;
  -- A claim that was never proven is as if it had never been; what was proven keeps what it had until now.
  UPDATE company_numbers SET valid_to = greatest(now(), valid_from), is_active = standing <> 'unproven',
         ended_note = 'Another company has proven that this number is its own. If it is yours, set your CallRail API key (POST /api/v1/company/set-callrail-api-key/{id}) and register it again.'
   WHERE e164 = number AND company_id <> of_company AND is_active AND (valid_to IS NULL OR valid_to > now()) AND purposes && of_purposes
     AND standing <> 'final';  -- if it has become that meanwhile, the constraint on owners refuses the newcomer
  RETURN number_proof(of_company, number);
END $$;

CREATE FUNCTION company_numbers_claim() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  proof text;
BEGIN
  IF NOT NEW.is_active OR NEW.valid_to IS NOT NULL THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND OLD.is_active AND OLD.valid_to IS NULL AND OLD.e164 = NEW.e164 AND NEW.purposes <@ OLD.purposes THEN RETURN NEW; END IF;
  proof := claim_number(NEW.company_id, NEW.e164, NEW.purposes, NEW.id);
  IF proof = 'final' OR NEW.standing = 'unproven' THEN NEW.standing := proof; END IF;
  NEW.ended_note := NULL;
  IF TG_OP = 'INSERT' THEN NEW.valid_from := greatest(NEW.valid_from, number_free_since(NEW.e164)); END IF;  -- a former owner may have been ended just now
  RETURN NEW;
END $$;
CREATE TRIGGER company_numbers_claim BEFORE INSERT OR UPDATE ON company_numbers FOR EACH ROW EXECUTE FUNCTION company_numbers_claim();

-- A number that ended is named by no field of its company any more; one that was never proven was not released by anybody.
CREATE OR REPLACE FUNCTION company_numbers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM mark_directory_dirty(NEW.company_id); RETURN NULL; END IF;
  IF OLD.is_active AND OLD.valid_to IS NULL AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS NOT NULL) THEN
    IF TG_OP = 'DELETE' OR NEW.is_active OR NEW.ended_note IS NULL THEN
      INSERT INTO number_releases VALUES (OLD.e164, CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN NEW.valid_to ELSE now() END)
      ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
    END IF;
    UPDATE companies SET phone_number = CASE WHEN e164(phone_number) = OLD.e164 THEN NULL ELSE phone_number END,
           primary_tracking_number = CASE WHEN e164(primary_tracking_number) = OLD.e164 THEN NULL ELSE primary_tracking_number END
     WHERE id = OLD.company_id AND status = 'active' AND OLD.e164 IN (e164(phone_number), e164(primary_tracking_number))
       AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = OLD.company_id AND n.e164 = OLD.e164 AND n.is_active AND n.valid_to IS NULL);
  END IF;
  PERFORM mark_directory_dirty(OLD.company_id);
  RETURN NULL;
END $$;

-- Only the fields that name numbers, and the status, move numbers: another address or another key never does.
CREATE OR REPLACE FUNCTION companies_keep_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  named text[];
BEGIN
  IF TG_OP = 'INSERT' OR (NEW.phone_number, NEW.primary_tracking_number, NEW.status) IS DISTINCT FROM (OLD.phone_number, OLD.primary_tracking_number, OLD.status) THEN
    named := ARRAY(SELECT DISTINCT n FROM unnest(ARRAY[e164(NEW.phone_number), e164(NEW.primary_tracking_number)]) n WHERE n IS NOT NULL AND NEW.status = 'active' ORDER BY n);
    UPDATE company_numbers SET valid_to = greatest(now(), valid_from)
     WHERE company_id = NEW.id AND from_company AND is_active AND valid_to IS NULL AND e164 <> ALL (named);
    INSERT INTO company_numbers (company_id, e164, provider, from_company, valid_from)
    SELECT NEW.id, n, NEW.call_provider, true, number_free_since(n) FROM unnest(named) n
     WHERE NOT EXISTS (SELECT FROM company_numbers c WHERE c.company_id = NEW.id AND c.e164 = n AND c.is_active AND c.valid_to IS NULL);
  END IF;
  PERFORM mark_directory_dirty(NEW.id);
  RETURN NULL;
END $$;

-- A field that names a number which its company ended before this: cleared, as it is from now on.
UPDATE companies c SET phone_number = NULL WHERE c.status = 'active' AND e164(c.phone_number) IS NOT NULL
   AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = c.id AND n.e164 = e164(c.phone_number) AND n.is_active AND n.valid_to IS NULL);
UPDATE companies c SET primary_tracking_number = NULL WHERE c.status = 'active' AND e164(c.primary_tracking_number) IS NOT NULL
   AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = c.id AND n.e164 = e164(c.primary_tracking_number) AND n.is_active AND n.valid_to IS NULL);

REVOKE EXECUTE ON FUNCTION number_proof(text, text), number_obstacle(text, text, text[], uuid), claim_number(text, text, text[], uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_obstacle(text, text, text[], uuid), claim_number(text, text, text[], uuid) TO otto_company_service, otto_maintenance;
-- The functions are the judge's own; a new owner must be able to create in the schema at that moment.
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION number_proof(text, text) OWNER TO otto_numbers;
ALTER FUNCTION number_obstacle(text, text, text[], uuid) OWNER TO otto_numbers;
ALTER FUNCTION claim_number(text, text, text[], uuid) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
