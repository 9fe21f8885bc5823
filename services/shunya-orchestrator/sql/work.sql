-- name: take_work
-- One call that is due and that nobody is at. The lease ends by itself if its holder does. Materialized, for a plan may read what it joins several times: each time another row would be locked, and all but one be leased to
-- nobody.
WITH d AS MATERIALIZED (SELECT company_id, call_id FROM orchestrator_work WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now()) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE orchestrator_work w SET lease = $1, leased_until = now() + $2::bigint * interval '1 millisecond' FROM d
 WHERE w.company_id = d.company_id AND w.call_id = d.call_id
RETURNING w.company_id, w.call_id

-- name: take_work_of_others
-- The same, of companies other than these: who has thousands of calls due is passed over without looking at them.
WITH RECURSIVE known AS (
  (SELECT company_id FROM orchestrator_work ORDER BY company_id LIMIT 1)
  UNION ALL
  SELECT (SELECT w.company_id FROM orchestrator_work w WHERE w.company_id > k.company_id ORDER BY w.company_id LIMIT 1) FROM known k WHERE k.company_id IS NOT NULL
), first AS (
  SELECT d.company_id, d.call_id FROM known k CROSS JOIN LATERAL (
    SELECT w.company_id, w.call_id, w.due_at FROM orchestrator_work w
     WHERE w.company_id = k.company_id AND w.due_at <= now() AND (w.leased_until IS NULL OR w.leased_until <= now()) ORDER BY w.due_at LIMIT 8) d
   WHERE k.company_id <> ALL ($3::text[]) ORDER BY d.due_at LIMIT 32
), d AS MATERIALIZED (
  SELECT company_id, call_id FROM orchestrator_work WHERE (company_id, call_id) IN (SELECT company_id, call_id FROM first) AND due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE orchestrator_work w SET lease = $1, leased_until = now() + $2::bigint * interval '1 millisecond' FROM d
 WHERE w.company_id = d.company_id AND w.call_id = d.call_id
RETURNING w.company_id, w.call_id

-- name: hold_lease
-- Still ours? Then for another while. No row: somebody else's.
UPDATE orchestrator_work SET leased_until = now() + $4::bigint * interval '1 millisecond' WHERE company_id = $1 AND call_id = $2 AND lease = $3

-- name: renew_leases
UPDATE orchestrator_work SET leased_until = now() + $2::bigint * interval '1 millisecond' WHERE lease = ANY ($1::uuid[])

-- name: put_back
UPDATE orchestrator_work SET due_at = $4, lease = NULL, leased_until = NULL WHERE company_id = $1 AND call_id = $2 AND lease = $3

-- name: work_done
DELETE FROM orchestrator_work WHERE company_id = $1 AND call_id = $2 AND lease = $3

-- name: want_work
INSERT INTO orchestrator_work (company_id, call_id, due_at) VALUES ($1, $2, $3) ON CONFLICT (company_id, call_id) DO UPDATE SET due_at = excluded.due_at

-- name: wake_workers
SELECT pg_notify('otto_work', '')

-- name: standing
SELECT count(*) FILTER (WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now())) AS due, count(*) AS open,
       coalesce(extract(epoch FROM now() - min(created_at)), 0) AS oldest, coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE leased_until IS NULL OR leased_until <= now())), 0) AS overdue
  FROM orchestrator_work

-- name: others_under_way
-- Whether a company besides this one has calls under way; one look into the index on each side.
SELECT EXISTS (SELECT FROM orchestrator_work WHERE company_id < $1) OR EXISTS (SELECT FROM orchestrator_work WHERE company_id > $1) AS others
