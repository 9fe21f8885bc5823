-- name: new_call_ids
SELECT nextval('call_id_seq') AS call_id FROM generate_series(1, $1::int)

-- name: phones_of_calls
SELECT company_id, call_id, phone_number FROM calls WHERE (company_id, call_id) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))

-- name: oldest_of_cards
SELECT company_id, contact_card_id, lead_id, min(call_id) AS oldest, count(*) AS calls FROM calls WHERE (company_id, contact_card_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) GROUP BY company_id, contact_card_id, lead_id

-- name: fold_tasks
-- Tasks of the younger of two rows that are one call, before it goes. Where both rows' analyses asked for the same thing, the one that a person had a hand in stays, else the older row's; the other one is
-- cancelled. Two that people had a hand in both stay.
WITH both_rows AS (
  SELECT id, call_id, action_type, slot, edited_by IS NULL AND status IN ('open', 'overdue') AS spare FROM tasks
   WHERE company_id = $1 AND call_id IN ($2, $3) AND source = 'shunya' ORDER BY id FOR UPDATE),
pairs AS (
  SELECT CASE WHEN t.spare THEN t.id WHEN o.spare THEN o.id END AS cancelled FROM both_rows t JOIN both_rows o USING (action_type, slot) WHERE t.call_id = $2 AND o.call_id = $3)
UPDATE tasks t SET call_id = $3, version = version + 1, updated_at = now(), status = CASE WHEN t.id IN (SELECT cancelled FROM pairs) THEN 'cancelled' ELSE t.status END,
       slot = CASE t.call_id WHEN $2 THEN t.slot + coalesce((SELECT max(o.slot) + 1 FROM both_rows o WHERE o.call_id = $3 AND o.action_type = t.action_type), 0) ELSE t.slot END
 WHERE t.company_id = $1 AND (t.call_id = $2 OR t.id IN (SELECT cancelled FROM pairs))
RETURNING t.id, t.version

-- name: fold_call
-- The younger of two rows that are one call goes; its ids lead to the older, and what hangs on it goes there.
WITH moved AS (UPDATE call_aliases SET call_id = $3 WHERE company_id = $1 AND call_id = $2),
     earlier AS (UPDATE folded_calls SET into_id = $3 WHERE company_id = $1 AND into_id = $2),
     folded AS (INSERT INTO folded_calls (company_id, from_id, into_id) VALUES ($1, $2, $3)),
     verdict AS (UPDATE call_verdicts v SET call_id = $3 WHERE company_id = $1 AND call_id = $2 AND NOT EXISTS (SELECT FROM call_verdicts o WHERE o.company_id = $1 AND o.call_id = $3)),
     voicemails AS (UPDATE voicemail_messages SET call_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND call_id = $2),
     due AS (DELETE FROM work WHERE queue = 'lead-pipeline/missed-calls' AND company_id = $1 AND key = $2::bigint::text)
DELETE FROM calls WHERE company_id = $1 AND call_id = $2

-- name: forget_verdict
-- Of a call that is folded into one that has a verdict of its own.
DELETE FROM call_verdicts WHERE company_id = $1 AND call_id = $2

-- name: watch_missed_calls
-- Who has much to catch up on may have the report that says otherwise in the queue: so a little from now on in any case.
SELECT otto_want('lead-pipeline/missed-calls', company_id, call_id::text, greatest(received_at + $4::bigint * interval '1 millisecond', now() + least($4::bigint, 30000) * interval '1 millisecond'))
  FROM (SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS i (company_id, call_id, received_at) ORDER BY company_id, call_id) missed

-- name: forget_missed_calls
DELETE FROM work WHERE queue = 'lead-pipeline/missed-calls' AND (company_id, key) IN (SELECT company_id, call_id::text FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id))

-- name: adopt_lead
-- A call's lead goes with it to its card, with its tasks, unless other calls hang on it: where that card has no open lead, or where a person has closed this one. $5: in any case.
WITH moved AS (
  UPDATE leads l SET contact_card_id = $3, version = version + 1, updated_at = now()
   WHERE l.company_id = $1 AND l.id = $2
     AND ($5::boolean OR (NOT EXISTS (SELECT FROM calls c WHERE c.company_id = $1 AND c.lead_id = $2 AND c.call_id <> $4)
          AND ((l.edited_status IS NOT NULL AND l.status IN ('closed_won', 'closed_lost', 'abandoned'))
               OR NOT EXISTS (SELECT FROM leads o WHERE o.company_id = $1 AND o.contact_card_id = $3 AND o.status NOT IN ('closed_won', 'closed_lost', 'abandoned')))))
  RETURNING l.id),
tasks_too AS (UPDATE tasks SET contact_card_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND lead_id = $2 AND EXISTS (SELECT FROM moved))
SELECT id FROM moved

