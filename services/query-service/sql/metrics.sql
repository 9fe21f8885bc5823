-- A rate's upper part is counted among its lower one: of qualified calls those that were booked, of completed appointments those that were won, of calls those that raised an objection. Else a person's
-- correction (booked, and unqualified) makes more than 100 %.
-- Figures of a window of days, $2 to $3, in the zone $4. Qualified is what Shunya qualified at all: hot, warm, cold. Figures of calls are of inbound ones. The bits of `kind` are
-- told in the migration of call_facts.
-- Run with enable_sort off (measures.cpp): groups by hash whatever the planner believes of their number, so that a company it does not know is counted as fast as one it does.

-- name: call_figures
-- without $5: call_figures_of_all
-- Of the inbound calls of an owner ($5) and those that nobody owns. Over all calls it is a statement of its own, which does not ask each call whose it is.
WITH w AS (
  SELECT f.kind, f.reasons, count(*) AS calls, sum(f.objection_count) AS objections, sum(f.sop_compliance_score) AS compliance, count(f.sop_compliance_score) AS compliances,
         sum(f.sentiment_score) AS sentiment, count(f.sentiment_score) AS sentiments
    FROM call_facts f
   WHERE f.company_id = $1 AND f.inbound AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
     AND (f.owner_id = $5::text OR f.owner_id IS NULL)
   GROUP BY 1, 2)
SELECT coalesce(sum(calls), 0)::bigint AS total_calls, coalesce(sum(calls) FILTER (WHERE kind & 1 > 0), 0)::bigint AS missed_calls, coalesce(sum(calls) FILTER (WHERE kind & 2 > 0), 0)::bigint AS answered_calls,
       coalesce(sum(calls) FILTER (WHERE kind & 4 > 0), 0)::bigint AS analysed_calls, coalesce(sum(calls) FILTER (WHERE kind & 8 > 0), 0)::bigint AS qualified_calls,
       coalesce(sum(calls) FILTER (WHERE kind & 56 = 24), 0)::bigint AS booked_calls, coalesce(sum(calls) FILTER (WHERE kind & 56 = 56), 0)::bigint AS service_not_offered_calls,
       coalesce(sum(calls) FILTER (WHERE kind & 56 = 40), 0)::bigint AS qualified_but_unbooked_calls,
       coalesce(sum(objections), 0)::bigint AS objections, coalesce(sum(objections) FILTER (WHERE kind & 8 > 0), 0)::bigint AS objections_of_qualified,
       sum(compliance) / nullif(sum(compliances), 0)::float8 AS avg_compliance_score, sum(sentiment) / nullif(sum(sentiments), 0)::float8 AS avg_sentiment_score,
       (SELECT max(o.label) FROM (SELECT split_part(raised, E'\x1f', 1) AS key, split_part(raised, E'\x1f', 2) AS label, w2.calls FROM w w2, unnest(string_to_array(w2.reasons, E'\x1e')) AS raised) o
         GROUP BY o.key ORDER BY sum(o.calls) DESC, o.key LIMIT 1) AS top_reason
  FROM w

-- name: pending_leads_count
SELECT coalesce(sum(pending), 0)::bigint AS n FROM pending_leads WHERE company_id = $1

-- name: follow_ups
-- Tasks that are still to be done: of a kind of people ($2), of those a person's own and what nobody was given ($3).
SELECT count(*) AS open, count(*) FILTER (WHERE task_is_overdue(t.status, t.due_at)) AS overdue FROM tasks t
 WHERE t.company_id = $1 AND t.status IN ('open', 'overdue') AND ($2::text IS NULL OR t.assigned_to = $2) AND ($3::text IS NULL OR t.assignee_id = $3 OR t.assignee_id IS NULL)

-- name: follow_ups_of_rep
-- As the rep's own list of tasks has them.
SELECT count(*) AS open, count(*) FILTER (WHERE task_is_overdue(t.status, t.due_at)) AS overdue FROM tasks t
 WHERE t.company_id = $1 AND t.status IN ('open', 'overdue')
   AND (t.assignee_id = $2 OR $2 = (SELECT l.assigned_rep_id FROM leads l WHERE l.company_id = t.company_id AND l.id = t.lead_id))

-- name: booking_trend
-- without $5: booking_trend_of_all
-- The periods' ends are computed first: within row-level security an index takes no condition that calls a function on another table's row.
-- By day, week (from Monday) or month; the first and last period are as much of it as the window has. 'all': the window as one.
WITH periods AS MATERIALIZED (
  SELECT d.day_from, d.day_to, d.day_from::timestamp AT TIME ZONE $4 AS since, (d.day_to + 1)::timestamp AT TIME ZONE $4 AS till
    FROM (SELECT CASE WHEN $6::text = 'all' THEN interval '9999 years' ELSE ('1 ' || $6)::interval END AS step, CASE WHEN $6 = 'all' THEN 'millennium' ELSE $6 END AS unit) e,
         generate_series(date_trunc(e.unit, $2::date::timestamp), $3::date::timestamp, e.step) p,
         LATERAL (SELECT greatest(p::date, $2::date) AS day_from, least((p + e.step)::date - 1, $3::date) AS day_to) d)
