-- What the dashboards count, one narrow row a call: figures over a month of 150,000 calls are one walk along one index, and neither calls (wide rows) nor analyses (documents)
-- are read for them. Triggers keep it: those on `calls` once a statement, for lead-pipeline writes calls by the hundred; those on analyses and corrections by row, for they
-- are rare. Both sides change the same row, so whoever comes second waits for the first and sees what it did.
-- Locks: `calls`, `call_analyses` and `analysis_corrections` against writers for as long as it takes to read them once.
SET LOCAL lock_timeout = '30s';
LOCK TABLE calls, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;

-- Analyses as they count: a person's word before the machine's, field by field, the newest first. A correction without a value says that there is none.
CREATE VIEW analyses_as_corrected WITH (security_invoker = true) AS
SELECT a.company_id, a.call_id,
       CASE WHEN b.id IS NULL THEN a.booking_status ELSE b.value END AS booking_status,
       CASE WHEN q.id IS NULL THEN a.lead_quality ELSE q.value END AS lead_quality,
       a.objections, a.sop_compliance_score, a.sentiment_score
  FROM call_analyses a
  LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = a.company_id AND call_id = a.call_id AND field = 'booking_status' ORDER BY id DESC LIMIT 1) b ON true
  LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = a.company_id AND call_id = a.call_id AND field = 'lead_quality' ORDER BY id DESC LIMIT 1) q ON true;

CREATE TABLE call_facts (
  company_id           text NOT NULL,
  call_id              bigint NOT NULL,
  happened_at          timestamptz NOT NULL,     -- of the call: when it started, else when it was first heard of
  lead_id              uuid NOT NULL,
  owner_id             text,
  inbound              boolean NOT NULL,
  missed               boolean NOT NULL,
  answered             boolean NOT NULL,
  analysed             boolean NOT NULL DEFAULT false,
  booking_status       text,                     -- as corrected
  lead_quality         text,                     -- as corrected
  objection_count      smallint NOT NULL DEFAULT 0,
  sop_compliance_score double precision,
  sentiment_score      double precision,
  objections           text,                     -- key and label of each, sorted, between unit (U+001F) and record separators (U+001E); null: none
  -- What is grouped by, in one number, for comparing texts would cost more than reading them: missed 1, answered 2, analysed 4, qualified 8; booked 16, not booked 32, service not offered 48.
  kind                 smallint NOT NULL GENERATED ALWAYS AS ((missed::int + 2 * answered::int + 4 * analysed::int + CASE WHEN lead_quality IN ('hot', 'warm', 'cold') THEN 8 ELSE 0 END
                         + CASE booking_status WHEN 'booked' THEN 16 WHEN 'not_booked' THEN 32 WHEN 'service_not_offered' THEN 48 ELSE 0 END)::smallint) STORED,
  -- The objections of a qualified call that was not booked.
  reasons              text GENERATED ALWAYS AS (CASE WHEN booking_status = 'not_booked' AND lead_quality IN ('hot', 'warm', 'cold') THEN objections END) STORED,
  PRIMARY KEY (company_id, call_id)
) WITH (fillfactor = 80);
CREATE INDEX call_facts_happened ON call_facts (company_id, happened_at, call_id) WHERE inbound;
CREATE INDEX call_facts_missed ON call_facts (company_id, happened_at) WHERE inbound AND missed;
ALTER TABLE call_facts ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_facts FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_facts TO otto_lead_pipeline, otto_shunya_orchestrator USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON call_facts TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON call_facts TO otto_lead_pipeline;
GRANT SELECT, UPDATE ON call_facts TO otto_shunya_orchestrator;
GRANT SELECT ON call_facts TO otto_query_service;
GRANT SELECT ON analyses_as_corrected TO otto_shunya_orchestrator, otto_query_service;

