-- Calls that nobody answered, by how they ended: a page of /api/aloha/calls?outcome=voicemail of a company that hardly gets any walked all of its calls. What is found by stands with the facts and not with
-- the calls: there an index by status would rule out each update of a call within its page, for the status changes with nearly every report. Here the column stays null for a call that is answered, as most
-- are, so its reports cost no more than before; one that ends missed or as a voicemail is written to two indexes then, as it is to call_facts_missed already.
-- Locks: `call_facts` altogether, and `calls` against writers, for as long as it takes to read the calls once.
SET LOCAL lock_timeout = '30s';
LOCK TABLE calls IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE call_facts ADD COLUMN unanswered text;  -- as call_unanswered() has it

-- How a call ended that nobody answered, whichever its direction: missed or voicemail; null: it was answered, or is not over.
CREATE FUNCTION call_unanswered(status text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN status IN ('missed', 'failed') THEN 'missed' WHEN status = 'voicemail' THEN 'voicemail' END $$;

CREATE OR REPLACE FUNCTION call_facts_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, unanswered, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, call_unanswered(c.status),
         CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM changed c;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION call_facts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE call_facts f SET happened_at = c.happened_at, lead_id = c.lead_id, owner_id = c.owner_id, inbound = c.direction = 'inbound', missed = c.missed_call, answered = c.answered,
         unanswered = call_unanswered(c.status),
         lead_state = CASE WHEN NOT c.missed_call THEN 0 WHEN f.missed AND f.lead_id = c.lead_id THEN f.lead_state
                           ELSE (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) END
    FROM changed c
   WHERE f.company_id = c.company_id AND f.call_id = c.call_id
     AND (f.happened_at <> c.happened_at OR f.missed <> c.missed_call OR f.answered <> c.answered OR f.lead_id <> c.lead_id OR f.owner_id IS DISTINCT FROM c.owner_id
          OR f.inbound <> (c.direction = 'inbound') OR f.unanswered IS DISTINCT FROM call_unanswered(c.status));
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION call_facts_rebuild() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE calls, leads, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM call_facts;
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, unanswered, analysed, booking_status, lead_quality, sop_compliance_score, sentiment_score, objections,
                          objection_count, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, call_unanswered(c.status), a.call_id IS NOT NULL, a.booking_status, a.lead_quality,
         a.sop_compliance_score, a.sentiment_score, objections_line(a.objections), CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM calls c LEFT JOIN analyses_as_corrected a ON a.company_id = c.company_id AND a.call_id = c.call_id
   ORDER BY c.company_id, c.happened_at;
END $$;

UPDATE call_facts f SET unanswered = call_unanswered(c.status)
  FROM calls c
 WHERE c.status IN ('missed', 'failed', 'voicemail') AND f.company_id = c.company_id AND f.call_id = c.call_id;
CREATE INDEX call_facts_unanswered ON call_facts (company_id, unanswered, happened_at, call_id) WHERE unanswered IS NOT NULL;
