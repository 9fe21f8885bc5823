-- Numbers that move: a manager may say from when and until when a number is the company's, also ahead of time. What is claimed is therefore a stretch of time, and only claims whose stretches meet stand
-- against each other. Until now a row with an end was past, whatever its end, and a claim was for ever.
-- Locks: company_numbers for a moment (a column with a constant default); functions besides.
SET LOCAL lock_timeout = '5s';
ALTER TABLE company_numbers ADD COLUMN from_given boolean NOT NULL DEFAULT false;  -- valid_from is its company's own word, which it is shown

-- What a number's owner sees of it. (The function of two arguments stays for the services of the release before.)
CREATE FUNCTION number_state(standing text, valid_from timestamptz, valid_to timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN valid_to <= greatest(now(), valid_from) THEN 'past' WHEN valid_from > now() THEN 'planned' WHEN standing = 'unproven' THEN 'unproven' ELSE 'registered' END $$;

-- What stands against a company's claim of a number for a stretch of time; without `since` from when it is free. Else as before.
DROP FUNCTION number_obstacle(text, text, text[], uuid);
CREATE FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH mine AS (SELECT number_proof(of_company, number) AS proof),
  live AS (SELECT n.company_id, n.id, n.standing FROM company_numbers n
            WHERE n.e164 = number AND n.is_active AND n.purposes && of_purposes
              AND tstzrange(n.valid_from, n.valid_to) && tstzrange(coalesce(since, least(number_free_since(number), until)), until)),
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

-- Takes a number for a company from `since` until `until`: ends what gives way to its proof, and answers that proof; or fails with what stands against it.
DROP FUNCTION claim_number(text, text, text[], uuid);
CREATE FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamptz, until timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  obstacle text;
  ending   timestamptz := greatest(now(), since);
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('number ' || number, 0));  -- one claim of a number after the other
  obstacle := number_obstacle(of_company, number, of_purposes, of_row, since, until);
  IF obstacle = 'own' THEN
    RAISE EXCEPTION 'the number is the company''s own already' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_own', HINT = 'change the row that is there';
  ELSIF obstacle IS NOT NULL THEN
    RAISE EXCEPTION 'the number is another company''s' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_' || obstacle,
      HINT = 'have it released there, or set the CallRail API key of this company: once the list of its account shows the number, that is proof';
  END IF;
  -- A claim that was never proven is as if it had never been, unless it goes on until a moment to come; what was proven keeps what it had until then.
  UPDATE company_numbers SET valid_to = CASE WHEN valid_to <= ending THEN valid_to ELSE greatest(ending, valid_from) END, is_active = standing <> 'unproven' OR (ending > now() AND valid_from < ending),
         ended_note = 'Another company has proven that this number is its own. If it is yours, set your CallRail API key (POST /api/v1/company/set-callrail-api-key/{id}), or connect Twilio (POST /api/v1/onboarding/twilio/connect), and register it again.'
   WHERE e164 = number AND company_id <> of_company AND is_active AND purposes && of_purposes AND tstzrange(valid_from, valid_to) && tstzrange(since, until)
     AND (standing = 'unproven' OR valid_to IS NULL OR valid_to > ending)
     AND standing <> 'final';  -- if it has become that meanwhile, the constraint on owners refuses the newcomer
  RETURN number_proof(of_company, number);
END $$;

CREATE OR REPLACE FUNCTION company_numbers_claim() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  proof text;
BEGIN
  IF NOT NEW.is_active OR NEW.valid_to <= NEW.valid_from THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND OLD.is_active AND OLD.e164 = NEW.e164 AND NEW.purposes <@ OLD.purposes AND NEW.valid_from >= OLD.valid_from AND (OLD.valid_to IS NULL OR NEW.valid_to <= OLD.valid_to) THEN RETURN NEW; END IF;
  proof := claim_number(NEW.company_id, NEW.e164, NEW.purposes, NEW.id, NEW.valid_from, NEW.valid_to);
  IF proof = 'final' OR NEW.standing = 'unproven' THEN NEW.standing := proof; END IF;
  NEW.ended_note := NULL;
  -- A former owner may have been ended just now. What the company itself said stays, and the constraint on owners judges it.
  IF TG_OP = 'INSERT' AND NOT NEW.from_given THEN NEW.valid_from := greatest(NEW.valid_from, number_free_since(NEW.e164)); END IF;
  RETURN NEW;
END $$;

-- A number is free from the end that was said of it, also of one to come; what moves that end moves it too. The fields of companies let a number go when its end is said.
CREATE OR REPLACE FUNCTION company_numbers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.is_active AND NEW.valid_to > NEW.valid_from THEN
      INSERT INTO number_releases VALUES (NEW.e164, NEW.valid_to) ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
    END IF;
    PERFORM mark_directory_dirty(NEW.company_id);
    RETURN NULL;
  END IF;
  IF OLD.is_active AND OLD.valid_to IS NULL AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS NOT NULL) THEN
    IF TG_OP = 'DELETE' OR NEW.is_active OR NEW.ended_note IS NULL THEN
      INSERT INTO number_releases VALUES (OLD.e164, CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN NEW.valid_to ELSE now() END)
      ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
    END IF;
    UPDATE companies SET phone_number = CASE WHEN e164(phone_number) = OLD.e164 THEN NULL ELSE phone_number END,
           primary_tracking_number = CASE WHEN e164(primary_tracking_number) = OLD.e164 THEN NULL ELSE primary_tracking_number END
     WHERE id = OLD.company_id AND status = 'active' AND OLD.e164 IN (e164(phone_number), e164(primary_tracking_number))
       AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = OLD.company_id AND n.e164 = OLD.e164 AND n.is_active AND n.valid_to IS NULL);
  ELSIF OLD.is_active AND OLD.valid_to IS NOT NULL AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS DISTINCT FROM OLD.valid_to) THEN
    UPDATE number_releases SET released_at = CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN coalesce(NEW.valid_to, NEW.valid_from)
                                                  WHEN TG_OP = 'UPDATE' AND NEW.ended_note IS NOT NULL THEN OLD.valid_from
                                                  ELSE least(now(), OLD.valid_to) END
     WHERE e164 = OLD.e164 AND released_at = OLD.valid_to;
  END IF;
  PERFORM mark_directory_dirty(OLD.company_id);
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION number_obstacle(text, text, text[], uuid, timestamptz, timestamptz), claim_number(text, text, text[], uuid, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_obstacle(text, text, text[], uuid, timestamptz, timestamptz), claim_number(text, text, text[], uuid, timestamptz, timestamptz) TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION number_obstacle(text, text, text[], uuid, timestamptz, timestamptz) OWNER TO otto_numbers;
ALTER FUNCTION claim_number(text, text, text[], uuid, timestamptz, timestamptz) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
