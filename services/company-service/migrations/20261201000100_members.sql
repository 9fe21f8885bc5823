-- Who belongs to a company is what Clerk says, in whatever order it says it: rows keep Clerk's own time and refuse what is older, who is gone stays as a tombstone, and each change of role or status
-- has a version that otto.members tells. What Clerk calls a role may be none of ours: then it stands in role_unknown and opens nothing.
-- Locks: company_users and companies for moments (columns with constant defaults, triggers, a small index).
SET LOCAL lock_timeout = '5s';

ALTER TABLE company_users
  ALTER COLUMN role DROP NOT NULL,
  ADD COLUMN role_unknown       text CHECK (length(role_unknown) <= 200),  -- what Clerk calls it, where that is none of ours
  ADD COLUMN clerk_updated_at   bigint NOT NULL DEFAULT 0,                 -- ms: of the membership, by Clerk's clock; 0: Clerk has not told of it
  ADD COLUMN profile_updated_at bigint NOT NULL DEFAULT 0,                 -- ms: of e-mail and name
  ADD COLUMN removed_at         timestamptz,
  ADD COLUMN changed_at         timestamptz NOT NULL DEFAULT now(),        -- since when role and status are so, by Clerk's clock where it said
  ADD COLUMN version            bigint NOT NULL DEFAULT 1,                 -- rises with role and status
  ADD COLUMN told_version       bigint NOT NULL DEFAULT 0,                 -- the last that otto.members was told
  ADD COLUMN invitation_id      text,
  ADD COLUMN changing           jsonb;                                     -- what was asked of Clerk and is not known yet: {role?, status?, by, since}
ALTER TABLE company_users ADD CONSTRAINT company_users_role_or_word CHECK (role IS NOT NULL OR role_unknown IS NOT NULL) NOT VALID;
CREATE INDEX company_users_user ON company_users (id);
CREATE INDEX company_users_untold ON company_users (company_id) WHERE version > told_version;
UPDATE company_users SET removed_at = updated_at WHERE status = 'removed';

ALTER TABLE companies
  ADD COLUMN clerk_name       text,                       -- what the organisation was called at Clerk last
  ADD COLUMN clerk_updated_at bigint NOT NULL DEFAULT 0;

CREATE FUNCTION company_users_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.role, NEW.role_unknown, NEW.status) IS NOT DISTINCT FROM (OLD.role, OLD.role_unknown, OLD.status) THEN RETURN NEW; END IF;
    NEW.version := OLD.version + 1;
  END IF;
  NEW.changed_at := CASE WHEN NEW.clerk_updated_at > 0 AND (TG_OP = 'INSERT' OR NEW.clerk_updated_at > OLD.clerk_updated_at) THEN to_timestamp(NEW.clerk_updated_at / 1000.0) ELSE clock_timestamp() END;
  NEW.removed_at := CASE WHEN NEW.status = 'removed' THEN coalesce(NEW.removed_at, clock_timestamp()) END;
  RETURN NEW;
END $$;
CREATE TRIGGER company_users_version BEFORE INSERT OR UPDATE ON company_users FOR EACH ROW EXECUTE FUNCTION company_users_version();

-- Companies of which otto.members is behind. No tenant's data is in it, so it has no wall, as directory_state.
CREATE TABLE members_untold (
  company_id text PRIMARY KEY
);
GRANT SELECT, INSERT, UPDATE, DELETE ON members_untold TO otto_company_service, otto_numbers;
CREATE FUNCTION members_untold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- An update of what is there already holds off who takes it until this is committed.
  INSERT INTO members_untold SELECT DISTINCT company_id FROM changed WHERE version > told_version ORDER BY 1 ON CONFLICT (company_id) DO UPDATE SET company_id = excluded.company_id;
  IF FOUND THEN PERFORM pg_notify('otto_members', ''); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER members_untold_new AFTER INSERT ON company_users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION members_untold();
CREATE TRIGGER members_untold_changed AFTER UPDATE ON company_users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION members_untold();
INSERT INTO members_untold SELECT DISTINCT company_id FROM company_users;

