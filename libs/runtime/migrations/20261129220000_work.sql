-- Work on the outside, and whatever is due at a time: one queue for all services (runtime/work_queue.hpp), where each had one of its own.
-- A service reaches the rows of its own queues only, of all companies at once: a worker must see what is due before it knows whose it
-- is. No tenant's content stands here, ids alone. Locks: none, nothing exists yet.

CREATE TABLE work (
  queue        text NOT NULL,                    -- "<service>" or "<service>/<part>"
  company_id   text NOT NULL,
  key          text NOT NULL,                    -- what the work is about: a call, a task
  due_at       timestamptz NOT NULL,             -- 'infinity': given up
  leased_until timestamptz,
  lease        uuid,
  wanted       bigint NOT NULL DEFAULT 0,        -- rises with each want: what is wanted again while somebody is at it is not lost
  attempt      integer NOT NULL DEFAULT 0,       -- turns since it was wanted, or since one of them got somewhere
  id           uuid NOT NULL DEFAULT gen_random_uuid(),  -- id and round: what the outside knows a repeat by
  round        integer NOT NULL DEFAULT 0,       -- turns whose outcome is known
  error        text NOT NULL DEFAULT '',         -- why the last turn failed
  given_up_at  timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (queue, company_id, key)
);
CREATE INDEX work_due ON work (queue, due_at);
CREATE INDEX work_of_company ON work (queue, company_id, due_at);      -- a company's due work, to be found beside another's thousands
CREATE INDEX work_given_up ON work (given_up_at) WHERE given_up_at IS NOT NULL;
-- Its rows change at each turn and live for minutes.
ALTER TABLE work SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

-- How often the outside may still be asked: buckets that refill, shared by all processes of a service. Full after its time: then its
-- row may go.
CREATE TABLE budgets (
  consumer  text NOT NULL,                       -- the service
  name      text NOT NULL,                       -- "callrail/ACC1"
  per_ms    bigint NOT NULL,                     -- the time of its limit
  remaining double precision NOT NULL,
  at        timestamptz NOT NULL,                -- when so much remained
  PRIMARY KEY (consumer, name, per_ms)
);
CREATE INDEX budgets_at ON budgets (at);
ALTER TABLE budgets SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

DO $$
DECLARE name text; owner text;
BEGIN
  FOREACH name IN ARRAY ARRAY['work', 'budgets'] LOOP
    owner := CASE name WHEN 'work' THEN 'queue' ELSE 'consumer' END;
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_consumers ON %I USING (current_user = otto_role_of(%I)) WITH CHECK (current_user = otto_role_of(%I))', name, owner, owner);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_company_service, otto_tenant_router, otto_lead_pipeline, otto_shunya_orchestrator, otto_appointment_service, otto_workflow_service', name);
  END LOOP;
END $$;

-- Puts work into a queue, or says anew when it is due: in anybody's transaction. Whoever works is woken for what is due at once; the rest
-- is looked for twice a second.
CREATE FUNCTION otto_want(of_queue text, of_company text, of_key text, due timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO work AS w (queue, company_id, key, due_at) VALUES (of_queue, of_company, of_key, due)
  ON CONFLICT (queue, company_id, key) DO UPDATE SET due_at = excluded.due_at, wanted = w.wanted + 1, attempt = 0, error = '', given_up_at = NULL;
  IF due <= now() THEN PERFORM pg_notify('work:' || of_queue, ''); END IF;
END $$;

CREATE FUNCTION otto_unwant(of_queue text, of_company text, of_key text) RETURNS void LANGUAGE sql AS
$$ DELETE FROM work WHERE queue = of_queue AND company_id = of_company AND key = of_key $$;

-- The last statement of a turn's transaction: it commits only while the lease is the caller's (OT002 otherwise), as otto_fence has it for
-- lanes. next_at null: nothing is left, unless it was wanted again since `seen`. keep_ms: it is due at once and stays the caller's for
-- so long; 0: it is given back. A turn that only waits, for its budget say, is no attempt.
CREATE FUNCTION otto_settle_work(of_queue text, of_company text, of_key text, my_lease uuid, seen bigint, next_at timestamptz, keep_ms bigint, answered boolean, why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF next_at IS NULL THEN
    DELETE FROM work WHERE queue = of_queue AND company_id = of_company AND key = of_key AND lease = my_lease AND wanted = seen;
    IF FOUND THEN RETURN; END IF;
  END IF;
  UPDATE work SET due_at = CASE WHEN keep_ms > 0 THEN least(due_at, now()) WHEN wanted = seen THEN next_at ELSE least(due_at, next_at) END,
         given_up_at = CASE WHEN wanted = seen AND next_at = 'infinity' THEN now() END, error = why,
         lease = CASE WHEN keep_ms > 0 THEN lease END, leased_until = CASE WHEN keep_ms > 0 THEN now() + keep_ms * interval '1 millisecond' END,
         round = round + answered::integer, attempt = CASE WHEN answered OR wanted <> seen THEN 0 WHEN keep_ms = 0 AND why = '' THEN greatest(attempt - 1, 0) ELSE attempt END
   WHERE queue = of_queue AND company_id = of_company AND key = of_key AND lease = my_lease;
  IF NOT FOUND THEN RAISE EXCEPTION 'the lease of % of % in % is another''s', of_key, of_company, of_queue USING ERRCODE = 'OT002'; END IF;
END $$;

-- Takes from all of a name's buckets or from none: `best` if there is so much, else what there is, and `wanted` at least. More than a
-- bucket ever holds counts as all of it. Nothing granted: how long to wait.
CREATE FUNCTION otto_take_budget(of_consumer text, of_name text, counts double precision[], pers bigint[], wanted double precision, best double precision, at_time timestamptz,
                                 OUT granted double precision, OUT wait_ms double precision) LANGUAGE plpgsql AS $$
DECLARE
  have double precision;
BEGIN
  granted := best;
  wait_ms := 0;
  FOR i IN 1..cardinality(counts) LOOP
    INSERT INTO budgets AS b (consumer, name, per_ms, remaining, at) VALUES (of_consumer, of_name, pers[i], counts[i], at_time)
    ON CONFLICT (consumer, name, per_ms) DO UPDATE
       SET remaining = least(counts[i], b.remaining + greatest(0, extract(epoch FROM excluded.at - b.at)) * 1000 * counts[i] / pers[i]), at = greatest(b.at, excluded.at)
    RETURNING remaining INTO have;
    IF have < least(wanted, counts[i]) THEN wait_ms := greatest(wait_ms, ceil((least(wanted, counts[i]) - have) * pers[i] / counts[i])); END IF;
    granted := least(granted, greatest(have, 0));
  END LOOP;
  IF wait_ms > 0 THEN
    granted := 0;
    RETURN;
  END IF;
  UPDATE budgets SET remaining = remaining - granted WHERE consumer = of_consumer AND name = of_name AND per_ms = ANY (pers);
END $$;
