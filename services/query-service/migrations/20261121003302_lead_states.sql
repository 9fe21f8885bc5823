-- What missed calls came to without asking their leads one by one: 17,500 of them in a month took 100 ms, most of the answer. The facts of a missed call say what its lead is now, and
-- stand with that in the index by which they are found, which is then all that is read. What is kept of a call is put in another order besides: fixed lengths first and what is
-- counted most at the very front, since Postgres reads a row's columns from its beginning up to the last one that it needs, and texts and nulls are what slows that.
-- Who writes calls or a lead holds the customer's card, so a call and its lead's state do not miss each other. Only missed calls cost a look at their lead, and only a lead that
-- becomes booked, dead or pending again changes facts.
-- Locks: `call_facts` altogether, and `calls`, `leads`, `call_analyses` and `analysis_corrections` against writers, for as long as it takes to read them once and to index outbound calls.
SET LOCAL lock_timeout = '30s';
LOCK TABLE calls, leads, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;

DROP TABLE call_facts;
CREATE TABLE call_facts (
  happened_at          timestamptz NOT NULL,     -- of the call: when it started, else when it was first heard of
  call_id              bigint NOT NULL,
  lead_id              uuid NOT NULL,
  -- What is grouped by, in one number, for comparing texts would cost more than reading them: missed 1, answered 2, analysed 4, qualified 8; booked 16, not booked 32, service not offered 48.
  kind                 smallint NOT NULL GENERATED ALWAYS AS ((missed::int + 2 * answered::int + 4 * analysed::int + CASE WHEN lead_quality IN ('hot', 'warm', 'cold') THEN 8 ELSE 0 END
                         + CASE booking_status WHEN 'booked' THEN 16 WHEN 'not_booked' THEN 32 WHEN 'service_not_offered' THEN 48 ELSE 0 END)::smallint) STORED,
  lead_state           smallint NOT NULL DEFAULT 0,  -- of a missed call's lead, as lead_state() has it; 0 for every other call
  objection_count      smallint NOT NULL DEFAULT 0,
  inbound              boolean NOT NULL,
  missed               boolean NOT NULL,
  answered             boolean NOT NULL,
  analysed             boolean NOT NULL DEFAULT false,
  sop_compliance_score double precision,
  sentiment_score      double precision,
  owner_id             text,
  -- The objections of a qualified call that was not booked.
  reasons              text GENERATED ALWAYS AS (CASE WHEN booking_status = 'not_booked' AND lead_quality IN ('hot', 'warm', 'cold') THEN objections END) STORED,
  objections           text,                     -- key and label of each, sorted, between unit (U+001F) and record separators (U+001E); null: none
  company_id           text NOT NULL,
  booking_status       text,                     -- as corrected
  lead_quality         text,                     -- as corrected
  PRIMARY KEY (company_id, call_id)
) WITH (fillfactor = 80);
CREATE INDEX call_facts_happened ON call_facts (company_id, happened_at, call_id) WHERE inbound;
-- Of what it holds only the state changes once a call is known, and that seldom: no report of a call writes here that would not have without it.
CREATE INDEX call_facts_missed ON call_facts (company_id, happened_at) INCLUDE (lead_id, lead_state) WHERE inbound AND missed;
ALTER TABLE call_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_facts TO otto_lead_pipeline, otto_shunya_orchestrator USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON call_facts TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON call_facts TO otto_lead_pipeline;
GRANT SELECT, UPDATE ON call_facts TO otto_shunya_orchestrator;
GRANT SELECT ON call_facts TO otto_query_service;

-- Attempts to reach a lead after a missed call, without reading its calls.
CREATE INDEX calls_outbound ON calls (company_id, lead_id, happened_at) WHERE direction = 'outbound';

-- What has become of a lead whose call was missed: pending 0, booked 1, dead 2.
CREATE FUNCTION lead_state(status text) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (CASE WHEN status IN ('qualified_booked', 'closed_won') THEN 1 WHEN status IN ('closed_lost', 'abandoned') THEN 2 ELSE 0 END)::smallint $$;

CREATE OR REPLACE FUNCTION call_facts_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered,
         CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM changed c;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION call_facts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE call_facts f SET happened_at = c.happened_at, lead_id = c.lead_id, owner_id = c.owner_id, inbound = c.direction = 'inbound', missed = c.missed_call, answered = c.answered,
         lead_state = CASE WHEN NOT c.missed_call THEN 0 WHEN f.missed AND f.lead_id = c.lead_id THEN f.lead_state
                           ELSE (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) END
    FROM changed c
   WHERE f.company_id = c.company_id AND f.call_id = c.call_id
     AND (f.happened_at <> c.happened_at OR f.missed <> c.missed_call OR f.answered <> c.answered OR f.lead_id <> c.lead_id OR f.owner_id IS DISTINCT FROM c.owner_id
          OR f.inbound <> (c.direction = 'inbound'));
  RETURN NULL;
END $$;

CREATE FUNCTION call_facts_of_lead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Whoever is giving the lead a call at the moment, and holds it by the foreign key, is waited for.
  PERFORM FROM leads WHERE company_id = NEW.company_id AND id = NEW.id FOR UPDATE;
  UPDATE call_facts f SET lead_state = lead_state(NEW.status)
    FROM calls c
   WHERE c.company_id = NEW.company_id AND c.lead_id = NEW.id AND c.missed_call AND f.company_id = c.company_id AND f.call_id = c.call_id;
  RETURN NULL;
END $$;
CREATE TRIGGER call_facts_of_lead AFTER UPDATE ON leads FOR EACH ROW WHEN (lead_state(OLD.status) <> lead_state(NEW.status)) EXECUTE FUNCTION call_facts_of_lead();

CREATE OR REPLACE FUNCTION call_facts_rebuild() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE calls, leads, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM call_facts;
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, analysed, booking_status, lead_quality, sop_compliance_score, sentiment_score, objections, objection_count,
                          lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, a.call_id IS NOT NULL, a.booking_status, a.lead_quality,
         a.sop_compliance_score, a.sentiment_score, objections_line(a.objections), CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM calls c LEFT JOIN analyses_as_corrected a ON a.company_id = c.company_id AND a.call_id = c.call_id
   ORDER BY c.company_id, c.happened_at;
END $$;
SELECT call_facts_rebuild();
