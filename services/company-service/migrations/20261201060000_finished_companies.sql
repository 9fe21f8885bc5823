-- What a company is to be is kept while it is being made, so that it is finished without the user; and what was finished so is what the user's next try is answered with. No company's data
-- stands in either table: there is no company yet, or only its id and name under the user who asked for it.
-- Locks: unused_organisations, for a moment.
ALTER TABLE unused_organisations ADD COLUMN asked jsonb;  -- null: nobody waits for a company
CREATE TABLE finished_companies (
  user_id    text NOT NULL,
  company_id text NOT NULL,
  name       text NOT NULL,
  at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, company_id)
);
CREATE INDEX finished_companies_at ON finished_companies (at);
GRANT SELECT, INSERT, DELETE ON finished_companies TO otto_company_service;
