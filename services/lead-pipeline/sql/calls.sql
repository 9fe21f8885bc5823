-- name: known_aliases
SELECT a.company_id, a.provider, a.alias, a.call_id FROM call_aliases a
  JOIN unnest($1::text[], $2::text[], $3::text[]) AS i (company_id, provider, alias) USING (company_id, provider, alias)

-- name: new_call_ids
SELECT nextval('call_id_seq') AS call_id FROM generate_series(1, $1::int)

-- name: ensure_contacts
-- Cards of callable numbers; sorted, so that two batches never wait for each other crosswise.
INSERT INTO contact_cards (company_id, id, primary_phone)
SELECT company_id, id, phone FROM unnest($1::text[], $2::uuid[], $3::text[]) AS i (company_id, id, phone) ORDER BY company_id, phone
ON CONFLICT (company_id, primary_phone) WHERE primary_phone IS NOT NULL DO NOTHING

-- name: ensure_nameless_contacts
-- One that parts from an old card is as old as its call.
INSERT INTO contact_cards (company_id, id, created_at) SELECT company_id, id, coalesce(made_at, now()) FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS i (company_id, id, made_at) ORDER BY company_id, id
ON CONFLICT DO NOTHING

-- name: lock_contacts
SELECT c.company_id, c.id, c.primary_phone, c.first_name, c.last_name, c.address, c.city, c.state, c.merge_state FROM contact_cards c
 WHERE (c.company_id, c.primary_phone) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY c.company_id, c.primary_phone FOR UPDATE

-- name: lock_contacts_by_id
SELECT c.company_id, c.id, c.primary_phone, c.first_name, c.last_name, c.address, c.city, c.state, c.merge_state FROM contact_cards c
 WHERE (c.company_id, c.id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) ORDER BY c.company_id, c.id FOR UPDATE

-- name: phones_of_calls
SELECT company_id, call_id, phone_number FROM calls WHERE (company_id, call_id) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))

-- name: oldest_of_cards
SELECT company_id, contact_card_id, lead_id, min(call_id) AS oldest, count(*) AS calls FROM calls WHERE (company_id, contact_card_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) GROUP BY company_id, contact_card_id, lead_id

-- name: lock_calls
SELECT *, to_jsonb(tags) AS tags_json FROM calls WHERE (company_id, call_id) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) ORDER BY company_id, call_id FOR UPDATE

-- name: leads_of
-- Open leads of contacts, and the leads that calls belong to.
SELECT company_id, id, contact_card_id, status, source, source_at, source_call, last_contacted_at FROM leads
 WHERE (company_id, contact_card_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) AND status NOT IN ('closed_won', 'closed_lost', 'abandoned')
UNION
SELECT company_id, id, contact_card_id, status, source, source_at, source_call, last_contacted_at FROM leads
 WHERE (company_id, id) IN (SELECT * FROM unnest($3::text[], $4::uuid[]))

-- name: add_leads
INSERT INTO leads (company_id, id, contact_card_id, source, source_at, source_call, last_contacted_at, created_at)
SELECT company_id, id, contact_card_id, source, source_at, source_call, last_contacted_at, coalesce(made_at, now())
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::timestamptz[], $8::timestamptz[])
    AS i (company_id, id, contact_card_id, source, source_at, source_call, last_contacted_at, made_at)

-- name: touch_leads
UPDATE leads l SET source = i.source, source_at = i.source_at, source_call = i.source_call, last_contacted_at = i.last_contacted_at, version = l.version + 1, updated_at = now()
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[]) AS i (company_id, id, source, source_at, source_call, last_contacted_at)
 WHERE l.company_id = i.company_id AND l.id = i.id

-- name: name_contacts
UPDATE contact_cards c SET first_name = i.first_name, last_name = i.last_name, address = i.address, city = i.city, state = i.state, merge_state = i.merge_state, version = c.version + 1, updated_at = now()
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS i (company_id, id, first_name, last_name, address, city, state, merge_state)
 WHERE c.company_id = i.company_id AND c.id = i.id

-- name: save_calls
-- tags travel as JSON: a column of arrays would have to be of one length.
INSERT INTO calls AS c (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, ended_at,
                   contact_card_id, lead_id, source, campaign, keywords, tags, note, value, lead_status, first_call, received_at, merge_state, version, traceparent, owner_id)
