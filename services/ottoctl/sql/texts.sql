-- name: texts_by_company
-- Who has texts that are still to leave, or is not let in at Twilio.
SELECT json_build_object('company_id', coalesce(s.company_id, p.company_id), 'texts', coalesce(s.texts, 0), 'scheduled', coalesce(s.scheduled, 0), 'waiting', coalesce(s.waiting, 0), 'under_way', coalesce(s.under_way, 0),
                         'in_doubt', coalesce(s.in_doubt, 0), 'put_off', coalesce(s.put_off, 0), 'oldest_s', round(extract(epoch FROM now() - s.oldest)), 'paused_since', p.since, 'paused_until', p.until, 'paused_why', p.why) AS j
  FROM (SELECT company_id, count(*) AS texts, count(*) FILTER (WHERE state = 'scheduled') AS scheduled, count(*) FILTER (WHERE state IN ('waiting', 'behind')) AS waiting,
               count(*) FILTER (WHERE state IN ('released', 'asked') AND failures = 0) AS under_way, count(*) FILTER (WHERE state = 'unknown') AS in_doubt, count(*) FILTER (WHERE failures > 0 AND state IN ('released', 'asked')) AS put_off,
               min(accepted_at) FILTER (WHERE state <> 'scheduled') AS oldest
          FROM text_sends GROUP BY company_id) s
  FULL JOIN text_pauses p ON p.company_id = s.company_id
 WHERE $1::text[] IS NULL OR coalesce(s.company_id, p.company_id) = ANY ($1)
 ORDER BY p.why IS NULL, s.texts DESC NULLS LAST, coalesce(s.company_id, p.company_id)

-- name: texts_held_up
-- What does not simply wait for its turn: nobody knows whether Twilio took it, or it was asked and did not.
SELECT json_build_object('id', message_id, 'company_id', company_id, 'number', from_number, 'to_number', to_number, 'state', CASE WHEN state = 'unknown' THEN 'in doubt' WHEN state IN ('released', 'asked') THEN 'put off' ELSE state END, 'automatic', automatic,
                         'accepted_at', accepted_at, 'asked_at', asked_at, 'looked_at', looked_at, 'not_found', not_found, 'failures', failures, 'why', nullif(why, ''),
                         'next_at', (SELECT nullif(min(w.due_at), 'infinity') FROM work w
                                      WHERE w.company_id = s.company_id AND (w.queue, w.key) IN (('lead-pipeline/texts', s.message_id::text), ('lead-pipeline/text-numbers', s.from_number)))) AS j
  FROM text_sends s
 WHERE (state = 'unknown' OR failures > 0) AND ($1::text[] IS NULL OR company_id = ANY ($1))
 ORDER BY accepted_at, message_id LIMIT $2::bigint

-- name: texts_chosen
-- By id: whatever is still to leave. Else what is held up, and all that waits of who is paused; not what waits for its time.
SELECT s.company_id, s.message_id FROM text_sends s
 WHERE CASE WHEN $1::uuid[] IS NULL THEN s.state <> 'scheduled' AND (s.state = 'unknown' OR s.failures > 0 OR EXISTS (SELECT FROM text_pauses p WHERE p.company_id = s.company_id))
            ELSE s.message_id = ANY ($1) END
   AND ($2::text IS NULL OR s.company_id = $2)
 ORDER BY s.accepted_at, s.message_id

-- name: texts_not_in_line
-- Why each of them cannot be tried again. What failed for good is not sent again by anybody: who wants it to be writes a new one.
SELECT json_build_object('id', i.id, 'why', CASE WHEN m.id IS NULL THEN 'there is no such text' WHEN m.direction = 'inbound' THEN 'it came in'
                                                 WHEN m.status = 'canceled' THEN 'it was cancelled' WHEN m.status = 'failed' THEN 'it failed for good, and is never sent again: a new one may be written'
                                                 ELSE 'the provider has it: ' || m.status END) AS j
  FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, n) LEFT JOIN messages m ON m.id = i.id WHERE NOT EXISTS (SELECT FROM text_sends s WHERE s.message_id = i.id) ORDER BY i.n

-- part: those
unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS i (company_id, id, n)

