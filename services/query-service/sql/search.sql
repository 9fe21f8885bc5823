-- Searches: which rows hold a text, by the trigram index (migration search). One more than the most is looked for: who finds so many walks along the list's order instead, where matches are never far.

-- name: calls_found
WITH found AS MATERIALIZED (SELECT lower($1::text) AS pattern, calls_found(lower($1), $2::text, $3::integer) AS ids)
SELECT pattern, ids::text AS ids, cardinality(ids) AS n FROM found

-- name: leads_found
WITH found AS MATERIALIZED (SELECT lower($1::text) AS pattern, leads_found(lower($1), $2::integer) AS ids)
SELECT pattern, ids::text AS ids, cardinality(ids) AS n FROM found

-- name: contacts_found
WITH found AS MATERIALIZED (SELECT lower($1::text) AS pattern, contacts_found(lower($1), $2::integer) AS ids)
SELECT pattern, ids::text AS ids, cardinality(ids) AS n FROM found
