-- Numbers are read anew: cards that were made by former rules become one (a number that was pasted with marks that nobody sees), or are parted (what a keypad spells for a hidden caller is nobody's number). Only
-- the code that reads numbers can judge that, and thousands of calls may hang on one card: so nothing is judged here, each company that has cards is put down to be looked through, and the service does
-- it in small transactions while it runs, and tells of it. Nothing here can meet a row that stops it.
-- Locks: none that anybody waits for. Two tables are new; companies are found by their first cards, not by reading all cards.

-- Which cards and leads went into which: a link that somebody kept, and whoever is told of a fold before the next one, find the row that stays. lead-pipeline is the sole writer.
CREATE TABLE folded_rows (
  company_id text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('contact', 'lead')),
  from_id    uuid NOT NULL,                       -- contact_cards.id, leads.id, as it was
  into_id    uuid NOT NULL,                       -- where that one went into another in turn, the last one
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (company_id, kind, from_id)
);
CREATE INDEX folded_rows_into ON folded_rows (company_id, kind, into_id);
ALTER TABLE folded_rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE folded_rows FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON folded_rows TO otto_lead_pipeline USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY one_company ON folded_rows TO otto_query_service USING (company_id = otto_request_company());
GRANT SELECT, INSERT, UPDATE, DELETE ON folded_rows TO otto_lead_pipeline;
GRANT SELECT ON folded_rows TO otto_query_service;

-- How far each company has been looked through: cards first, then calls. Twice, an hour apart, because a process of the former version may still write while the first pass goes. A listed exception from
-- row-level security: no tenant's content stands in it, only ids.
CREATE TABLE renumbering (
  company_id  text PRIMARY KEY,
  cards_after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  calls_after bigint NOT NULL DEFAULT 0,
  pass        smallint NOT NULL DEFAULT 1,
  failed      boolean NOT NULL DEFAULT false,     -- something of this pass could not be done: it is gone through again
  due_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX renumbering_due ON renumbering (due_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON renumbering TO otto_lead_pipeline;

WITH RECURSIVE found AS (
  (SELECT company_id FROM contact_cards ORDER BY company_id LIMIT 1)
  UNION ALL
  SELECT (SELECT k.company_id FROM contact_cards k WHERE k.company_id > f.company_id ORDER BY k.company_id LIMIT 1) FROM found f WHERE f.company_id IS NOT NULL
)
INSERT INTO renumbering (company_id) SELECT company_id FROM found WHERE company_id IS NOT NULL;
