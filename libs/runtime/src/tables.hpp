#pragma once
// The runtime's statements; its tables are in migrations/.
#include "pg/query.hpp"

namespace otto::rt::sql {

inline constexpr pg::Query lane_row{"rt.lane_row",
                                    "INSERT INTO lanes (consumer, topic, partition) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"};
inline constexpr pg::Query lane_holder{
    "rt.lane_holder", "SELECT backend_pid, backend_start FROM lanes WHERE consumer = $1 AND topic = $2 AND partition = $3"};
inline constexpr pg::Query end_session{"rt.end_session", "SELECT otto_end_session($1, $2) AS ended"};
inline constexpr pg::Query short_lock{"rt.short_lock", "SELECT set_config('lock_timeout', '2s', true)"};
inline constexpr pg::Query claim{"rt.claim", R"sql(
UPDATE lanes l SET epoch = l.epoch + 1, clean = false, backend_pid = pg_backend_pid(), updated_at = now(),
       backend_start = (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid())
  FROM (SELECT clean FROM lanes WHERE consumer = $1 AND topic = $2 AND partition = $3 FOR UPDATE) former
 WHERE l.consumer = $1 AND l.topic = $2 AND l.partition = $3
RETURNING l.epoch, l.next_offset, former.clean)sql"};
inline constexpr pg::Query standing{
    "rt.standing", "SELECT epoch, next_offset, true AS clean FROM lanes WHERE consumer = $1 AND topic = $2 AND partition = $3"};
// Not clean as long as begins are put on record: the next owner goes on with that, however often the partition changes hands.
inline constexpr pg::Query release{
    "rt.release",
    "UPDATE lanes SET clean = $5, updated_at = now() WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4"};
inline constexpr pg::Query fence{"rt.fence", "SELECT otto_fence($1, $2, $3, $4, $5)"};
inline constexpr pg::Query trying{"rt.trying", R"sql(
UPDATE lanes SET trying_count = CASE WHEN trying_offset = $5 THEN trying_count + 1 ELSE 1 END, trying_offset = $5
 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND epoch = $4 RETURNING trying_count AS n)sql"};
// Of whoever owns the partition by now: of those who began the event, one saw it end.
inline constexpr pg::Query take_back{"rt.take_back", R"sql(
UPDATE lanes SET trying_count = trying_count - 1 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND trying_offset = $4 AND trying_count > 0)sql"};

inline constexpr pg::Query inbox_insert{"rt.inbox_insert", R"sql(
INSERT INTO inbox (consumer, company_id, event_id) SELECT $1, c, e FROM unnest($2::text[], $3::uuid[]) AS i (c, e) ORDER BY c, e
ON CONFLICT DO NOTHING RETURNING company_id, event_id)sql"};

inline constexpr pg::Query outbox_insert{"rt.outbox_insert", R"sql(
INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers)
SELECT $1, lt, lp, t, k, v, h FROM unnest($2::text[], $3::int[], $4::text[], $5::text[], $6::bytea[], $7::jsonb[]) WITH ORDINALITY AS o (lt, lp, t, k, v, h, n) ORDER BY n RETURNING id)sql"};
inline constexpr pg::Query outbox_insert_shard{"rt.outbox_insert_shard", R"sql(
INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers, not_before, replaces) VALUES ($1, 'outbox', $2, $3, $4, $5, $6, $7, $8))sql"};
// The consumer is no condition that an index takes: outbox_of_lane begins with it, and holds the dead rows of a minute.
inline constexpr pg::Query outbox_cancel{"rt.outbox_cancel", "DELETE FROM outbox WHERE consumer || '' = $1 AND replaces = $2"};
inline constexpr pg::Query outbox_notify{"rt.outbox_notify", "SELECT pg_notify('otto_outbox', $1)"};
inline constexpr pg::Query outbox_delete{"rt.outbox_delete", "DELETE FROM outbox WHERE id = ANY ($1::bigint[])"};
// At once no more than 500 rows, and none that begins beyond 8 MiB, the first one excepted: five hundred of the largest would be
// 18 GiB. octet_length does not read what is stored apart. By id + 0, so that the rows of one lane are sorted, not those of all
// walked through.
inline constexpr pg::Query outbox_of_lane{"rt.outbox_of_lane", R"sql(
SELECT id, topic, key, value, headers
  FROM (SELECT *, sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) AS bytes_before
          FROM (SELECT id, topic, key, value, headers FROM outbox WHERE consumer = $1 AND lane_topic = $2 AND lane_partition = $3 ORDER BY id + 0 LIMIT 500) first) due
 WHERE bytes_before < 8388608 ORDER BY id)sql"};
