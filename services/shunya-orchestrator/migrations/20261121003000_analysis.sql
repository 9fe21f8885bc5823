-- Recordings, the jobs that Shunya does on them, and what it found. shunya-orchestrator is the sole writer, query-service reads.
-- No locks: nothing exists yet.
CREATE TABLE recordings (
  company_id  text NOT NULL,
  id          uuid NOT NULL,
  call_id     bigint,
  session_id  uuid,                             -- of a visit, instead of a call
  source_url  text,                             -- where the provider has it
  object_key  text,
  format      text,                             -- mp3, wav
  bytes       bigint,
  sha256      text,
  duration    integer,                          -- seconds
  status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'stored', 'unavailable', 'manual_review')),
  attempts    integer NOT NULL DEFAULT 0,
  error       text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE UNIQUE INDEX recordings_call ON recordings (company_id, call_id) WHERE call_id IS NOT NULL;

CREATE TABLE shunya_jobs (
  company_id            text NOT NULL,
  id                    uuid NOT NULL,          -- the intent: a repeat carries the same key
  step                  text NOT NULL CHECK (step IN ('transcription', 'analysis')),
  job_type              text NOT NULL CHECK (job_type IN ('csr_call', 'sales_visit', 'voicemail', 'document')),
  job_status            text NOT NULL DEFAULT 'pending' CHECK (job_status IN ('pending', 'running', 'succeeded', 'failed', 'timeout')),
  shunya_job_id         text,
  call_id               bigint,
  retry_count           integer NOT NULL DEFAULT 0,
  error_message         text,
  processed_output_hash text,
  next_retry_at         timestamptz,
  posted_at             timestamptz,            -- since when Shunya may know of it: from then on it is asked before anything is posted again
  started_at            timestamptz,
  finished_at           timestamptz,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE UNIQUE INDEX shunya_jobs_call ON shunya_jobs (company_id, call_id, step) WHERE call_id IS NOT NULL;
CREATE INDEX shunya_jobs_theirs ON shunya_jobs (company_id, shunya_job_id);

CREATE TABLE call_transcripts (
  company_id       text NOT NULL,
  call_id          bigint NOT NULL,
  transcript_text  text NOT NULL,
  speaker_labels   jsonb NOT NULL DEFAULT '[]',
  confidence_score double precision,
  language         text,
  word_count       integer,
  received_at      timestamptz NOT NULL,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);

CREATE TABLE call_analyses (
  company_id            text NOT NULL,
  call_id               bigint NOT NULL,
  booking_status        text,                   -- booked, not_booked, service_not_offered; another word of Shunya's is kept as it is
  lead_quality          text,                   -- hot, warm, cold, unqualified; likewise
  call_outcome_category text,
  objections            jsonb NOT NULL DEFAULT '[]',  -- [{"key","label","objection_text","overcome","severity",…}]
  sop_compliance_score  double precision,       -- 0–10; Shunya's 0–1 times ten
  sentiment_score       double precision,       -- as sent
  entities              jsonb NOT NULL DEFAULT '{}',
  summary               text,
  provider              text NOT NULL DEFAULT 'shunya',
  model_version         text,
  raw                   jsonb NOT NULL,         -- Shunya's answer, whole
  unknown_values        text[] NOT NULL DEFAULT '{}',  -- "booking_status=maybe": reported, never dropped
  received_at           timestamptz NOT NULL,
  version               bigint NOT NULL DEFAULT 1,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, call_id)
);

-- What people say against the machine: it wins, and the machine's value stays in call_analyses.raw. The newest of a field counts.
CREATE TABLE analysis_corrections (
  company_id   text NOT NULL,
  id           bigint GENERATED ALWAYS AS IDENTITY,
  call_id      bigint NOT NULL,
  field        text NOT NULL CHECK (field IN ('booking_status', 'lead_quality', 'call_outcome_category', 'summary', 'appointment_date', 'service_type', 'address')),
  value        text,
  former_value text,
  user_id      text NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
CREATE INDEX analysis_corrections_call ON analysis_corrections (company_id, call_id, id);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['recordings', 'shunya_jobs', 'call_transcripts', 'call_analyses', 'analysis_corrections'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY batch_companies ON %I TO otto_shunya_orchestrator USING ((company_id || '''') = ANY (otto_batch_companies()))', name);
    EXECUTE format('CREATE POLICY one_company ON %I TO otto_query_service USING (company_id = otto_request_company())', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_shunya_orchestrator', name);
    EXECUTE format('GRANT SELECT ON %I TO otto_query_service', name);
  END LOOP;
END $$;
REVOKE UPDATE, DELETE ON analysis_corrections FROM otto_shunya_orchestrator;