SELECT p.day_from::text AS day_from, p.day_to::text AS day_to, p.since AS at, x.*
  FROM periods p
 CROSS JOIN LATERAL (
  SELECT count(*) AS total_calls, count(DISTINCT f.lead_id) AS total_leads, count(*) FILTER (WHERE f.kind & 8 > 0) AS qualified_calls,
         count(DISTINCT f.lead_id) FILTER (WHERE f.kind & 8 > 0) AS qualified_leads, count(*) FILTER (WHERE f.kind & 56 = 24) AS booked_calls
    FROM call_facts f
   WHERE f.company_id = $1 AND f.inbound AND f.happened_at >= p.since AND f.happened_at < p.till
     AND (f.owner_id = $5::text OR f.owner_id IS NULL)
  ) x
 ORDER BY p.day_from

-- name: top_objections
-- By key, each time that one was raised; $5: how many. One row without a key if there is none.
WITH w AS (
  SELECT f.objections, count(*) AS calls FROM call_facts f
   WHERE f.company_id = $1 AND f.inbound AND f.analysed AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
   GROUP BY 1)
SELECT t.considered, o.key, o.label, o.occurrences, o.raised_in
  FROM (SELECT coalesce(sum(calls), 0)::bigint AS considered FROM w) t
  LEFT JOIN LATERAL (
    SELECT r.key, max(r.label) AS label, sum(r.calls * r.times)::bigint AS occurrences, sum(r.calls)::bigint AS raised_in
      FROM (SELECT split_part(raised, E'\x1f', 1) AS key, max(split_part(raised, E'\x1f', 2)) AS label, w.calls, count(*) AS times
              FROM w, unnest(string_to_array(w.objections, E'\x1e')) AS raised GROUP BY w.objections, w.calls, 1) r
     GROUP BY r.key ORDER BY 3 DESC, 1 LIMIT $5::bigint) o ON true

-- name: missed_calls
-- Missed inbound calls by lead, and what the lead is now: booked, dead or pending. The newest $5 leads of each, and with every one how many leads and calls its kind has.
WITH s AS MATERIALIZED (
  SELECT f.lead_id, max(f.lead_state) AS state, count(*) AS calls, max(f.happened_at) AS missed_at FROM call_facts f
   WHERE f.company_id = $1 AND f.inbound AND f.missed AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
   GROUP BY 1),
kinds AS MATERIALIZED (SELECT state, count(*) AS leads, sum(calls)::bigint AS calls FROM s GROUP BY state)
SELECT (ARRAY['pending', 'booked', 'dead'])[1 + k.state] AS state, k.leads AS all_leads, k.calls AS all_calls, n.lead_id, n.calls, n.missed_at, l.last_contacted_at, l.contact_card_id,
       c.primary_phone AS contact_phone, c.first_name AS contact_first_name, c.last_name AS contact_last_name, t.description AS pending_action, o.attempts
  FROM kinds k
 CROSS JOIN LATERAL (SELECT * FROM s WHERE s.state = k.state ORDER BY s.missed_at DESC, s.lead_id LIMIT $5::bigint) n
 CROSS JOIN LATERAL (SELECT contact_card_id, last_contacted_at FROM leads WHERE company_id = $1 AND id = n.lead_id LIMIT 1) l
  LEFT JOIN LATERAL (SELECT primary_phone, first_name, last_name FROM contact_cards WHERE company_id = $1 AND id = l.contact_card_id LIMIT 1) c ON true
  CROSS JOIN LATERAL (SELECT (array_agg(description ORDER BY due_at NULLS LAST, created_at))[1] AS description FROM tasks WHERE company_id = $1 AND lead_id = n.lead_id AND status IN ('open', 'overdue')) t
 CROSS JOIN LATERAL (SELECT count(*) AS attempts FROM calls WHERE company_id = $1 AND lead_id = n.lead_id AND direction = 'outbound' AND happened_at > n.missed_at) o
 ORDER BY k.state, n.missed_at DESC, n.lead_id

-- name: reps
-- Appointments planned for the window by whose they are, and all reps of the company; one rep alone ($5).
WITH w AS (
  SELECT a.assigned_rep_id AS rep, count(*) AS total, count(*) FILTER (WHERE a.status = 'completed') AS completed, count(*) FILTER (WHERE a.status = 'completed' AND a.outcome <> 'no_show') AS attended, count(*) FILTER (WHERE a.outcome = 'won') AS won, count(*) FILTER (WHERE a.outcome = 'won' AND a.status = 'completed') AS won_of_completed,
         count(*) FILTER (WHERE a.outcome = 'lost') AS lost, count(*) FILTER (WHERE a.outcome = 'pending' AND a.status IN ('scheduled', 'confirmed', 'completed')) AS pending,
         count(*) FILTER (WHERE a.status = 'no_show' OR a.outcome = 'no_show') AS no_show, coalesce(sum(a.deal_size_cents) FILTER (WHERE a.outcome = 'won'), 0)::bigint AS sold_cents
    FROM appointments a
   WHERE a.company_id = $1 AND a.scheduled_start >= $2::date::timestamp AT TIME ZONE $4 AND a.scheduled_start < ($3::date + 1)::timestamp AT TIME ZONE $4
     AND ($5::text IS NULL OR a.assigned_rep_id = $5)
   GROUP BY 1),