inline constexpr pg::Query outbox_due{"rt.outbox_due", R"sql(
SELECT id, topic, key, value, headers
  FROM (SELECT *, sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) AS bytes_before
          FROM (SELECT id, topic, key, value, headers FROM outbox WHERE lane_topic = 'outbox' AND (not_before IS NULL OR not_before <= now()) ORDER BY id LIMIT 500) first) due
 WHERE bytes_before < 8388608 ORDER BY id)sql"};

inline constexpr pg::Query outbox_refused{"rt.outbox_refused", R"sql(
WITH refused AS (DELETE FROM outbox WHERE id = $1 RETURNING consumer, topic, key, value, headers)
INSERT INTO dead_letters (consumer, topic, partition, key, event_id, company_id, type, value, headers, error, history, unpublished)
SELECT consumer, topic, -1, key, $2, $3, $4, value, headers, $5, $6, true FROM refused RETURNING consumer)sql"};

inline constexpr pg::Query park{"rt.park", R"sql(
INSERT INTO parked (consumer, topic, partition, key, blocks_key, event_id, company_id, type, value, headers, attempt, error, history, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14))sql"};
inline constexpr pg::Query parked_keys{"rt.parked_keys",
                                       "SELECT key, bool_or(blocks_key) AS blocks, count(*) AS events FROM parked WHERE consumer "
                                       "= $1 AND topic = $2 AND partition = $3 GROUP BY key"};
inline constexpr pg::Query parked_due{"rt.parked_due", R"sql(
SELECT id, key, event_id, company_id, type, value, headers, attempt, history, parked_at
  FROM (SELECT p.*, min(id) FILTER (WHERE blocks_key) OVER (PARTITION BY key) AS head FROM parked p WHERE consumer = $1 AND topic = $2 AND partition = $3) p
 WHERE next_at <= now() AND (NOT blocks_key OR id = head) ORDER BY id LIMIT 50)sql"};
inline constexpr pg::Query parked_try{
    "rt.parked_try", "UPDATE parked SET attempt = attempt + 1 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND id = $4"};
inline constexpr pg::Query parked_take_back{
    "rt.parked_take_back",
    "UPDATE parked SET attempt = attempt - 1 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND id = $4 AND attempt > 0"};
inline constexpr pg::Query parked_delete{"rt.parked_delete",
                                         "DELETE FROM parked WHERE consumer = $1 AND topic = $2 AND partition = $3 AND id = $4"};
inline constexpr pg::Query parked_failed{"rt.parked_failed", R"sql(
UPDATE parked SET error = $5, history = $6, next_at = $7, attempt = $8 WHERE consumer = $1 AND topic = $2 AND partition = $3 AND id = $4)sql"};

inline constexpr pg::Query dead_letter{"rt.dead_letter", R"sql(
INSERT INTO dead_letters (consumer, topic, partition, "offset", key, event_id, company_id, type, value, headers, error, history)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12))sql"};

