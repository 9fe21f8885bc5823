-- Companies, the numbers that route to them, their users. company-service is the sole writer; query-service reads all but the sealed secrets.
-- No locks: nothing exists yet.
CREATE TABLE companies (
  id                             text PRIMARY KEY CHECK (id <> '' AND id !~ '[,\s]'),  -- = Clerk organisation id
  name                           text NOT NULL,
  phone_number                   text,
  primary_tracking_number        text,
  address                        text,
  timezone                       text NOT NULL DEFAULT 'America/New_York',
  call_provider                  text NOT NULL DEFAULT 'callrail' CHECK (call_provider IN ('callrail', 'twilio')),
  callrail_account_id            text,
  callrail_company_id            text,
  callrail_api_key               text,          -- sealed
  callrail_api_key_last4         text,
  callrail_signing_key           text,          -- sealed
  callrail_signing_key_last4     text,
  callrail_signing_key_explicit  boolean NOT NULL DEFAULT false,  -- given by a person: what CallRail's API says does not replace it
  callrail_signing_key_former    text,          -- sealed; valid until …_until, so that a rotation loses nothing
  callrail_signing_key_former_until timestamptz,
  twilio_account_sid             text,
  twilio_auth_token              text,          -- sealed
  twilio_auth_token_last4        text,
  onboarding_step                text NOT NULL DEFAULT 'company_created',
  onboarding_completed           boolean NOT NULL DEFAULT false,
  status                         text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  service_area                   jsonb,
  call_flow                      jsonb,
  workflow_config                jsonb,
  created_at                     timestamptz NOT NULL DEFAULT now(),
  updated_at                     timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER companies_touch BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION otto_touch();

CREATE TABLE company_numbers (
  company_id        text NOT NULL,
  id                uuid NOT NULL DEFAULT gen_random_uuid(),
  e164              text NOT NULL CHECK (e164 = e164(e164)),
  purposes          text[] NOT NULL DEFAULT '{voice,text}' CHECK (purposes <@ '{voice,text}' AND cardinality(purposes) > 0),
  provider          text NOT NULL DEFAULT 'callrail' CHECK (provider IN ('callrail', 'twilio')),
  provider_sid      text,
  user_id           text,                       -- seed 003: whose number it is
  is_active         boolean NOT NULL DEFAULT true,
  voicemail_enabled boolean NOT NULL DEFAULT true,
  from_company      boolean NOT NULL DEFAULT false,  -- stands because companies.phone_number or primary_tracking_number names it
  valid_from        timestamptz NOT NULL,
  valid_to          timestamptz,                -- null: until further notice
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from),
  -- No two companies own one number for one purpose at one moment.
  CONSTRAINT company_numbers_voice_owner EXCLUDE USING gist (e164 WITH =, tstzrange(valid_from, valid_to) WITH &&) WHERE (is_active AND 'voice' = ANY (purposes)),
  CONSTRAINT company_numbers_text_owner EXCLUDE USING gist (e164 WITH =, tstzrange(valid_from, valid_to) WITH &&) WHERE (is_active AND 'text' = ANY (purposes))
);
CREATE TRIGGER company_numbers_touch BEFORE UPDATE ON company_numbers FOR EACH ROW EXECUTE FUNCTION otto_touch();

-- Since when a number is free: nobody's name in it. A number never claimed before is its first owner's since ever, so that what came before the
-- claim and was held can flow; a released one is its next owner's since the release.
CREATE TABLE number_releases (
  e164        text PRIMARY KEY,
  released_at timestamptz NOT NULL
);

-- Which companies the directory topic is behind with. `version` rises with every change.
CREATE TABLE directory_state (
  company_id text PRIMARY KEY,
  version    bigint NOT NULL DEFAULT 1,
  dirty      boolean NOT NULL DEFAULT true
);
CREATE INDEX directory_state_dirty ON directory_state (company_id) WHERE dirty;

