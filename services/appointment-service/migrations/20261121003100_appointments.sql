-- Appointments. appointment-service is the sole writer, query-service reads. No locks: nothing exists yet.
CREATE TABLE appointments (
  company_id       text NOT NULL,
  id               uuid NOT NULL,
  lead_id          uuid NOT NULL,
  contact_card_id  uuid NOT NULL,
  call_id          bigint,                      -- the call that booked it; null: made by a person
  scheduled_start  timestamptz,
  scheduled_end    timestamptz,
  status           text NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'confirmed', 'completed', 'cancelled', 'no_show')),
  outcome          text NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'won', 'lost', 'no_show', 'rescheduled')),
  location_address text,
  service_type     text,
  appointment_type text,                        -- in-person, virtual, phone
  assigned_rep_id  text,
  needs_time       boolean NOT NULL DEFAULT false,  -- booked, but nobody said when
  deal_size_cents  bigint,
  notes            text,
  touched_by       text,                        -- the person who last changed it: no analysis changes it any more
  touched_at       timestamptz,
  analysis_version bigint NOT NULL DEFAULT 0,   -- of the analysis that it follows
  version          bigint NOT NULL DEFAULT 1,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  CHECK (needs_time = (scheduled_start IS NULL)),
  CHECK (scheduled_end IS NULL OR scheduled_end > scheduled_start)
);
-- Never two for one call.
CREATE UNIQUE INDEX appointments_call ON appointments (company_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX appointments_start ON appointments (company_id, scheduled_start, id);
CREATE INDEX appointments_lead ON appointments (company_id, lead_id);
CREATE INDEX appointments_contact ON appointments (company_id, contact_card_id);
CREATE INDEX appointments_rep ON appointments (company_id, assigned_rep_id, scheduled_start);
CREATE INDEX appointments_list ON appointments (company_id, created_at DESC, id DESC);

ALTER TABLE appointments ENABLE ROW LEVEL SECURITY;
ALTER TABLE appointments FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON appointments TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON appointments TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON appointments TO otto_appointment_service;
GRANT SELECT ON appointments TO otto_query_service;

-- Whose lead and which contact an appointment is for.
CREATE POLICY appointments_look ON leads FOR SELECT TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY appointments_look ON contact_cards FOR SELECT TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
GRANT SELECT ON leads, contact_cards TO otto_appointment_service;

-- The newest analysis of each call that was looked at, also where it booked nothing: an older one that comes late changes nothing.
CREATE TABLE appointment_verdicts (
  company_id text NOT NULL,
  call_id    bigint NOT NULL,
  version    bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);
ALTER TABLE appointment_verdicts ENABLE ROW LEVEL SECURITY;
ALTER TABLE appointment_verdicts FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON appointment_verdicts TO otto_appointment_service USING ((company_id || '') = ANY (otto_batch_companies()));
GRANT SELECT, INSERT, UPDATE, DELETE ON appointment_verdicts TO otto_appointment_service;
