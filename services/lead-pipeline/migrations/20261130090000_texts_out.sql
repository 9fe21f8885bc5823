-- Texts that leave. Columns are added without a rewrite of the table; the locks are held for a moment.
ALTER TABLE messages
  ALTER COLUMN provider_message_id DROP NOT NULL,   -- null: the provider has not told its own id of it yet
  ADD COLUMN automatic boolean NOT NULL DEFAULT false,
  ADD COLUMN reason text,                           -- of an automatic one: why Otto wrote it
  ADD COLUMN scheduled_at timestamptz,              -- not before
  ADD COLUMN asked_at timestamptz,                  -- when the provider was asked to send it, the last time
  ADD COLUMN status_unknown boolean NOT NULL DEFAULT false;  -- asked about for a day, and nobody said how it ended

-- Texts on their way to the provider: a row from when one is accepted until its fate is known. Of those from one number to one person (a pair) one is at the head, the others
-- are behind it, so that of one pair at most one is in doubt.
CREATE TABLE text_sends (
  company_id  text NOT NULL,
  message_id  uuid NOT NULL,
  from_number text NOT NULL,
  to_number   text NOT NULL,
  automatic   boolean NOT NULL,
  segments    integer NOT NULL CHECK (segments > 0),
  state       text NOT NULL CHECK (state IN ('scheduled', 'behind', 'waiting', 'released', 'asked', 'unknown')),
  accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  asked_at    timestamptz,                          -- of the last time: it was noted, then asked
  account     text,                                 -- as whose: only that account can tell what became of it
  looked_at   timestamptz,                          -- unknown: when the provider's list was read last
  not_found   integer NOT NULL DEFAULT 0,           -- unknown: how often it was not there
  failures    integer NOT NULL DEFAULT 0,           -- in a row, after which it certainly had not been taken
  why         text,                                 -- it is not sent yet, for operators
  PRIMARY KEY (company_id, message_id),
  CHECK (state NOT IN ('asked', 'unknown') OR asked_at IS NOT NULL)
);
CREATE UNIQUE INDEX text_sends_head ON text_sends (company_id, from_number, to_number) WHERE state IN ('waiting', 'released', 'asked', 'unknown');
-- People's texts before automatic ones, then the oldest: of a pair, and of a number.
CREATE INDEX text_sends_behind ON text_sends (company_id, from_number, to_number, automatic, accepted_at, message_id) WHERE state = 'behind';
CREATE INDEX text_sends_waiting ON text_sends (company_id, from_number, automatic, accepted_at, message_id) WHERE state = 'waiting';
-- Few: what was released and not asked yet is bounded, so that a number whose texts are slow to leave has no more than its pace on the way.
CREATE INDEX text_sends_released ON text_sends (company_id, from_number) INCLUDE (segments) WHERE state = 'released';
SELECT otto_wall('text_sends', writer => 'otto_lead_pipeline', readers => '{}');

-- Until when a number's pace is used up: a text of n segments at r a second puts it n/r further.
CREATE TABLE text_paces (
  company_id  text NOT NULL,
  from_number text NOT NULL,
  free_at     timestamptz NOT NULL,
  PRIMARY KEY (company_id, from_number)
);
SELECT otto_wall('text_paces', writer => 'otto_lead_pipeline', readers => '{}');

-- A company whose texts wait because the provider does not let it in. One row and not a column of each text: ten thousand that wait are paused and go on by one write.
CREATE TABLE text_pauses (
  company_id  text PRIMARY KEY,
  why         text NOT NULL,                        -- with the cure, as people are shown it
  credentials text NOT NULL,                        -- a hash of what was refused: others are tried at once
  since       timestamptz NOT NULL DEFAULT now(),
  until       timestamptz NOT NULL                  -- then one is tried
);
SELECT otto_wall('text_pauses', writer => 'otto_lead_pipeline');
