-- What tenant-router keeps: events that nobody owns yet, which company a provider's call went to, and numbers seen in proven webhooks that nobody
-- registered. held_events and provider_calls are listed exceptions from row-level security: their rows have no owner yet, or are looked up to find it;
-- only this service and operators read them. No locks: nothing exists yet.
CREATE TABLE held_events (
  event_id          uuid PRIMARY KEY,
  provider          text NOT NULL,
  kind              text NOT NULL,
  reason            text NOT NULL,              -- "No company found for tracking number +1…"
  cure              text NOT NULL,
  number            text,
  verdict           text NOT NULL CHECK (verdict IN ('authentic', 'open', 'unsigned')),
  proven_company_id text,
  request_target    text NOT NULL,
  content_type      text NOT NULL,
  signature_headers jsonb NOT NULL,
  raw_body          bytea NOT NULL,
  record            bytea NOT NULL,             -- the event as it stood on otto.inbound, to go on from here
  traceparent       text,
  received_at       timestamptz NOT NULL,
  held_at           timestamptz NOT NULL DEFAULT now(),
  released_at       timestamptz,
  released_to       text
);
CREATE INDEX held_events_waiting ON held_events (received_at, event_id) WHERE released_at IS NULL;

CREATE TABLE provider_calls (
  provider         text NOT NULL,
  provider_call_id text NOT NULL,
  company_id       text NOT NULL,
  phone            text NOT NULL,
  seen_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, provider_call_id, company_id)
);

CREATE TABLE seen_numbers (
  company_id    text NOT NULL,
  e164          text NOT NULL,
  provider      text NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at  timestamptz NOT NULL,
  PRIMARY KEY (company_id, e164)
);
ALTER TABLE seen_numbers ENABLE ROW LEVEL SECURITY;
ALTER TABLE seen_numbers FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON seen_numbers TO otto_tenant_router USING (company_id = ANY (otto_batch_companies()));
CREATE POLICY one_company ON seen_numbers TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON seen_numbers, held_events, provider_calls TO otto_tenant_router;
GRANT SELECT ON seen_numbers TO otto_query_service;
