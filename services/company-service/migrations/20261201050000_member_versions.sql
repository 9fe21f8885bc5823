-- Versions of members follow the clock, as those of companies do: a database that was restored to an earlier moment tells what changes in it under versions above those that it told before. What
-- otto.members has otherwise than the rows is found by one number a company, which tells nothing else of anybody.
-- Locks: none that anybody waits for (functions).
CREATE OR REPLACE FUNCTION company_users_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.role, NEW.role_unknown, NEW.status) IS NOT DISTINCT FROM (OLD.role, OLD.role_unknown, OLD.status) THEN RETURN NEW; END IF;
    NEW.version := greatest(OLD.version + 1, now_ms);
  ELSE
    NEW.version := greatest(NEW.version, now_ms);
  END IF;
  NEW.changed_at := CASE WHEN NEW.clerk_updated_at > 0 AND (TG_OP = 'INSERT' OR NEW.clerk_updated_at > OLD.clerk_updated_at) THEN to_timestamp(NEW.clerk_updated_at / 1000.0) ELSE clock_timestamp() END;
  NEW.removed_at := CASE WHEN NEW.status = 'removed' THEN coalesce(NEW.removed_at, clock_timestamp()) END;
  RETURN NEW;
END $$;

-- Of each company whose members have all been told: how many they are, and their versions in one number.
CREATE FUNCTION member_sums() RETURNS TABLE(company_id text, members bigint, versions bigint) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT u.company_id, count(*), bit_xor(u.version) FROM company_users u
   WHERE u.status <> 'invited' AND NOT EXISTS (SELECT FROM members_untold m WHERE m.company_id = u.company_id) GROUP BY u.company_id
$$;
REVOKE EXECUTE ON FUNCTION member_sums() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION member_sums() TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION member_sums() OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
