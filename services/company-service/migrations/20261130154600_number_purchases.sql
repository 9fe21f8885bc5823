-- Numbers that companies buy at Twilio. A purchase is on record before Twilio is asked: whatever becomes of the answer, or of the process that waits for it, what was bought is found again and registered, and nothing is
-- asked for anew before its fate is known. And what is wrong with where Twilio sends the calls and texts of a number, as its list said last.
-- Locks: company_numbers for a moment (columns without defaults, one function).
SET LOCAL lock_timeout = '5s';
CREATE TABLE number_purchases (
  company_id    text NOT NULL,
  id            uuid NOT NULL DEFAULT gen_random_uuid(),
  e164          text NOT NULL CHECK (e164 = e164(e164)),
  state         text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'bought', 'failed')),
  account_sid   text NOT NULL,                       -- AC…, of whom it was asked
  shared        boolean NOT NULL,                    -- that is the deployment's account
  voice_url     text NOT NULL,                       -- as it was asked for: what the account has with another one is nothing that this purchase bought
  asked_by      text NOT NULL,                       -- the user
  asks          integer NOT NULL DEFAULT 1,
  asked_at      timestamptz NOT NULL DEFAULT now(),  -- last
  asking_until  timestamptz,                         -- a request waits for Twilio's answer, until then at the most
  provider_sid  text,                                -- PN…
  number_id     uuid,                                -- its row in company_numbers, once it is registered
  error_code    integer,                             -- Twilio's
  why           text,                                -- for people: why it failed, or what keeps it from being settled
  settled_at    timestamptz,                         -- bought and registered, or certainly not bought
  PRIMARY KEY (company_id, id)
);
-- One number is asked for by one company at a time, and never a second time while nobody knows what came of the first.
CREATE UNIQUE INDEX number_purchases_open ON number_purchases (e164) WHERE settled_at IS NULL;
CREATE INDEX number_purchases_number ON number_purchases (company_id, e164, asked_at);
SELECT otto_wall('number_purchases', writer => 'otto_company_service', readers => '{}');

ALTER TABLE company_numbers ADD COLUMN webhooks_problem text, ADD COLUMN webhooks_problem_cure text;

-- Numbers of the deployment's own account are looked at too, each by itself.
CREATE OR REPLACE FUNCTION company_numbers_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM check_company(NEW.company_id, 'callrail_numbers');
  IF NEW.provider = 'twilio' OR EXISTS (SELECT FROM companies WHERE id = NEW.company_id AND twilio_account_sid IS NOT NULL) THEN PERFORM check_company(NEW.company_id, 'twilio_numbers'); END IF;
  RETURN NULL;
END $$;
