-- Calls that stayed missed and were answered with a text: one a contact and day, whoever looks, and how often. lead-pipeline alone.
-- Locks: none, nothing exists yet.
CREATE TABLE text_backs (
  company_id      text NOT NULL,
  contact_card_id uuid NOT NULL,
  day             date NOT NULL,                    -- on the company's clocks, when the text may leave first
  call_id         bigint NOT NULL,                  -- that it follows; where that was folded into another: folded_calls
  message_id      uuid NOT NULL,                    -- messages.id
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, contact_card_id, day)
);
CREATE UNIQUE INDEX text_backs_message ON text_backs (company_id, message_id);
SELECT otto_wall('text_backs', writer => 'otto_lead_pipeline', readers => '{}');