CREATE FUNCTION mark_directory_dirty(of_company text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO directory_state (company_id) VALUES (of_company)
  ON CONFLICT (company_id) DO UPDATE SET version = directory_state.version + 1, dirty = true;
  SELECT pg_notify('otto_directory', '');
$$;

CREATE FUNCTION number_free_since(number text) RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT coalesce((SELECT released_at FROM number_releases WHERE e164 = number), '-infinity') $$;

-- companies.phone_number and primary_tracking_number keep company_numbers: what they name is registered for both purposes, what neither names any
-- more is released. So a direct UPDATE routes too (seed 001 §2.2).
CREATE FUNCTION companies_keep_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  named text[] := ARRAY(SELECT DISTINCT n FROM unnest(ARRAY[e164(NEW.phone_number), e164(NEW.primary_tracking_number)]) n WHERE n IS NOT NULL ORDER BY n);
BEGIN
  IF NEW.status <> 'active' THEN named := '{}'; END IF;
  UPDATE company_numbers SET valid_to = greatest(now(), valid_from)
   WHERE company_id = NEW.id AND from_company AND is_active AND valid_to IS NULL AND e164 <> ALL (named);
  INSERT INTO company_numbers (company_id, e164, provider, from_company, valid_from)
  SELECT NEW.id, n, NEW.call_provider, true, number_free_since(n) FROM unnest(named) n
   WHERE NOT EXISTS (SELECT FROM company_numbers c WHERE c.company_id = NEW.id AND c.e164 = n AND c.is_active AND c.valid_to IS NULL);
  PERFORM mark_directory_dirty(NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER companies_keep_numbers AFTER INSERT OR UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION companies_keep_numbers();

CREATE FUNCTION company_numbers_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM mark_directory_dirty(NEW.company_id); RETURN NULL; END IF;
  IF OLD.is_active AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS NOT NULL) THEN
    INSERT INTO number_releases VALUES (OLD.e164, CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN NEW.valid_to ELSE now() END)
    ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
  END IF;
  PERFORM mark_directory_dirty(OLD.company_id);
  RETURN NULL;
END $$;
CREATE TRIGGER company_numbers_changed AFTER INSERT OR UPDATE OR DELETE ON company_numbers FOR EACH ROW EXECUTE FUNCTION company_numbers_changed();

CREATE TABLE company_users (
  company_id text NOT NULL,
  id         text NOT NULL,                     -- = Clerk user id
  email      text,
  name       text,
  role       text NOT NULL CHECK (role IN ('csr', 'sales_rep', 'manager', 'executive')),
  status     text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'invited', 'removed')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE TRIGGER company_users_touch BEFORE UPDATE ON company_users FOR EACH ROW EXECUTE FUNCTION otto_touch();

CREATE TABLE audit_log (
  company_id text NOT NULL,
  id         bigint GENERATED ALWAYS AS IDENTITY,
  at         timestamptz NOT NULL DEFAULT now(),
  user_id    text NOT NULL,
  action     text NOT NULL,
  target     text NOT NULL,
  detail     jsonb NOT NULL DEFAULT '{}',       -- names of what changed; never a secret
  PRIMARY KEY (company_id, id)
);

-- Walls. directory_state and number_releases are listed exceptions: no company's data stands in them, and only their owner reads them.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['company_numbers', 'company_users', 'audit_log'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY one_company ON %I TO otto_company_service, otto_query_service USING (company_id = otto_request_company())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_company_service', name);
    EXECUTE format('GRANT SELECT ON %I TO otto_query_service', name);
  END LOOP;
END $$;
REVOKE UPDATE, DELETE ON audit_log FROM otto_company_service;
ALTER TABLE companies ENABLE ROW LEVEL SECURITY;
ALTER TABLE companies FORCE ROW LEVEL SECURITY;
CREATE POLICY one_company ON companies TO otto_company_service, otto_query_service USING (id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON companies TO otto_company_service;
GRANT SELECT (id, name, phone_number, primary_tracking_number, address, timezone, call_provider, callrail_account_id, callrail_company_id,
              callrail_api_key_last4, callrail_signing_key_last4, callrail_signing_key_explicit, callrail_signing_key_former_until,
              twilio_account_sid, twilio_auth_token_last4, onboarding_step, onboarding_completed, status, service_area, call_flow, workflow_config,
              created_at, updated_at) ON companies TO otto_query_service;
GRANT SELECT, INSERT, UPDATE ON directory_state TO otto_company_service;
GRANT SELECT, INSERT, UPDATE ON number_releases TO otto_company_service;

-- Seed 002's name for a company.
CREATE VIEW offices WITH (security_invoker = true) AS
SELECT id AS tenant_id, id, name, phone_number, address, timezone, callrail_company_id, callrail_account_id, callrail_api_key, workflow_config, status, created_at, updated_at
  FROM companies;

-- Seed 003's name for a number, with its INSERT.
CREATE VIEW user_phone_numbers WITH (security_invoker = true) AS
SELECT id, company_id AS workspace_id, user_id, e164 AS phone_number, provider_sid AS twilio_phone_sid, is_active, voicemail_enabled, created_at, updated_at
  FROM company_numbers WHERE provider = 'twilio';
CREATE FUNCTION user_phone_numbers_insert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE number text := e164(NEW.phone_number);
BEGIN
  IF number IS NULL THEN RAISE EXCEPTION 'phone_number "%" is no callable number', NEW.phone_number USING HINT = 'write it in E.164: +15551234567'; END IF;
  INSERT INTO company_numbers (company_id, id, e164, provider, provider_sid, user_id, is_active, voicemail_enabled, valid_from)
  VALUES (NEW.workspace_id, coalesce(NEW.id, gen_random_uuid()), number, 'twilio', NEW.twilio_phone_sid, NEW.user_id,
          coalesce(NEW.is_active, true), coalesce(NEW.voicemail_enabled, true), number_free_since(number))
  RETURNING id, created_at, updated_at INTO NEW.id, NEW.created_at, NEW.updated_at;
  RETURN NEW;
END $$;
CREATE TRIGGER user_phone_numbers_insert INSTEAD OF INSERT ON user_phone_numbers FOR EACH ROW EXECUTE FUNCTION user_phone_numbers_insert();
