-- What the runtime keeps for every consumer: where it stands, what it has seen, what it still has to say, what it could not do.
-- One set of tables for all; a policy lets a role touch only the rows of its own service's consumers, so that a service can neither read nor
-- move another's. Not tenant tables: `company_id` here is for operators. No locks: nothing exists yet.

-- One row a partition of a consumer; also one a shard of a service's own outbox (topic 'outbox').
CREATE TABLE lanes (
  consumer        text    NOT NULL,
  topic           text    NOT NULL,
  partition       integer NOT NULL,
  epoch           bigint  NOT NULL DEFAULT 0,   -- raised by each new owner; whoever holds an older one writes nothing
  next_offset     bigint,                       -- null: nothing read yet
  clean           boolean NOT NULL DEFAULT true,-- false while owned: an owner that died leaves it so
  trying_offset   bigint,                       -- while running one by one: which event, for the how many-th time
  trying_count    integer NOT NULL DEFAULT 0,
  backend_pid     integer,                      -- the owner's session, to end it if it will not let go
  backend_start   text,
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, topic, partition)
);

CREATE TABLE inbox (
  consumer   text NOT NULL,
  company_id text NOT NULL,
  event_id   uuid NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, company_id, event_id)
);
CREATE INDEX inbox_applied_at ON inbox USING brin (applied_at);

CREATE TABLE outbox (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer       text NOT NULL,
  lane_topic     text NOT NULL,                 -- whose lane publishes it: the partition it came from, or ('outbox', shard)
  lane_partition integer NOT NULL,
  topic          text NOT NULL,
  key            text NOT NULL,
  value          bytea NOT NULL,
  headers        jsonb NOT NULL,                -- [["name","value"], …]
  not_before     timestamptz,                   -- a timer
  replaces       text,                          -- name of a timer that can be replaced or cancelled
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_lane ON outbox (consumer, lane_topic, lane_partition, id);
CREATE UNIQUE INDEX outbox_replaces ON outbox (consumer, replaces) WHERE replaces IS NOT NULL;

CREATE TABLE parked (
  id         bigint GENERATED ALWAYS AS IDENTITY,
  consumer   text NOT NULL,
  topic      text NOT NULL,
  partition  integer NOT NULL,
  key        text NOT NULL,
  blocks_key boolean NOT NULL,                  -- false for `later`: only the event itself waits
  event_id   uuid NOT NULL,
  company_id text NOT NULL,
  type       text NOT NULL,
  value      bytea NOT NULL,
  headers    jsonb NOT NULL,
  attempt    integer NOT NULL DEFAULT 0,
  error      text NOT NULL DEFAULT '',
  history    jsonb NOT NULL DEFAULT '[]',
  next_at    timestamptz NOT NULL,
  parked_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, topic, partition, id)
);

CREATE TABLE dead_letters (
  id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  consumer   text NOT NULL,
  topic      text NOT NULL,
  partition  integer NOT NULL,
  "offset"   bigint,
  key        text NOT NULL,
  event_id   uuid,                              -- null: the record could not be read that far
  company_id text NOT NULL DEFAULT '',
  type       text NOT NULL DEFAULT '',
  value      bytea NOT NULL,
  headers    jsonb NOT NULL,
  error      text NOT NULL,
  history    jsonb NOT NULL DEFAULT '[]',
  dead_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_consumer ON dead_letters (consumer, dead_at);

-- Effects on the outside: one row, one effect, however often its event comes.
CREATE TABLE intents (
  consumer     text NOT NULL,
  intent_key   text NOT NULL,
  event_id     uuid NOT NULL,
  company_id   text NOT NULL,
  type         text NOT NULL,
  value        bytea NOT NULL,
  headers      jsonb NOT NULL,
  state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
  attempt      integer NOT NULL DEFAULT 0,
  error        text NOT NULL DEFAULT '',
  history      jsonb NOT NULL DEFAULT '[]',
  next_at      timestamptz NOT NULL DEFAULT now(),
  leased_until timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  finished_at  timestamptz,
  PRIMARY KEY (consumer, intent_key)
);
CREATE INDEX intents_due ON intents (consumer, next_at) WHERE state IN ('pending', 'running');

-- Answers of HTTP writes, by user, route and Idempotency-Key. Not a tenant table: a user may have no company yet.
CREATE TABLE idempotency_keys (
  consumer     text NOT NULL,                   -- the service
  user_id      text NOT NULL,
  route        text NOT NULL,
  key          text NOT NULL,
  request_hash text NOT NULL,
  status       integer NOT NULL,
  content_type text NOT NULL,
  body         bytea NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, user_id, route, key)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['lanes', 'inbox', 'outbox', 'parked', 'dead_letters', 'intents', 'idempotency_keys'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_consumers ON %I USING (current_user = otto_role_of(consumer)) WITH CHECK (current_user = otto_role_of(consumer))', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO otto_company_service, otto_tenant_router, otto_lead_pipeline, otto_shunya_orchestrator, otto_appointment_service, otto_workflow_service', name);
  END LOOP;
END $$;

-- Ends the session that still holds a partition whose new owner is waiting; only a session of the caller's own role, and only that very one.
CREATE FUNCTION otto_end_session(pid integer, started text) RETURNS boolean LANGUAGE sql AS
$$ SELECT bool_or(pg_terminate_backend(a.pid)) FROM pg_stat_activity a WHERE a.pid = $1 AND a.backend_start::text = $2 AND a.usename = current_user $$;

-- First statement of every batch: proves that the partition is still ours, and moves it. Raises OT001 otherwise.
CREATE FUNCTION otto_fence(of_consumer text, of_topic text, of_partition integer, my_epoch bigint, to_offset bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE lanes SET next_offset = coalesce(to_offset, next_offset), updated_at = now()
   WHERE consumer = of_consumer AND topic = of_topic AND partition = of_partition AND epoch = my_epoch;
  IF NOT FOUND THEN RAISE EXCEPTION 'partition % of % for % has another owner', of_partition, of_topic, of_consumer USING ERRCODE = 'OT001'; END IF;
END $$;
