-- Services look rows up by key, a few hundred at a time, in tables that grow from nothing. Two of Postgres's habits cost them more than all their work:
-- * A plan that was made while a table was empty scans it, and is kept while the table grows: a page of calls read all cards and leads again for each of its calls. So no
--   service's role scans a table that has a fitting index.
-- * The price put on what is switched off makes the planner believe in a long statement, and compile it: two seconds of CPU for a look at four small tables. None is long
--   enough to be worth compiling.
-- Locks: `outbox` against writers for as long as it takes to read it once; it holds what Kafka does not have yet. It gives up rather than make them wait.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['otto_company_service', 'otto_tenant_router', 'otto_lead_pipeline', 'otto_query_service', 'otto_shunya_orchestrator', 'otto_appointment_service',
                              'otto_workflow_service'] LOOP
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET enable_seqscan = off', name, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET jit = off', name, current_database());
  END LOOP;
END $$;

-- What no lane publishes is looked for each second, and nearly always there is nothing: not a reason to read what the lanes have in flight, and the dead rows of a minute.
CREATE INDEX outbox_shards ON outbox (id) WHERE lane_topic = 'outbox';

-- Tables whose rows live for milliseconds: dead ones are cleared away each time somebody looks, not once they are a fifth of a table that is empty on average.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE lanes SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
