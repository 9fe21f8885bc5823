-- People are called by their names wherever a row says whose it is, also in the answers to commands; and calls are found by the outcome that their analysis found and by what held customers back.
-- Services that answer with leads, tasks and appointments may so read what the company's people are called, behind the wall that they have on them already.
-- Locks: `call_facts` and what writes it (`call_analyses`, `analysis_corrections`) against writers while each analysed call's facts are written once.
SET LOCAL lock_timeout = '30s';
LOCK TABLE call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;

GRANT SELECT (name) ON company_users TO otto_lead_pipeline;
GRANT SELECT (name, email) ON company_users TO otto_appointment_service;

CREATE OR REPLACE VIEW analyses_as_corrected WITH (security_invoker = true) AS
SELECT a.company_id, a.call_id,
       CASE WHEN b.id IS NULL THEN a.booking_status ELSE b.value END AS booking_status,
       CASE WHEN q.id IS NULL THEN a.lead_quality ELSE q.value END AS lead_quality,
       a.objections, a.sop_compliance_score, a.sentiment_score,
       CASE WHEN o.id IS NULL THEN a.call_outcome_category ELSE o.value END AS call_outcome_category
  FROM call_analyses a
  LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = a.company_id AND call_id = a.call_id AND field = 'booking_status' ORDER BY id DESC LIMIT 1) b ON true
  LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = a.company_id AND call_id = a.call_id AND field = 'lead_quality' ORDER BY id DESC LIMIT 1) q ON true
  LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = a.company_id AND call_id = a.call_id AND field = 'call_outcome_category' ORDER BY id DESC LIMIT 1) o ON true;

ALTER TABLE call_facts ADD COLUMN outcome text;  -- call_outcome_category, as corrected

CREATE OR REPLACE FUNCTION call_facts_analysed(of_company text, of_call bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM call_facts WHERE company_id = of_company AND call_id = of_call FOR UPDATE;
  UPDATE call_facts f
     SET analysed = a.call_id IS NOT NULL, booking_status = a.booking_status, lead_quality = a.lead_quality, sop_compliance_score = a.sop_compliance_score, sentiment_score = a.sentiment_score,
         objections = objections_line(a.objections), objection_count = CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         outcome = a.call_outcome_category
    FROM (SELECT) one LEFT JOIN analyses_as_corrected a ON a.company_id = of_company AND a.call_id = of_call
   WHERE f.company_id = of_company AND f.call_id = of_call;
END $$;

CREATE OR REPLACE FUNCTION call_facts_rebuild() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE calls, leads, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM call_facts;
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, unanswered, analysed, booking_status, lead_quality, sop_compliance_score, sentiment_score, objections,
                          objection_count, outcome, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, call_unanswered(c.status), a.call_id IS NOT NULL, a.booking_status, a.lead_quality,
         a.sop_compliance_score, a.sentiment_score, objections_line(a.objections), CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         a.call_outcome_category, CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM calls c LEFT JOIN analyses_as_corrected a ON a.company_id = c.company_id AND a.call_id = c.call_id
   ORDER BY c.company_id, c.happened_at;
END $$;

UPDATE call_facts f SET outcome = a.call_outcome_category
  FROM analyses_as_corrected a
 WHERE a.call_outcome_category IS NOT NULL AND f.company_id = a.company_id AND f.call_id = a.call_id;

-- How an objection stands among the objections of a call's facts, each of which begins with U+001E when one is put in front of them all.
CREATE FUNCTION objection_pattern(key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT E'%\x1e' || replace(replace(replace(translate(key, E'\x1e\x1f', ''), '\', '\\'), '%', '\%'), '_', '\_') || E'\x1f%' $$;
