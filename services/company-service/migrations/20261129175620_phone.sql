-- The numbers of companies, as the former e164() wrote them, by the present one. What is no callable number ends. Rows that are one number by now are folded: it stays with the company that has the better
-- proof, else with the older claim; the other ends, and both managers read why. A field of companies that names a number only now claims it, as if it had been written today.
-- Ended rows keep what they said: nothing routes by them. And a live row holds a callable number: the former constraint passed what e164() gives null for.
-- Locks: companies, company_numbers, listed_numbers and number_releases against writers, for as long as their few rows take.
SET LOCAL lock_timeout = '5s';
ALTER TABLE company_numbers ADD COLUMN kept_note text;  -- why it stayed when another company's ended; its manager reads it
CREATE FUNCTION number_note(ended_note text, kept_note text, valid_to timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT coalesce(ended_note, CASE WHEN valid_to IS NULL THEN kept_note END) $$;

INSERT INTO listed_numbers (company_id, provider, e164, listed_at)
SELECT company_id, provider, e164(e164), max(listed_at) FROM listed_numbers WHERE e164(e164) <> e164 GROUP BY company_id, provider, e164(e164)
ON CONFLICT (company_id, provider, e164) DO UPDATE SET listed_at = greatest(listed_numbers.listed_at, excluded.listed_at);
DELETE FROM listed_numbers WHERE e164(e164) IS DISTINCT FROM e164;
INSERT INTO number_releases (e164, released_at) SELECT e164(e164), max(released_at) FROM number_releases WHERE e164(e164) <> e164 GROUP BY e164(e164)
ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
DELETE FROM number_releases WHERE e164(e164) IS DISTINCT FROM e164;

-- Its triggers would judge each step by what the next one changes.
ALTER TABLE company_numbers DROP CONSTRAINT company_numbers_e164_check, DISABLE TRIGGER company_numbers_claim, DISABLE TRIGGER company_numbers_changed;
ALTER TABLE companies DISABLE TRIGGER companies_keep_numbers;
DO $$
DECLARE
  number text;
  r      record;
  kept   uuid[];
  better text;
BEGIN
  FOR r IN UPDATE company_numbers SET valid_to = greatest(now(), valid_from),
                  ended_note = 'It ended because nobody can call it: it is no telephone number, or what networks send for a hidden caller. Register the number that your callers dial (POST /api/v1/numbers).'
            WHERE valid_to IS NULL AND e164(e164) IS NULL RETURNING * LOOP
    UPDATE companies c SET phone_number = CASE WHEN r.e164 IN ('+' || phone, '+1' || phone) THEN NULL ELSE phone_number END,
           primary_tracking_number = CASE WHEN r.e164 IN ('+' || tracking, '+1' || tracking) THEN NULL ELSE primary_tracking_number END
      FROM (SELECT id, regexp_replace(phone_number, '[^0-9]', '', 'g') AS phone, regexp_replace(primary_tracking_number, '[^0-9]', '', 'g') AS tracking FROM companies WHERE id = r.company_id) digits
     WHERE c.id = digits.id AND (r.e164 IN ('+' || phone, '+1' || phone) OR r.e164 IN ('+' || tracking, '+1' || tracking));
    PERFORM mark_directory_dirty(r.company_id);
  END LOOP;

  FOR number IN SELECT e164(e164) FROM company_numbers WHERE valid_to IS NULL GROUP BY 1 HAVING bool_or(e164(e164) <> e164) ORDER BY 1 LOOP
    kept := '{}';
    FOR r IN SELECT n.* FROM company_numbers n WHERE valid_to IS NULL AND is_active AND e164(n.e164) = number
              ORDER BY greatest(array_position(ARRAY['unproven', 'proven', 'final'], standing), array_position(ARRAY['unproven', 'proven', 'final'], number_proof(company_id, number))) DESC, created_at, id LOOP
      SELECT k.company_id INTO better FROM company_numbers k WHERE k.id = ANY (kept) AND k.purposes && r.purposes ORDER BY k.company_id = r.company_id DESC LIMIT 1;
      IF better IS NULL THEN
        kept := kept || r.id;
        CONTINUE;
      END IF;
      -- A claim that was never proven is as if it had never been; what was proven keeps what it had until now.
      UPDATE company_numbers SET valid_to = greatest(now(), valid_from), is_active = standing <> 'unproven',
             ended_note = CASE WHEN better = r.company_id THEN 'It is the same number as ' || number || ', which your company has registered too.'
                               ELSE 'It is the same number as ' || number || ', which another company has with better proof, or had first. If it is yours, set your CallRail API key (POST /api/v1/company/set-callrail-api-key/{id}) and register it again.' END
       WHERE company_id = r.company_id AND id = r.id;
      IF better = r.company_id THEN
        BEGIN
          UPDATE company_numbers k SET purposes = ARRAY(SELECT DISTINCT unnest(k.purposes || r.purposes) ORDER BY 1)
           WHERE k.id = ANY (kept) AND k.company_id = better AND k.purposes && r.purposes AND NOT k.purposes @> r.purposes
             AND NOT EXISTS (SELECT FROM company_numbers o WHERE o.id = ANY (kept) AND o.id <> k.id AND o.purposes && r.purposes);
        EXCEPTION WHEN exclusion_violation THEN
          NULL;  -- what it would gain was another's until now
        END;
      ELSE
        UPDATE company_numbers k SET kept_note = 'Another company had registered this number in another spelling. It stayed with yours, which has the better proof or had it first; theirs has ended.'
         WHERE k.id = ANY (kept) AND k.purposes && r.purposes;
      END IF;
      PERFORM mark_directory_dirty(r.company_id);
    END LOOP;
    FOR r IN SELECT * FROM company_numbers WHERE valid_to IS NULL AND e164(e164) = number LOOP
      BEGIN
        -- Nobody's calls of before become another's.
        UPDATE company_numbers n SET e164 = number, standing = CASE WHEN standing = 'final' OR number_proof(company_id, number) = 'unproven' THEN standing ELSE number_proof(company_id, number) END,
               valid_from = greatest(valid_from, (SELECT max(p.valid_to) FROM company_numbers p WHERE p.e164 = number AND p.id <> n.id AND p.is_active AND n.is_active AND p.purposes && n.purposes))
         WHERE n.company_id = r.company_id AND n.id = r.id AND n.e164 <> number;
      EXCEPTION WHEN exclusion_violation OR check_violation THEN
        UPDATE company_numbers SET valid_to = greatest(now(), valid_from), ended_note = 'It is the same number as ' || number || ', which cannot be this row''s too. Register it again (POST /api/v1/numbers).'
         WHERE company_id = r.company_id AND id = r.id;
      END;
      PERFORM mark_directory_dirty(r.company_id);
    END LOOP;
  END LOOP;
END $$;
ALTER TABLE company_numbers ENABLE TRIGGER company_numbers_claim, ENABLE TRIGGER company_numbers_changed,
  ADD CONSTRAINT company_numbers_callable CHECK (valid_to IS NOT NULL OR e164(e164) IS NOT DISTINCT FROM e164);
ALTER TABLE listed_numbers DROP CONSTRAINT listed_numbers_e164_check, ADD CONSTRAINT listed_numbers_callable CHECK (e164(e164) IS NOT DISTINCT FROM e164);

DO $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT c.id, c.call_provider, n AS number FROM companies c, LATERAL (SELECT DISTINCT unnest(ARRAY[e164(c.phone_number), e164(c.primary_tracking_number)])) AS named (n)
            WHERE c.status = 'active' AND n IS NOT NULL AND NOT EXISTS (SELECT FROM company_numbers o WHERE o.company_id = c.id AND o.e164 = n AND o.is_active AND o.valid_to IS NULL) ORDER BY c.created_at, c.id, n LOOP
    BEGIN
      INSERT INTO company_numbers (company_id, e164, provider, from_company, valid_from) VALUES (r.id, r.number, r.call_provider, true, number_free_since(r.number));
      CONTINUE;
    EXCEPTION WHEN exclusion_violation OR check_violation THEN
      NULL;
    END;
    UPDATE companies SET phone_number = CASE WHEN e164(phone_number) = r.number THEN NULL ELSE phone_number END,
           primary_tracking_number = CASE WHEN e164(primary_tracking_number) = r.number THEN NULL ELSE primary_tracking_number END WHERE id = r.id;
    INSERT INTO company_numbers (company_id, e164, provider, from_company, is_active, valid_from, valid_to, ended_note)
    SELECT r.id, r.number, r.call_provider, true, false, now(), now(),
           'A field of your company named this number, which another company has with better proof, or had first. If it is yours, set your CallRail API key (POST /api/v1/company/set-callrail-api-key/{id}) and register it again.'
     WHERE NOT EXISTS (SELECT FROM company_numbers o WHERE o.company_id = r.id AND e164(o.e164) = r.number AND o.ended_note IS NOT NULL);
    UPDATE company_numbers SET kept_note = coalesce(kept_note, 'A field of another company named this number in another spelling. It stayed with yours, which has the better proof or had it first.')
     WHERE e164 = r.number AND company_id <> r.id AND is_active AND valid_to IS NULL;
    PERFORM mark_directory_dirty(r.id);
  END LOOP;
END $$;
ALTER TABLE companies ENABLE TRIGGER companies_keep_numbers;
