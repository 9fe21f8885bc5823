-- Calls that Twilio reports: which notice was played, and the voicemails that callers leave. lead-pipeline is the sole writer, query-service reads.
-- Locks: calls for a moment (columns without a default).
SET LOCAL lock_timeout = '5s';
ALTER TABLE calls ADD COLUMN consent_notice_sha256 text,      -- of the flow's notice when the call came; null: it had none, or it is no call that Otto answered
                  ADD COLUMN consent_notice_played boolean;   -- whether a document that answered the call said it; null: Otto did not answer it

CREATE TABLE voicemail_messages (
  company_id    text NOT NULL,
  id            uuid NOT NULL,
  call_id       bigint NOT NULL,
  recording_sid text NOT NULL,
  recording_url text,                           -- at the provider; never shown
  duration      integer,                        -- seconds
  transcript    text,
  summary       text,
  status        text NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'listened', 'done')),
  version       bigint NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),  -- when it was recorded, as far as that is known
  updated_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, id),
  FOREIGN KEY (company_id, call_id) REFERENCES calls (company_id, call_id)
);
CREATE UNIQUE INDEX voicemail_messages_once ON voicemail_messages (company_id, recording_sid);
CREATE INDEX voicemail_messages_list ON voicemail_messages (company_id, created_at DESC, id DESC);
CREATE INDEX voicemail_messages_call ON voicemail_messages (company_id, call_id);
SELECT otto_wall('voicemail_messages', writer => 'otto_lead_pipeline');