-- Webhooks of Clerk's that were taken, by Svix's id: the same id again has no effect.
CREATE TABLE clerk_events (
  svix_id  text PRIMARY KEY,
  type     text NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX clerk_events_taken_at ON clerk_events (taken_at);
GRANT SELECT, INSERT, DELETE ON clerk_events TO otto_company_service;

-- Organisations and invitations that are over at Clerk: an older word of them does not bring them back.
CREATE TABLE clerk_tombstones (
  kind text NOT NULL CHECK (kind IN ('organization', 'invitation')),
  id   text NOT NULL,
  at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, id)
);
CREATE INDEX clerk_tombstones_at ON clerk_tombstones (at);
GRANT SELECT, INSERT, DELETE ON clerk_tombstones TO otto_company_service;

-- What Clerk said of a person beside the memberships, which may come before these: behind a wall without a door, for a person is no company's. Functions in the name of a role that nobody logs in as
-- write it, and tell of it what a company's own member is called.
CREATE TABLE clerk_users (
  id         text PRIMARY KEY,
  email      text,
  name       text,
  updated_at bigint NOT NULL,               -- ms; -1: nothing is known but that there are memberships
  gone       boolean NOT NULL DEFAULT false
);
ALTER TABLE clerk_users ENABLE ROW LEVEL SECURITY;
ALTER TABLE clerk_users FORCE ROW LEVEL SECURITY;
CREATE POLICY judged ON clerk_users TO otto_numbers USING (true);
GRANT SELECT, INSERT, UPDATE ON clerk_users TO otto_numbers;
CREATE POLICY judged ON company_users TO otto_numbers USING (true);
GRANT SELECT, UPDATE ON company_users TO otto_numbers;

-- A user was made, changed or deleted at Clerk: known for later memberships, and in all companies at once. Answers the companies in which something changed.
CREATE FUNCTION clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  INSERT INTO clerk_users AS k (id, email, name, updated_at, gone) VALUES (of_user, CASE WHEN NOT is_gone THEN new_email END, CASE WHEN NOT is_gone THEN new_name END, at_ms, is_gone)
  ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, updated_at = excluded.updated_at, gone = excluded.gone
   WHERE NOT k.gone AND (excluded.gone OR excluded.updated_at > k.updated_at);
  IF NOT FOUND THEN RETURN; END IF;
  IF is_gone THEN
    RETURN QUERY UPDATE company_users u SET status = 'removed', changing = NULL WHERE u.id = of_user AND u.status <> 'removed' RETURNING u.company_id;
  ELSE
    RETURN QUERY UPDATE company_users u SET email = new_email, name = new_name, profile_updated_at = at_ms
     WHERE u.id = of_user AND u.profile_updated_at < at_ms AND (u.email, u.name, u.profile_updated_at) IS DISTINCT FROM (new_email, new_name, at_ms) RETURNING u.company_id;
  END IF;
END $$;

-- What Clerk said of these people, of whom a company's memberships are told in this transaction; until it ends nobody else tells of them.
CREATE FUNCTION clerk_users_known(of_users text[]) RETURNS TABLE (id text, email text, name text, updated_at bigint, gone boolean) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- Whom nobody has told of yet gets a row too, so that a word of him that comes meanwhile waits for it, and finds the membership.
  INSERT INTO clerk_users (id, updated_at) SELECT DISTINCT u, -1 FROM unnest(of_users) u ORDER BY 1 ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT k.id, k.email, k.name, k.updated_at, k.gone FROM clerk_users k WHERE k.id = ANY (of_users) ORDER BY k.id FOR UPDATE;
END $$;

REVOKE EXECUTE ON FUNCTION clerk_user_changed(text, text, text, bigint, boolean), clerk_users_known(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clerk_user_changed(text, text, text, bigint, boolean), clerk_users_known(text[]) TO otto_company_service, otto_maintenance;
GRANT CREATE ON SCHEMA public TO otto_numbers;
ALTER FUNCTION clerk_user_changed(text, text, text, bigint, boolean) OWNER TO otto_numbers;
ALTER FUNCTION clerk_users_known(text[]) OWNER TO otto_numbers;
REVOKE CREATE ON SCHEMA public FROM otto_numbers;
