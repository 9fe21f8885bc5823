-- What the tests of declared lists list.

-- name: task
/*one_task*/

-- name: figures
-- without $2: figures_of_all
SELECT count(*) AS n FROM things t
 WHERE t.company_id = $1
   AND (t.rep = $2::text OR t.rep IS NULL)
   AND t.at > $3

-- list: things
-- What there is.
-- id: id bigint
-- sorts: at = t.at; due = coalesce(t.due,t.at)
-- total: things
SELECT t.id, k.name
  FROM things t
  JOIN LATERAL (SELECT name, words FROM cards WHERE id = t.card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT rep FROM leads WHERE id = t.lead_id LIMIT 1) l ON true
  /*to count*/ JOIN leads l ON l.id = t.lead_id
 WHERE t.company_id = :company
   AND l.rep = :own::text
   AND t.color = ANY (:color::text[])
   AND t.at >= :since::timestamptz
   AND k.words LIKE ALL (:words::text[])
   AND t.id = ANY (:found::bigint[])

-- list: notes
-- Nobody's own.
-- id: key text
-- sorts: at = n.at
SELECT n.*
  FROM (SELECT a.key, a.at
          FROM a
         UNION ALL
        SELECT b.key, b.at FROM b) n
 WHERE n.company_id = :company

-- list: wide
-- More forms than are kept.
-- id: id uuid
-- sorts: at = c.at
SELECT c.id
  FROM wide c
 WHERE c.company_id = :company
   AND c.a = :a::text
   AND c.b = :b::text
   AND c.c = :c::text
   AND c.d = :d::text
   AND c.e = :e::text
   AND c.f = :f::text
   AND c.g = :g::text
   AND c.h = :h::text
   AND c.i = :i::text