SELECT company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, ended_at,
       contact_card_id, lead_id, source, campaign, keywords, ARRAY(SELECT jsonb_array_elements_text(tags)), note, value, lead_status, first_call, received_at, merge_state, version, traceparent, owner_id
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::boolean[], $10::boolean[], $11::int[], $12::text[], $13::timestamptz[], $14::timestamptz[],
              $15::uuid[], $16::uuid[], $17::text[], $18::text[], $19::text[], $20::jsonb[], $21::text[], $22::text[], $23::text[], $24::boolean[], $25::timestamptz[], $26::text[], $27::bigint[], $28::text[], $29::text[])
       AS i (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, ended_at,
             contact_card_id, lead_id, source, campaign, keywords, tags, note, value, lead_status, first_call, received_at, merge_state, version, traceparent, owner_id)
 ORDER BY company_id, call_id
ON CONFLICT (company_id, call_id) DO UPDATE SET provider_call_id = excluded.provider_call_id, contact_card_id = excluded.contact_card_id, lead_id = excluded.lead_id,
  phone_number = excluded.phone_number, tracking_number = excluded.tracking_number, direction = excluded.direction, status = excluded.status, missed_call = excluded.missed_call,
  answered = excluded.answered, duration = excluded.duration, recording_url = excluded.recording_url, started_at = excluded.started_at, ended_at = excluded.ended_at, source = excluded.source,
  campaign = excluded.campaign, keywords = excluded.keywords, tags = excluded.tags, note = excluded.note, value = excluded.value, lead_status = excluded.lead_status, first_call = excluded.first_call,
  received_at = excluded.received_at, merge_state = excluded.merge_state, owner_id = excluded.owner_id, version = excluded.version, updated_at = now()

-- name: add_aliases
-- No ON CONFLICT: if another batch has just given the call a row under one of these ids, this batch must read it and begin again.
INSERT INTO call_aliases (company_id, provider, alias, call_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS i (company_id, provider, alias, call_id) ORDER BY company_id, provider, alias

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
-- Those of the call, and of a lead that is about to go all.
UPDATE tasks SET lead_id = $3, contact_card_id = $5, version = version + 1, updated_at = now()
 WHERE company_id = $1 AND lead_id = $2 AND (call_id = $4 OR NOT EXISTS (SELECT FROM calls c WHERE c.company_id = $1 AND c.lead_id = $2))
RETURNING id, version

-- name: move_verdicts
UPDATE call_verdicts SET lead_id = $3, updated_at = now() WHERE company_id = $1 AND lead_id = $2 AND call_id = $4

-- name: fold_lead
-- A lead that has no calls any more goes into the one that has them; what people did to it is done to that one, the later word on a status counts. No row: it has calls.
WITH gone AS (DELETE FROM leads l WHERE l.company_id = $1 AND l.id = $2 AND NOT EXISTS (SELECT FROM calls c WHERE c.company_id = l.company_id AND c.lead_id = l.id) RETURNING l.*),
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
-- What a lead knows from its calls, after some of them have left it.
UPDATE leads l SET source = s.source, source_at = s.at, source_call = s.provider_call_id, last_contacted_at = c.last, version = l.version + 1, updated_at = now()
  FROM (SELECT max(coalesce(started_at, received_at)) AS last FROM calls WHERE company_id = $1 AND lead_id = $2) c
  LEFT JOIN LATERAL (SELECT source, coalesce(started_at, received_at) AS at, provider_call_id FROM calls WHERE company_id = $1 AND lead_id = $2 AND source IS NOT NULL ORDER BY 2, 3 LIMIT 1) s ON true
 WHERE l.company_id = $1 AND l.id = $2 AND c.last IS NOT NULL
RETURNING l.contact_card_id

-- name: fold_card
-- A card that stood for a caller without a number, once nothing hangs on it.
WITH gone AS (
  DELETE FROM contact_cards k WHERE company_id = $1 AND id = $2 AND primary_phone IS NULL
     AND NOT EXISTS (SELECT FROM calls c WHERE c.company_id = k.company_id AND c.contact_card_id = k.id)
     AND NOT EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id)
  RETURNING id),
tasks_too AS (UPDATE tasks SET contact_card_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND contact_card_id = $2 AND EXISTS (SELECT FROM gone)),
earlier AS (UPDATE folded_rows SET into_id = $3, updated_at = now() WHERE company_id = $1 AND kind = 'contact' AND into_id = $2 AND EXISTS (SELECT FROM gone))
INSERT INTO folded_rows (company_id, kind, from_id, into_id) SELECT $1, 'contact', id, $3 FROM gone
ON CONFLICT (company_id, kind, from_id) DO UPDATE SET into_id = excluded.into_id, updated_at = now()