inline constexpr pg::Query intend{"rt.intend", R"sql(
INSERT INTO intents (consumer, intent_key, event_id, company_id, type, value, headers) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING)sql"};
inline constexpr pg::Query lease{"rt.lease", R"sql(
UPDATE intents SET state = 'running', attempt = attempt + 1, leased_until = now() + $2::bigint * interval '1 millisecond', next_at = now() + $2::bigint * interval '1 millisecond'
 WHERE (consumer, intent_key) = (SELECT consumer, intent_key FROM intents WHERE consumer = $1 AND state IN ('pending', 'running') AND next_at <= now()
                                  ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING intent_key, event_id, company_id, type, value, headers, attempt, history)sql"};
inline constexpr pg::Query intent_done{"rt.intent_done", R"sql(
UPDATE intents SET state = 'done', finished_at = now(), leased_until = NULL, error = '' WHERE consumer = $1 AND intent_key = $2 AND attempt = $3 AND state = 'running')sql"};
inline constexpr pg::Query intent_again{"rt.intent_again", R"sql(
UPDATE intents SET state = 'pending', leased_until = NULL, error = $4, history = $5, next_at = $6, attempt = $7
 WHERE consumer = $1 AND intent_key = $2 AND attempt = $3 AND state = 'running')sql"};
inline constexpr pg::Query intent_failed{"rt.intent_failed", R"sql(
UPDATE intents SET state = 'failed', finished_at = now(), leased_until = NULL, error = $4, history = $5 WHERE consumer = $1 AND intent_key = $2 AND attempt = $3 AND state = 'running')sql"};

inline constexpr pg::Query want{"rt.want", "SELECT otto_want($1, $2, $3, $4)"};
inline constexpr pg::Query unwant{"rt.unwant", "SELECT otto_unwant($1, $2, $3)"};
// Of one key that is due and that nobody is at. The lease ends by itself if its holder does. Materialized, for a plan may read
// what it joins several times: each time another row would be locked, and all but one be leased to nobody.
inline constexpr pg::Query work_take{"rt.work_take", R"sql(
WITH d AS MATERIALIZED (SELECT company_id, key FROM work WHERE queue = $1 AND due_at <= now() AND (leased_until IS NULL OR leased_until <= now()) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE work w SET lease = $2, leased_until = now() + $3::bigint * interval '1 millisecond', attempt = w.attempt + 1 FROM d
 WHERE w.queue = $1 AND w.company_id = d.company_id AND w.key = d.key
RETURNING w.company_id, w.key, w.id, w.round, w.attempt, w.wanted, clock_timestamp() AS now)sql"};
// The same, of companies other than these: who has thousands of keys due is passed over without looking at them.
inline constexpr pg::Query work_take_of_others{"rt.work_take_of_others", R"sql(
WITH RECURSIVE known AS (
  (SELECT company_id FROM work WHERE queue = $1 ORDER BY company_id LIMIT 1)
  UNION ALL
  SELECT (SELECT w.company_id FROM work w WHERE w.queue = $1 AND w.company_id > k.company_id ORDER BY w.company_id LIMIT 1) FROM known k WHERE k.company_id IS NOT NULL
), first AS (
  SELECT d.company_id, d.key FROM known k CROSS JOIN LATERAL (
    SELECT w.company_id, w.key, w.due_at FROM work w
     WHERE w.queue = $1 AND w.company_id = k.company_id AND w.due_at <= now() AND (w.leased_until IS NULL OR w.leased_until <= now()) ORDER BY w.due_at LIMIT 8) d
   WHERE k.company_id <> ALL ($4::text[]) ORDER BY d.due_at LIMIT 32
), d AS MATERIALIZED (
  SELECT company_id, key FROM work WHERE queue = $1 AND (company_id, key) IN (SELECT company_id, key FROM first) AND due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
   ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE work w SET lease = $2, leased_until = now() + $3::bigint * interval '1 millisecond', attempt = w.attempt + 1 FROM d
 WHERE w.queue = $1 AND w.company_id = d.company_id AND w.key = d.key
RETURNING w.company_id, w.key, w.id, w.round, w.attempt, w.wanted, clock_timestamp() AS now)sql"};
// Without a lock: whoever wants it anew locks the row after rows of its own, as this transaction does in its last statement.
inline constexpr pg::Query work_held{
    "rt.work_held",
    "SELECT wanted, round, clock_timestamp() AS now FROM work WHERE queue = $1 AND company_id = $2 AND key = $3 AND lease = $4"};
inline constexpr pg::Query work_settle{"rt.work_settle", "SELECT otto_settle_work($1, $2, $3, $4, $5, $6, $7, $8, $9)"};
inline constexpr pg::Query work_renew{"rt.work_renew", R"sql(
UPDATE work w SET leased_until = now() + $2::bigint * interval '1 millisecond' FROM unnest($3::text[], $4::text[], $5::uuid[]) AS i (company_id, key, lease)
 WHERE w.queue = $1 AND w.company_id = i.company_id AND w.key = i.key AND w.lease = i.lease)sql"};
// One look into the index on each side.
inline constexpr pg::Query work_of_others{"rt.work_of_others", R"sql(
SELECT EXISTS (SELECT FROM work WHERE queue = $1 AND company_id < $2) OR EXISTS (SELECT FROM work WHERE queue = $1 AND company_id > $2) AS others)sql"};
inline constexpr pg::Query work_due{
    "rt.work_due", "SELECT company_id, key FROM work WHERE queue = $1 AND due_at <= now() ORDER BY due_at LIMIT $2"};
// Who is about to change what a row is about goes first: it comes up again.
inline constexpr pg::Query work_lock{"rt.work_lock", R"sql(
SELECT w.company_id, w.key, w.wanted, clock_timestamp() AS now FROM work w JOIN unnest($2::text[], $3::text[]) AS i (company_id, key) ON w.company_id = i.company_id AND w.key = i.key
 WHERE w.queue = $1 AND w.due_at <= now() ORDER BY w.company_id, w.key FOR UPDATE OF w SKIP LOCKED)sql"};
inline constexpr pg::Query work_done{"rt.work_done", R"sql(
DELETE FROM work w USING unnest($2::text[], $3::text[], $4::bigint[]) AS i (company_id, key, wanted)
 WHERE w.queue = $1 AND w.company_id = i.company_id AND w.key = i.key AND w.wanted = i.wanted)sql"};
inline constexpr pg::Query work_again{"rt.work_again", R"sql(
UPDATE work w SET due_at = i.due_at FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[]) AS i (company_id, key, wanted, due_at)
 WHERE w.queue = $1 AND w.company_id = i.company_id AND w.key = i.key AND w.wanted = i.wanted)sql"};
inline constexpr pg::Query work_put_off{"rt.work_put_off", R"sql(
UPDATE work SET due_at = now() + $4::bigint * interval '1 millisecond', error = $5, attempt = attempt + 1 WHERE queue = $1 AND company_id = $2 AND key = $3)sql"};
inline constexpr pg::Query work_standing{"rt.work_standing", R"sql(
SELECT q.queue, count(w.*) FILTER (WHERE due_at <= now() AND (leased_until IS NULL OR leased_until <= now())) AS due, count(w.*) FILTER (WHERE given_up_at IS NULL) AS open, count(given_up_at) AS given_up,
       coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE given_up_at IS NULL)), 0) AS oldest,
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE given_up_at IS NULL AND (leased_until IS NULL OR leased_until <= now()))), 0) AS overdue
  FROM unnest($1::text[]) AS q (queue) LEFT JOIN work w ON w.queue = q.queue GROUP BY q.queue)sql"};