-- name: texts_summary
SELECT json_build_object('texts', count(*), 'company_id', company_id, 'state', state, 'why', why, 'oldest', min(accepted_at), 'newest', max(accepted_at)) AS j
  FROM (SELECT s.company_id, s.accepted_at, coalesce(p.why, nullif(s.why, '')) AS why,
               CASE WHEN s.state = 'unknown' THEN 'in doubt' WHEN s.failures > 0 AND s.state IN ('released', 'asked') THEN 'put off' ELSE s.state END AS state
          FROM /*those*/ JOIN text_sends s ON s.company_id = i.company_id AND s.message_id = i.id LEFT JOIN text_pauses p ON p.company_id = s.company_id) t
 GROUP BY company_id, state, why ORDER BY count(*) DESC, company_id

-- name: note_texts
INSERT INTO operator_actions (operator, action, target, company_id, reason, detail)
SELECT $3, 'text.retry', s.message_id, s.company_id, $4, json_build_object('state', s.state, 'failures', s.failures, 'why', s.why)
  FROM /*those*/ JOIN text_sends s ON s.company_id = i.company_id AND s.message_id = i.id ORDER BY i.n

-- name: ask_texts
-- Only a knock: lead-pipeline looks at the heads of their lines, and decides. Work before the pause, as whoever sends locks them.
SELECT otto_want(queue, company_id, key, now()), now() AS at
  FROM (SELECT DISTINCT CASE h.state WHEN 'waiting' THEN 'lead-pipeline/text-numbers' ELSE 'lead-pipeline/texts' END AS queue, h.company_id, CASE h.state WHEN 'waiting' THEN h.from_number ELSE h.message_id::text END AS key
          FROM /*those*/ JOIN text_sends s ON s.company_id = i.company_id AND s.message_id = i.id AND s.state <> 'scheduled'
          JOIN text_sends h ON h.company_id = s.company_id AND h.from_number = s.from_number AND h.to_number = s.to_number AND h.state IN ('waiting', 'released', 'asked', 'unknown') ORDER BY 1, 2, 3) wanted

-- name: end_pauses
-- One text of each is tried now; whoever is refused again is paused again.
UPDATE text_pauses SET until = least(until, now()) WHERE company_id = ANY ($1::text[])

-- name: texts_under_way
-- Of those that were knocked for at $3: looks that were not taken yet, and texts that are just being asked. One that was released and is due later has been asked, and is put off.
-- A pause that is over stands until one text has been tried; without credentials nothing can be.
WITH mine AS (SELECT s.* FROM /*those*/ JOIN text_sends s ON s.company_id = i.company_id AND s.message_id = i.id)
SELECT (SELECT count(*) FROM (SELECT DISTINCT company_id, from_number FROM mine WHERE state IN ('waiting', 'behind')) s
          JOIN work w ON w.queue = 'lead-pipeline/text-numbers' AND w.company_id = s.company_id AND w.key = s.from_number AND w.due_at <= $3) +
       (SELECT count(*) FROM mine s JOIN work w ON w.queue = 'lead-pipeline/texts' AND w.company_id = s.company_id AND w.key = s.message_id::text AND w.due_at <= CASE s.state WHEN 'released' THEN now() ELSE $3 END) +
       (SELECT count(*) FROM mine WHERE state = 'asked') +
       (SELECT count(*) FROM text_pauses WHERE credentials <> '' AND until <= now() AND company_id IN (SELECT company_id FROM mine WHERE state IN ('waiting', 'released'))) AS n

-- name: texts_outcomes
SELECT json_build_object('id', i.id, 'company_id', m.company_id, 'outcome', CASE WHEN s.state = 'unknown' THEN 'in doubt' WHEN s.state IS NOT NULL THEN 'waits' WHEN m.status IN ('failed', 'canceled') THEN m.status ELSE 'taken' END,
                         'status', m.status, 'why', CASE WHEN s.state IS NULL THEN m.error_message WHEN s.state = 'scheduled' THEN 'its time is ' || to_char(m.scheduled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                                                         WHEN s.state = 'behind' THEN 'another text from this number to this person is before it' WHEN p.until > now() OR p.credentials = '' THEN p.why
                                                         WHEN s.state = 'waiting' THEN 'it is next when its number may send again' ELSE nullif(s.why, '') END) AS j
  FROM /*those*/ JOIN messages m ON m.company_id = i.company_id AND m.id = i.id LEFT JOIN text_sends s ON s.company_id = m.company_id AND s.message_id = m.id
  LEFT JOIN text_pauses p ON p.company_id = m.company_id
 ORDER BY i.n
