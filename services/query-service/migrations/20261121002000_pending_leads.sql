-- How many open leads of each company wait in the pool, without counting them: a company of half a million calls has a hundred thousand of them, and every
-- look at the dashboard asks. The figure is the sum of a company's rows here: each statement on `leads` adds what it changed, and now and then folds what
-- is there into one row. Only rows are added and whole rows taken away, never one raised: two transactions on leads of one company do not wait for each other.
-- Locks: `leads` exclusively for as long as it takes to count it once.
LOCK TABLE leads IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE pending_leads (
  company_id text    NOT NULL,
  id         bigint  GENERATED ALWAYS AS IDENTITY,
  pending    integer NOT NULL,                    -- may be negative
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id)
);
ALTER TABLE pending_leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE pending_leads FORCE ROW LEVEL SECURITY;
-- No condition that an index could serve: rows are found by their company, and of a company that is new the planner would believe that it has one row.
CREATE POLICY batch_companies ON pending_leads TO otto_lead_pipeline
  USING (position(',' || company_id || ',' IN ',' || current_setting('otto.company_ids', true) || ',') > 0);
CREATE POLICY one_company ON pending_leads TO otto_query_service USING (company_id = otto_request_company());
-- UPDATE: nothing is ever updated, but only who may update may lock.
GRANT SELECT, INSERT, UPDATE, DELETE ON pending_leads TO otto_lead_pipeline;
GRANT SELECT ON pending_leads TO otto_query_service;

-- The dashboard's "pending": in the pool, and open.
CREATE FUNCTION lead_is_pending(status text, pool_status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT pool_status = 'in_pool' AND status NOT IN ('closed_won', 'closed_lost', 'abandoned') $$;

-- Makes one row of a company's rows. Those that another transaction folds at the moment, and those it has not committed yet, stay as they are.
CREATE FUNCTION pending_leads_fold(of_company text) RETURNS void LANGUAGE sql AS $$
WITH gone AS (
  DELETE FROM pending_leads p USING (SELECT company_id, id FROM pending_leads WHERE company_id = of_company FOR UPDATE SKIP LOCKED) mine
   WHERE p.company_id = mine.company_id AND p.id = mine.id RETURNING p.pending)
INSERT INTO pending_leads (company_id, pending) SELECT of_company, sum(pending) FROM gone HAVING count(*) > 0
$$;

CREATE FUNCTION pending_leads_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pending_leads (company_id, pending)
  SELECT company_id, count(*) FROM changed WHERE lead_is_pending(status, pool_status) GROUP BY company_id ORDER BY company_id;
  IF random() < 0.02 THEN
    PERFORM pending_leads_fold(company_id) FROM (SELECT DISTINCT company_id FROM changed ORDER BY company_id) c;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION pending_leads_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pending_leads (company_id, pending)
  SELECT company_id, -count(*) FROM changed WHERE lead_is_pending(status, pool_status) GROUP BY company_id ORDER BY company_id;
  RETURN NULL;
END $$;

CREATE FUNCTION pending_leads_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pending_leads (company_id, pending) VALUES (NEW.company_id, CASE WHEN lead_is_pending(NEW.status, NEW.pool_status) THEN 1 ELSE -1 END);
  IF random() < 0.02 THEN PERFORM pending_leads_fold(NEW.company_id); END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER pending_leads_added AFTER INSERT ON leads REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pending_leads_added();
CREATE TRIGGER pending_leads_removed AFTER DELETE ON leads REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pending_leads_removed();
-- By row, since nearly every UPDATE leaves the answer as it was, and then nothing runs.
CREATE TRIGGER pending_leads_moved AFTER UPDATE ON leads FOR EACH ROW
  WHEN (lead_is_pending(OLD.status, OLD.pool_status) IS DISTINCT FROM lead_is_pending(NEW.status, NEW.pool_status)) EXECUTE FUNCTION pending_leads_moved();

-- Counts anew: here, after leads were loaded without triggers, and for an operator who doubts. Needs to see all rows.
CREATE FUNCTION pending_leads_recount() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE leads IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM pending_leads;
  INSERT INTO pending_leads (company_id, pending) SELECT company_id, count(*) FROM leads WHERE lead_is_pending(status, pool_status) GROUP BY company_id;
END $$;
REVOKE EXECUTE ON FUNCTION pending_leads_recount() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pending_leads_recount() TO otto_maintenance;
SELECT pending_leads_recount();