known AS (SELECT u.id AS rep FROM company_users u WHERE u.company_id = $1 AND u.role = 'sales_rep' AND u.status = 'active' AND ($5::text IS NULL OR u.id = $5) UNION SELECT w.rep FROM w)
SELECT k.rep, (SELECT coalesce(u.name, u.email) FROM company_users u WHERE u.company_id = $1 AND u.id = k.rep) AS name, coalesce(w.total, 0) AS total, coalesce(w.completed, 0) AS completed, coalesce(w.attended, 0) AS attended,
       coalesce(w.won, 0) AS won, coalesce(w.won_of_completed, 0) AS won_of_completed, coalesce(w.lost, 0) AS lost, coalesce(w.pending, 0) AS pending, coalesce(w.no_show, 0) AS no_show, coalesce(w.sold_cents, 0) AS sold_cents
  FROM known k LEFT JOIN w ON w.rep IS NOT DISTINCT FROM k.rep
 ORDER BY k.rep NULLS LAST

-- name: known_rep
-- Somebody of the company, or who had something to do with it.
SELECT 1 AS n WHERE EXISTS (SELECT FROM company_users WHERE company_id = $1 AND id = $2) OR EXISTS (SELECT FROM appointments WHERE company_id = $1 AND assigned_rep_id = $2)

-- name: leads_of_window
SELECT count(*) AS total, count(*) FILTER (WHERE l.last_qualified_at IS NOT NULL) AS qualified,
       count(*) FILTER (WHERE EXISTS (SELECT FROM appointments a WHERE a.company_id = l.company_id AND a.lead_id = l.id AND a.outcome = 'won')) AS sold FROM leads l
 WHERE l.company_id = $1 AND l.created_at >= $2::date::timestamp AT TIME ZONE $4 AND l.created_at < ($3::date + 1)::timestamp AT TIME ZONE $4

-- name: least_booking_owner
-- Who books the least of the qualified inbound calls that are theirs.
SELECT g.owner_id, (SELECT coalesce(u.name, u.email) FROM company_users u WHERE u.company_id = $1 AND u.id = g.owner_id) AS name, g.booked::float8 / g.qualified AS rate
  FROM (SELECT f.owner_id, count(*) FILTER (WHERE f.kind & 8 > 0) AS qualified, count(*) FILTER (WHERE f.kind & 56 = 24) AS booked
          FROM call_facts f
         WHERE f.company_id = $1 AND f.inbound AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4 AND f.owner_id IS NOT NULL
         GROUP BY 1) g
 WHERE g.qualified > 0 ORDER BY 3, g.qualified DESC, g.owner_id LIMIT 1

-- name: calls_at_all
-- For a window that shows nothing: whether it has inbound calls, and analysed ones, and from when to when there are any; of an owner's and nobody's, or all ($5).
SELECT EXISTS (SELECT FROM call_facts f WHERE f.company_id = $1 AND f.inbound AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                AND ($5::text IS NULL OR f.owner_id = $5 OR f.owner_id IS NULL)) AS here,
       EXISTS (SELECT FROM call_facts f WHERE f.company_id = $1 AND f.inbound AND f.analysed AND f.happened_at >= $2::date::timestamp AT TIME ZONE $4 AND f.happened_at < ($3::date + 1)::timestamp AT TIME ZONE $4
                AND ($5::text IS NULL OR f.owner_id = $5 OR f.owner_id IS NULL)) AS analysed,
       (SELECT (f.happened_at AT TIME ZONE $4)::date::text FROM call_facts f WHERE f.company_id = $1 AND f.inbound AND ($5::text IS NULL OR f.owner_id = $5 OR f.owner_id IS NULL)
         ORDER BY f.happened_at, f.call_id LIMIT 1) AS oldest,
       (SELECT (f.happened_at AT TIME ZONE $4)::date::text FROM call_facts f WHERE f.company_id = $1 AND f.inbound AND ($5::text IS NULL OR f.owner_id = $5 OR f.owner_id IS NULL)
         ORDER BY f.happened_at DESC, f.call_id DESC LIMIT 1) AS newest

-- name: visits_at_all
-- The same of appointments: of a rep's, or all ($5).
SELECT min((a.scheduled_start AT TIME ZONE $4)::date)::text AS oldest, max((a.scheduled_start AT TIME ZONE $4)::date)::text AS newest, count(*) FILTER (WHERE a.scheduled_start IS NULL) AS without_time,
       coalesce(bool_or(a.scheduled_start >= $2::date::timestamp AT TIME ZONE $4 AND a.scheduled_start < ($3::date + 1)::timestamp AT TIME ZONE $4), false) AS here
  FROM appointments a WHERE a.company_id = $1 AND ($5::text IS NULL OR a.assigned_rep_id = $5)
