-- Organisations that were made at Clerk for a company that is not committed yet. A commit that failed left one behind there, and each further try another one; now the next try takes it. A row
-- goes in the transaction that makes the company. No company's data stands here, so it has no wall.
-- Locks: none, it is new.
CREATE TABLE unused_organisations (
  user_id         text NOT NULL,
  organisation_id text NOT NULL,
  at              timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, organisation_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON unused_organisations TO otto_company_service;