-- name: move_tasks
-- Those of the call, those of texts that are on the other lead by now, and of a lead that is about to go all.
UPDATE tasks SET lead_id = $3, contact_card_id = $5, version = version + 1, updated_at = now()
 WHERE company_id = $1 AND lead_id = $2 AND (call_id = $4 OR message_id IN (SELECT m.id FROM messages m WHERE m.company_id = $1 AND m.lead_id = $3)
       OR NOT EXISTS (SELECT FROM calls c WHERE c.company_id = $1 AND c.lead_id = $2) AND NOT EXISTS (SELECT FROM messages m WHERE m.company_id = $1 AND m.lead_id = $2))
RETURNING id, version

-- name: move_verdicts
UPDATE call_verdicts SET lead_id = $3, updated_at = now() WHERE company_id = $1 AND lead_id = $2 AND call_id = $4

-- name: fold_lead
-- A lead that has no calls and texts any more goes into the one that has them; what people did to it is done to that one, the later word on a status counts. No row: it has some.
WITH gone AS (DELETE FROM leads l WHERE l.company_id = $1 AND l.id = $2 AND NOT EXISTS (SELECT FROM calls c WHERE c.company_id = l.company_id AND c.lead_id = l.id)
                 AND NOT EXISTS (SELECT FROM messages m WHERE m.company_id = l.company_id AND m.lead_id = l.id) RETURNING l.*),
     earlier AS (UPDATE folded_rows SET into_id = $3, updated_at = now() WHERE company_id = $1 AND kind = 'lead' AND into_id = $2 AND EXISTS (SELECT FROM gone)),
     mark AS (INSERT INTO folded_rows (company_id, kind, from_id, into_id) SELECT company_id, 'lead', id, $3 FROM gone
              ON CONFLICT (company_id, kind, from_id) DO UPDATE SET into_id = excluded.into_id, updated_at = now()),
     heir AS (
       UPDATE leads l SET assigned_rep_id = coalesce(l.assigned_rep_id, g.assigned_rep_id), pool_status = CASE WHEN l.pool_status = 'in_pool' AND g.assigned_rep_id IS NOT NULL THEN 'assigned' ELSE l.pool_status END,
              edited_status = CASE WHEN later THEN g.edited_status ELSE l.edited_status END, status_edited_at = CASE WHEN later THEN g.status_edited_at ELSE l.status_edited_at END,
              status_edited_by = CASE WHEN later THEN g.status_edited_by ELSE l.status_edited_by END, created_at = least(l.created_at, g.created_at), version = l.version + 1, updated_at = now()
         FROM (SELECT gone.*, gone.status_edited_at IS NOT NULL AND gone.status_edited_at > coalesce(m.status_edited_at, '-infinity') AS later FROM gone JOIN leads m ON m.company_id = $1 AND m.id = $3) g
        WHERE l.company_id = $1 AND l.id = $3)
SELECT id FROM gone

-- name: relearn_lead
-- What a lead knows from its calls and texts, after some of them have left it.
UPDATE leads l SET source = s.source, source_at = s.at, source_call = s.provider_call_id, last_contacted_at = c.last, version = l.version + 1, updated_at = now()
  FROM (SELECT greatest((SELECT max(coalesce(started_at, received_at)) FROM calls WHERE company_id = $1 AND lead_id = $2),
                        (SELECT max(sent_at) FROM messages WHERE company_id = $1 AND lead_id = $2 AND body IS NOT NULL)) AS last) c
  LEFT JOIN LATERAL (SELECT source, coalesce(started_at, received_at) AS at, provider_call_id FROM calls WHERE company_id = $1 AND lead_id = $2 AND source IS NOT NULL ORDER BY 2, 3 LIMIT 1) s ON true
 WHERE l.company_id = $1 AND l.id = $2 AND c.last IS NOT NULL
RETURNING l.contact_card_id

-- name: fold_card
-- A card that stood for a caller without a number, once nothing hangs on it.
WITH gone AS (
  DELETE FROM contact_cards k WHERE company_id = $1 AND id = $2 AND primary_phone IS NULL
     AND NOT EXISTS (SELECT FROM calls c WHERE c.company_id = k.company_id AND c.contact_card_id = k.id)
     AND NOT EXISTS (SELECT FROM messages m WHERE m.company_id = k.company_id AND m.contact_card_id = k.id)
     AND NOT EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id)
  RETURNING id),
tasks_too AS (UPDATE tasks SET contact_card_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND contact_card_id = $2 AND EXISTS (SELECT FROM gone)),
earlier AS (UPDATE folded_rows SET into_id = $3, updated_at = now() WHERE company_id = $1 AND kind = 'contact' AND into_id = $2 AND EXISTS (SELECT FROM gone))
INSERT INTO folded_rows (company_id, kind, from_id, into_id) SELECT $1, 'contact', id, $3 FROM gone
ON CONFLICT (company_id, kind, from_id) DO UPDATE SET into_id = excluded.into_id, updated_at = now()

-- name: users_of_emails
-- Of two users with one e-mail the first counts, always the same.
SELECT u.company_id, i.email, min(u.id) AS id FROM unnest($1::text[], $2::text[]) AS i (company_id, email)
  JOIN company_users u ON u.company_id = i.company_id AND lower(u.email) = lower(i.email) AND u.status <> 'removed' GROUP BY u.company_id, i.email
