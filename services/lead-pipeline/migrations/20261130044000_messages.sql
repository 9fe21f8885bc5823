-- Texts in both directions, on the customer's card, and who asked for none. lead-pipeline is the sole writer, query-service reads.
CREATE TABLE messages (
  company_id          text NOT NULL,
  id                  uuid NOT NULL,
  provider            text NOT NULL CHECK (provider IN ('callrail', 'twilio')),
  provider_message_id text NOT NULL,
  direction           text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  from_number         text,
  to_number           text,
  body                text,                     -- null: only its delivery was told so far
  media               jsonb NOT NULL DEFAULT '[]',  -- [{n, content_type, bytes, state: pending | stored | too_large | failed, why, url, object_key}]; the provider's url is never shown
  segments            integer,
  status              text NOT NULL CHECK (status IN ('received', 'scheduled', 'queued', 'sending', 'sent', 'canceled', 'failed', 'undelivered', 'delivered', 'read')),
  error_code          text,
  error_message       text,
  contact_card_id     uuid NOT NULL,
  lead_id             uuid,
  sent_by             text,                     -- one of our people, or the provider's name of who wrote it; null: nobody is known
  sent_at             timestamptz NOT NULL,     -- its own time: the thread's order
  merge_state         text NOT NULL DEFAULT '', -- which report each field comes from
  version             bigint NOT NULL DEFAULT 1,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards (company_id, id)
);
CREATE UNIQUE INDEX messages_once ON messages (company_id, provider, provider_message_id);
CREATE INDEX messages_list ON messages (company_id, sent_at DESC, id DESC);
CREATE INDEX messages_thread ON messages (company_id, contact_card_id, sent_at DESC, id DESC);
CREATE INDEX messages_lead ON messages (company_id, lead_id);
SELECT otto_wall('messages', writer => 'otto_lead_pipeline');

-- Who asked for no texts: a ledger. A row says that somebody asked and, once, that it was taken back; nothing else of it changes and none goes.
CREATE TABLE opt_outs (
  company_id     text NOT NULL,
  id             uuid NOT NULL,
  phone          text NOT NULL,
  channel        text NOT NULL DEFAULT 'sms' CHECK (channel IN ('sms')),
  source         text NOT NULL CHECK (source IN ('keyword', 'provider', 'csr', 'spoken')),
  message_id     uuid,                          -- the text that says so: one row a text
  created_by     text,                          -- the person who entered it; null: nobody
  created_as     text,                          -- in which role: a csr takes back what a csr entered
  reason         text,
  opted_out_at   timestamptz NOT NULL,
  revoked_at     timestamptz,
  revoked_source text CHECK (revoked_source IN ('keyword', 'provider', 'csr')),
  revoked_by     text,                          -- a person, or the id of the text that took it back
  created_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  CHECK ((revoked_at IS NULL) = (revoked_source IS NULL)),
  CHECK (revoked_at >= opted_out_at)
);
CREATE UNIQUE INDEX opt_outs_of_message ON opt_outs (company_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX opt_outs_phone ON opt_outs (company_id, phone, opted_out_at DESC);
CREATE INDEX opt_outs_list ON opt_outs (company_id, opted_out_at DESC, id DESC);
SELECT otto_wall('opt_outs', writer => 'otto_lead_pipeline');
REVOKE UPDATE, DELETE ON opt_outs FROM otto_lead_pipeline;
GRANT UPDATE (revoked_at, revoked_source, revoked_by) ON opt_outs TO otto_lead_pipeline;

-- A row may be taken back, and later only by an earlier START: whatever order texts come in, the first START after a STOP is what took it back.
CREATE FUNCTION opt_outs_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.revoked_at IS NULL OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at >= OLD.revoked_at) THEN
    RAISE EXCEPTION 'an opt-out is taken back once, and later only by an earlier word' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER opt_outs_revoked BEFORE UPDATE ON opt_outs FOR EACH ROW EXECUTE FUNCTION opt_outs_revoked();

-- The words START and UNSTOP that came before the STOP which they follow: a STOP that arrives late finds them here.
CREATE TABLE opt_ins (
  company_id text NOT NULL,
  message_id uuid NOT NULL,
  phone      text NOT NULL,
  word       text NOT NULL CHECK (word IN ('start', 'yes')),  -- yes takes back what a text said, and no person's entry
  source     text NOT NULL CHECK (source IN ('keyword', 'provider')),
  at         timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, message_id)
);
CREATE INDEX opt_ins_phone ON opt_ins (company_id, phone, at);
SELECT otto_wall('opt_ins', writer => 'otto_lead_pipeline', readers => '{}');
REVOKE UPDATE, DELETE ON opt_ins FROM otto_lead_pipeline;

-- What a text asks for hangs on it.
ALTER TABLE tasks ADD COLUMN message_id uuid;
