-- name: lanes
-- Where consumers stand by their own tables; a pass-through has no next_offset, its group's offset counts.
SELECT consumer, topic, partition, next_offset, clean, updated_at FROM lanes WHERE topic <> 'outbox' ORDER BY consumer, topic, partition

-- name: waiting
-- What each consumer still has to say and to do.
SELECT json_build_object('consumer', c.consumer, 'outbox', coalesce(o.n, 0), 'outbox_oldest_s', round(extract(epoch FROM now() - o.oldest)), 'timers', coalesce(o.timers, 0),
                         'parked', coalesce(p.n, 0), 'parked_oldest_s', round(extract(epoch FROM now() - p.oldest)), 'intents', coalesce(i.n, 0), 'intents_failed', coalesce(i.failed, 0),
                         'dead_letters', coalesce(d.n, 0), 'dead_newest_at', d.newest) AS j
  FROM (SELECT consumer FROM lanes UNION SELECT consumer FROM outbox UNION SELECT consumer FROM parked UNION SELECT consumer FROM dead_letters UNION SELECT consumer FROM intents) c
  LEFT JOIN (SELECT consumer, count(*) FILTER (WHERE not_before IS NULL OR not_before <= now()) AS n, count(*) FILTER (WHERE not_before > now()) AS timers,
                    min(created_at) FILTER (WHERE not_before IS NULL) AS oldest FROM outbox GROUP BY consumer) o USING (consumer)
  LEFT JOIN (SELECT consumer, count(*) AS n, min(parked_at) AS oldest FROM parked GROUP BY consumer) p USING (consumer)
  LEFT JOIN (SELECT consumer, count(*) FILTER (WHERE state IN ('pending', 'running')) AS n, count(*) FILTER (WHERE state = 'failed') AS failed FROM intents GROUP BY consumer) i USING (consumer)
  LEFT JOIN (SELECT consumer, count(*) AS n, max(dead_at) AS newest FROM dead_letters GROUP BY consumer) d USING (consumer)
 ORDER BY c.consumer

-- name: held_total
SELECT json_build_object('held', count(*), 'oldest_at', min(received_at), 'oldest_s', round(extract(epoch FROM now() - min(received_at))), 'asked', count(asked_at)) AS j
  FROM held_events WHERE released_at IS NULL

-- name: queues
SELECT json_build_object('queue', queue, 'open', count(*) FILTER (WHERE given_up_at IS NULL), 'due', count(*) FILTER (WHERE due_at <= now()), 'at_work', count(*) FILTER (WHERE leased_until > now()),
                         'oldest_s', round(extract(epoch FROM now() - min(created_at) FILTER (WHERE given_up_at IS NULL))), 'given_up', count(given_up_at), 'last_error', max(error) FILTER (WHERE given_up_at IS NOT NULL)) AS j
  FROM work GROUP BY queue ORDER BY queue
