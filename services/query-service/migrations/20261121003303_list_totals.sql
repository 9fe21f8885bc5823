-- How many calls, leads and contact cards each company has, without counting them: every page of a list says its total, and of a company with five thousand calls counting them cost as much
-- as the page. The total is the sum of a company's rows here. Who adds or removes rows raises one of them that nobody else holds, and makes another if there is none: so two transactions of
-- one company do not wait for each other, and a company has as many rows as transactions have met. Half of each page is left free: a row that is raised stays in it and in no index anew.
-- Locks: the three tables against writers for as long as it takes to count them once.
SET LOCAL lock_timeout = '30s';
LOCK TABLE calls, leads, contact_cards IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE list_totals (
  company_id text    NOT NULL,
  list       text    NOT NULL,                    -- the table's name
  id         bigint  GENERATED ALWAYS AS IDENTITY,
  part       bigint  NOT NULL,                    -- may be negative
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, list, id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE list_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE list_totals FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON list_totals TO otto_lead_pipeline USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON list_totals TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE ON list_totals TO otto_lead_pipeline;
GRANT SELECT ON list_totals TO otto_query_service;

CREATE FUNCTION list_totals_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  of record;
BEGIN
  FOR of IN SELECT company_id, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END AS change FROM changed GROUP BY company_id LOOP
    UPDATE list_totals SET part = part + of.change, updated_at = now()
     WHERE company_id = of.company_id AND list = TG_TABLE_NAME
       AND id = (SELECT id FROM list_totals WHERE company_id = of.company_id AND list = TG_TABLE_NAME ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
      INSERT INTO list_totals (company_id, list, part) VALUES (of.company_id, TG_TABLE_NAME, of.change);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['calls', 'leads', 'contact_cards'] LOOP
    EXECUTE format('CREATE TRIGGER list_totals_added AFTER INSERT ON %I REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed()', name);
    EXECUTE format('CREATE TRIGGER list_totals_removed AFTER DELETE ON %I REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed()', name);
  END LOOP;
END $$;

-- Counts anew: here, after rows were loaded without triggers, and for an operator who doubts. Needs to see all rows.
CREATE FUNCTION list_totals_recount() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  LOCK TABLE calls, leads, contact_cards IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM list_totals;
  INSERT INTO list_totals (company_id, list, part)
  SELECT company_id, 'calls', count(*) FROM calls GROUP BY company_id UNION ALL
  SELECT company_id, 'leads', count(*) FROM leads GROUP BY company_id UNION ALL
  SELECT company_id, 'contact_cards', count(*) FROM contact_cards GROUP BY company_id;
END $$;
REVOKE EXECUTE ON FUNCTION list_totals_recount() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_totals_recount() TO otto_maintenance;
SELECT list_totals_recount();