-- "price␟Price/Budget␞timing␟Timing"; a key once for each time that it was raised.
CREATE FUNCTION objections_line(objections jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT string_agg(translate(o.key, E'\x1e\x1f', '') || E'\x1f' || translate(o.label, E'\x1e\x1f', ''), E'\x1e' ORDER BY o.key, o.label)
  FROM (SELECT coalesce(nullif(e ->> 'key', ''), nullif(e ->> 'label', ''), 'other') AS key, coalesce(nullif(e ->> 'label', ''), nullif(e ->> 'key', ''), 'Other') AS label
          FROM jsonb_array_elements(CASE jsonb_typeof(objections) WHEN 'array' THEN objections ELSE '[]' END) e) o
$$;

CREATE FUNCTION call_facts_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered)
  SELECT company_id, call_id, happened_at, lead_id, owner_id, direction = 'inbound', missed_call, answered FROM changed;
  RETURN NULL;
END $$;

CREATE FUNCTION call_facts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE call_facts f SET happened_at = c.happened_at, lead_id = c.lead_id, owner_id = c.owner_id, inbound = c.direction = 'inbound', missed = c.missed_call, answered = c.answered
    FROM changed c
   WHERE f.company_id = c.company_id AND f.call_id = c.call_id
     AND (f.happened_at <> c.happened_at OR f.missed <> c.missed_call OR f.answered <> c.answered OR f.lead_id <> c.lead_id OR f.owner_id IS DISTINCT FROM c.owner_id
          OR f.inbound <> (c.direction = 'inbound'));
  RETURN NULL;
END $$;

CREATE FUNCTION call_facts_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM call_facts f USING changed c WHERE f.company_id = c.company_id AND f.call_id = c.call_id;
  RETURN NULL;
END $$;

CREATE TRIGGER call_facts_added AFTER INSERT ON calls REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_added();
CREATE TRIGGER call_facts_changed AFTER UPDATE ON calls REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_changed();
CREATE TRIGGER call_facts_removed AFTER DELETE ON calls REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_removed();

-- What is known of a call's analysis now. The row is locked first and everything read after that: of an analysis and a correction that come together the second one sees both.
CREATE FUNCTION call_facts_analysed(of_company text, of_call bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM call_facts WHERE company_id = of_company AND call_id = of_call FOR UPDATE;
  UPDATE call_facts f
     SET analysed = a.call_id IS NOT NULL, booking_status = a.booking_status, lead_quality = a.lead_quality, sop_compliance_score = a.sop_compliance_score, sentiment_score = a.sentiment_score,
         objections = objections_line(a.objections), objection_count = CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END
    FROM (SELECT) one LEFT JOIN analyses_as_corrected a ON a.company_id = of_company AND a.call_id = of_call
   WHERE f.company_id = of_company AND f.call_id = of_call;
END $$;

CREATE FUNCTION call_facts_on_analysis() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    PERFORM call_facts_analysed(OLD.company_id, OLD.call_id);
  ELSE
    PERFORM call_facts_analysed(NEW.company_id, NEW.call_id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER call_facts_on_analysis AFTER INSERT OR UPDATE OR DELETE ON call_analyses FOR EACH ROW EXECUTE FUNCTION call_facts_on_analysis();
CREATE TRIGGER call_facts_on_correction AFTER INSERT OR UPDATE OR DELETE ON analysis_corrections FOR EACH ROW EXECUTE FUNCTION call_facts_on_analysis();

-- Makes all of them anew: here, after calls were loaded without triggers, and for an operator who doubts. Needs to see all rows.
CREATE FUNCTION call_facts_rebuild() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE calls, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM call_facts;
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, analysed, booking_status, lead_quality, sop_compliance_score, sentiment_score, objections, objection_count)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, a.call_id IS NOT NULL, a.booking_status, a.lead_quality,
         a.sop_compliance_score, a.sentiment_score, objections_line(a.objections), CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END
    FROM calls c LEFT JOIN analyses_as_corrected a ON a.company_id = c.company_id AND a.call_id = c.call_id
   ORDER BY c.company_id, c.happened_at;
END $$;
REVOKE EXECUTE ON FUNCTION call_facts_rebuild() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION call_facts_rebuild() TO otto_maintenance;
SELECT call_facts_rebuild();
