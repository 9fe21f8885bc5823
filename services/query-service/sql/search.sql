-- Searches: which rows of a list hold all words, by the indexes of the migration search_words.

-- name: search_found
WITH found AS MATERIALIZED (SELECT search_found($1, $2::text[], $3, $4::integer) AS ids)
SELECT CASE WHEN cardinality(ids) < $4 THEN ids::text END AS ids, cardinality(ids) AS n FROM found