inline constexpr pg::Query take_budget{
    "rt.take_budget", "SELECT granted, wait_ms FROM otto_take_budget($1, $2, $3::double precision[], $4::bigint[], $5, $6, $7)"};

// Whom nobody asked for a limit's time has all of it again.
inline constexpr pg::Query budgets_left{"rt.budgets_left", R"sql(
SELECT l.what, min(least(1, coalesce((b.remaining + greatest(0, extract(epoch FROM now() - b.at)) * 1000 * l.most / l.per) / l.most, 1))) AS share
  FROM unnest($1::text[], $2::double precision[], $3::bigint[]) AS l (what, most, per)
  LEFT JOIN budgets b ON b.consumer = $4 AND b.per_ms = l.per AND starts_with(b.name, l.what || '/') AND b.at > now() - l.per * interval '1 millisecond'
 GROUP BY l.what)sql"};

inline constexpr pg::Query try_lock{"rt.try_lock", "SELECT pg_try_advisory_lock(hashtextextended($1, 7368)) AS got"};
inline constexpr pg::Query standing_of_service{"rt.standing_of_service", R"sql(
SELECT coalesce(extract(epoch FROM now() - (SELECT created_at FROM outbox WHERE not_before IS NULL ORDER BY id LIMIT 1)), 0) AS oldest, (SELECT count(*) FROM parked) AS parked,
       (SELECT count(*) FROM dead_letters) AS dead, (SELECT count(*) FROM intents WHERE state IN ('pending', 'running')) AS intents)sql"};

}  // namespace otto::rt::sql
