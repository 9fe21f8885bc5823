-- Who called and what came of it: contact cards, leads, calls. lead-pipeline is the sole writer, query-service reads.
-- Statuses are text with CHECK, not enum types: enum_eq is not leakproof, and under row-level security the planner then cannot use an index.
-- No locks: nothing exists yet.
CREATE TABLE contact_cards (
  company_id     text NOT NULL,
  id             uuid NOT NULL,
  primary_phone  text,                          -- null: a caller without a callable number
  first_name     text,
  last_name      text,
  address        text,
  city           text,
  state          text,
  merge_state    text NOT NULL DEFAULT '',      -- where each of the above comes from (contact.hpp)
  version        bigint NOT NULL DEFAULT 1,
  created_at     timestamptz NOT NULL DEFAULT now(),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE UNIQUE INDEX contact_cards_phone ON contact_cards (company_id, primary_phone) WHERE primary_phone IS NOT NULL;
CREATE INDEX contact_cards_list ON contact_cards (company_id, created_at DESC, id DESC);

CREATE TABLE leads (
  company_id        text NOT NULL,
  id                uuid NOT NULL,
  contact_card_id   uuid NOT NULL,
  status            text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'warm', 'hot', 'cold', 'qualified_booked', 'qualified_unbooked',
                      'qualified_service_not_offered', 'nurturing', 'dormant', 'abandoned', 'closed_won', 'closed_lost')),
  source            text,
  source_at         timestamptz,                -- of the call that the source comes from: the least (started_at, provider_call_id) counts
  source_call       text,
  pool_status       text NOT NULL DEFAULT 'in_pool' CHECK (pool_status IN ('in_pool', 'assigned', 'closed', 'archived')),
  assigned_rep_id   text,
  last_qualified_at timestamptz,
  last_contacted_at timestamptz,
  closed_at         timestamptz,
  version           bigint NOT NULL DEFAULT 1,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards (company_id, id)
);
-- One open lead a contact.
CREATE UNIQUE INDEX leads_one_open ON leads (company_id, contact_card_id) WHERE status NOT IN ('closed_won', 'closed_lost', 'abandoned');
CREATE INDEX leads_list ON leads (company_id, created_at DESC, id DESC);
CREATE INDEX leads_contact ON leads (company_id, contact_card_id);

-- Below 2^53, so that it survives JSON; Shunya needs an integer.
CREATE SEQUENCE call_id_seq AS bigint START 100001 MAXVALUE 9007199254740991 CACHE 32;

CREATE TABLE calls (
  company_id       text NOT NULL,
  call_id          bigint NOT NULL,
  provider         text NOT NULL,
  provider_call_id text NOT NULL,
  phone_number     text,                        -- the customer's, E.164 or as received
  tracking_number  text,
  direction        text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  status           text NOT NULL CHECK (status IN ('ringing', 'in_progress', 'completed', 'missed', 'voicemail', 'failed')),
  missed_call      boolean NOT NULL,
  answered         boolean NOT NULL,
  duration         integer,                     -- seconds
  recording_url    text,
  started_at       timestamptz,
  ended_at         timestamptz,
  contact_card_id  uuid NOT NULL,
  lead_id          uuid NOT NULL,
  owner_id         text,
  source           text,
  campaign         text,
  keywords         text,
  tags             text[] NOT NULL DEFAULT '{}',
  note             text,
  value            text,
  lead_status      text,                        -- the provider's own mark
  first_call       boolean,
  received_at      timestamptz NOT NULL,        -- of the first report
  merge_state      text NOT NULL,               -- which report each field comes from (call.hpp)
  version          bigint NOT NULL DEFAULT 1,
  traceparent      text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  happened_at      timestamptz GENERATED ALWAYS AS (coalesce(started_at, created_at)) STORED,
  PRIMARY KEY (company_id, call_id),
  UNIQUE (company_id, provider, provider_call_id),
  FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards (company_id, id),
  FOREIGN KEY (company_id, lead_id) REFERENCES leads (company_id, id)
);
CREATE INDEX calls_list ON calls (company_id, created_at DESC, call_id DESC);
CREATE INDEX calls_happened ON calls (company_id, happened_at DESC, call_id DESC);
CREATE INDEX calls_lead ON calls (company_id, lead_id);
CREATE INDEX calls_contact ON calls (company_id, contact_card_id);
CREATE INDEX calls_phone ON calls (company_id, phone_number);

-- Every id under which a provider speaks of a call (CallRail: resource_id and a number).
CREATE TABLE call_aliases (
  company_id text NOT NULL,
  provider   text NOT NULL,
  alias      text NOT NULL,
  call_id    bigint NOT NULL,
  PRIMARY KEY (company_id, provider, alias)
);
CREATE INDEX call_aliases_call ON call_aliases (company_id, call_id);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['contact_cards', 'leads', 'calls', 'call_aliases'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY batch_companies ON %I TO otto_lead_pipeline USING (company_id = ANY (otto_batch_companies()))', name);
    EXECUTE format('CREATE POLICY one_company ON %I TO otto_query_service USING (company_id = otto_request_company())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_lead_pipeline', name);
    EXECUTE format('GRANT SELECT ON %I TO otto_query_service', name);
  END LOOP;
END $$;
GRANT USAGE ON SEQUENCE call_id_seq TO otto_lead_pipeline;

-- Seed 003's name for calls.
CREATE VIEW call_logs WITH (security_invoker = true) AS
SELECT call_id AS id, company_id AS workspace_id, provider_call_id AS call_sid,
       CASE direction WHEN 'inbound' THEN tracking_number ELSE phone_number END AS to_number,
       CASE direction WHEN 'inbound' THEN phone_number ELSE tracking_number END AS from_number,
       direction, status, started_at, ended_at, duration AS duration_seconds, recording_url, missed_call, created_at, updated_at
  FROM calls;
GRANT SELECT ON call_logs TO otto_query_service;
