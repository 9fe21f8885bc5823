-- What is to be done, and what the analyses of a lead's calls said. lead-pipeline is the sole writer, query-service reads.
-- Locks: `leads` exclusively for a moment, no rewrite.
CREATE TABLE tasks (
  company_id      text NOT NULL,
  id              uuid NOT NULL,
  description     text NOT NULL,
  assigned_to     text NOT NULL DEFAULT 'csr' CHECK (assigned_to IN ('csr', 'rep', 'manager', 'ai')),
  assignee_id     text,
  source          text NOT NULL DEFAULT 'manual' CHECK (source IN ('otto', 'shunya', 'manual')),
  action_type     text,
  due_at          timestamptz,
  status          text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'completed', 'overdue', 'cancelled')),
  priority        text NOT NULL DEFAULT 'medium' CHECK (priority IN ('high', 'medium', 'low')),
  contact_card_id uuid,
  lead_id         uuid,
  call_id         bigint,
  appointment_id  uuid,
  unique_key      text NOT NULL,                -- hex SHA-256 of source, call, action type, raw text: no task twice
  raw_text        text,                         -- Shunya's words
  contact_method  text,
  completed_at    timestamptz,
  completed_by    text,
  created_by      text,                         -- null: no person
  version         bigint NOT NULL DEFAULT 1,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE UNIQUE INDEX tasks_once ON tasks (company_id, unique_key);
CREATE INDEX tasks_list ON tasks (company_id, created_at DESC, id DESC);
CREATE INDEX tasks_due ON tasks (company_id, due_at, id);
CREATE INDEX tasks_lead ON tasks (company_id, lead_id);
CREATE INDEX tasks_contact ON tasks (company_id, contact_card_id);
CREATE INDEX tasks_call ON tasks (company_id, call_id);

-- The newest analysis of each call of a lead: its status is recomputed from all of them and the person's last edit.
CREATE TABLE call_verdicts (
  company_id            text NOT NULL,
  call_id               bigint NOT NULL,
  lead_id               uuid NOT NULL,
  booking_status        text,
  lead_quality          text,
  call_outcome_category text,
  call_started_at       timestamptz NOT NULL,
  received_at           timestamptz NOT NULL,
  version               bigint NOT NULL,
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);
CREATE INDEX call_verdicts_lead ON call_verdicts (company_id, lead_id);

ALTER TABLE leads ADD COLUMN edited_status text,           -- a person's word: it stands against analyses of calls that started before it
                  ADD COLUMN status_edited_at timestamptz,
                  ADD COLUMN status_edited_by text;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tasks', 'call_verdicts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY batch_companies ON %I TO otto_lead_pipeline USING ((company_id || '''') = ANY (otto_batch_companies()))', name);
    EXECUTE format('CREATE POLICY one_company ON %I TO otto_query_service USING (company_id = otto_request_company())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_lead_pipeline', name);
    EXECUTE format('GRANT SELECT ON %I TO otto_query_service', name);
  END LOOP;
END $$;
