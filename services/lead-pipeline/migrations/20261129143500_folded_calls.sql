-- Which rows proved to be a call that had one already, and what they went into: whatever still speaks of them (an analysis that was on its way, a link that somebody kept) is meant for that one.
-- lead-pipeline is the sole writer, query-service reads. No locks: nothing exists yet.
CREATE TABLE folded_calls (
  company_id text NOT NULL,
  from_id    bigint NOT NULL,                     -- calls.call_id, as it was
  into_id    bigint NOT NULL,                     -- calls.call_id; where that one went into another in turn, the last one
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, from_id),
  CHECK (into_id < from_id)
);
CREATE INDEX folded_calls_into ON folded_calls (company_id, into_id);
ALTER TABLE folded_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE folded_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON folded_calls TO otto_lead_pipeline USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON folded_calls TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON folded_calls TO otto_lead_pipeline;
GRANT SELECT ON folded_calls TO otto_query_service;
