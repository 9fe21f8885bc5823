-- name: calls_of
-- An analysis of a row that was folded into another is one of that call.
SELECT i.company_id, i.call_id AS asked, c.call_id, c.contact_card_id, c.lead_id FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id)
  JOIN calls c ON c.company_id = i.company_id AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = i.company_id AND f.from_id = i.call_id), i.call_id)

-- name: lock_cards
-- In the order in which reports of calls lock them: those with a number by it, then the others.
SELECT c.company_id, c.id, c.primary_phone, c.first_name, c.last_name, c.address, c.city, c.state, c.merge_state FROM contact_cards c
 WHERE (c.company_id, c.id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) ORDER BY c.primary_phone IS NULL, c.company_id, c.primary_phone, c.id FOR UPDATE

-- name: lock_leads_of_contacts
SELECT company_id, id, contact_card_id, status, assigned_rep_id, edited_status, status_edited_at, last_qualified_at FROM leads
 WHERE (company_id, contact_card_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) ORDER BY company_id, id FOR UPDATE

-- name: verdicts_of_leads
SELECT company_id, call_id, lead_id, booking_status, lead_quality, call_outcome_category, call_started_at, received_at, version FROM call_verdicts
 WHERE (company_id, lead_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))

-- name: save_verdicts
INSERT INTO call_verdicts AS v (company_id, call_id, lead_id, booking_status, lead_quality, call_outcome_category, call_started_at, received_at, version)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[], $9::bigint[])
ON CONFLICT (company_id, call_id) DO UPDATE SET lead_id = excluded.lead_id, booking_status = excluded.booking_status, lead_quality = excluded.lead_quality,
  call_outcome_category = excluded.call_outcome_category, call_started_at = excluded.call_started_at, received_at = excluded.received_at, version = excluded.version, updated_at = now()

-- name: settle_leads
UPDATE leads l SET status = i.status, pool_status = i.pool_status, last_qualified_at = i.last_qualified_at, version = l.version + 1, updated_at = now(),
       closed_at = CASE WHEN i.status IN ('closed_won', 'closed_lost', 'abandoned') THEN coalesce(l.closed_at, now()) END
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) AS i (company_id, id, status, pool_status, last_qualified_at)
 WHERE l.company_id = i.company_id AND l.id = i.id

-- name: tasks_of_calls
SELECT company_id, id, call_id, action_type, unique_key, slot, analysis_version, edited_by FROM tasks
 WHERE (company_id, call_id) IN (SELECT * FROM unnest($1::text[], $2::bigint[])) AND source = 'shunya' ORDER BY company_id, id FOR UPDATE

-- name: moments
-- What clocks show, as moments; without a place they are the company's.
SELECT otto_moment(i.wall, coalesce(nullif(i.place, ''), (SELECT c.timezone FROM companies c WHERE c.id = i.company_id), 'America/New_York')) AS at
  FROM unnest($1::text[], $2::timestamp[], $3::text[]) WITH ORDINALITY AS i (company_id, wall, place, n) ORDER BY i.n

-- name: add_tasks
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, source, action_type, due_at, priority, contact_card_id, lead_id, call_id, unique_key, raw_text, contact_method, slot, analysis_version)
SELECT i.company_id, i.id, i.description, i.assigned_to, i.assignee_id, 'shunya', i.action_type, i.due_at,
       i.priority, i.contact_card_id, i.lead_id, i.call_id, i.unique_key, i.raw_text, i.contact_method, i.slot, i.version
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::uuid[], $10::uuid[], $11::bigint[], $12::text[], $13::text[],
              $14::text[], $15::int[], $16::bigint[])
    AS i (company_id, id, description, assigned_to, assignee_id, action_type, due_at, priority, contact_card_id, lead_id, call_id, unique_key, raw_text, contact_method, slot, version)
ON CONFLICT (company_id, unique_key) DO NOTHING
RETURNING company_id, id, version

-- name: change_tasks
-- Not one that a person had a hand in meanwhile.
UPDATE tasks t SET description = i.description, assigned_to = i.assigned_to, assignee_id = i.assignee_id, due_at = i.due_at, priority = i.priority, unique_key = i.unique_key, raw_text = i.raw_text,
       contact_method = i.contact_method, analysis_version = i.version, version = t.version + 1, updated_at = now(),
       status = CASE WHEN t.status = 'overdue' AND (i.due_at IS NULL OR i.due_at > now()) THEN 'open' ELSE t.status END
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[])
    AS i (company_id, id, description, assigned_to, assignee_id, due_at, priority, unique_key, raw_text, contact_method, version)
 WHERE t.company_id = i.company_id AND t.id = i.id AND t.edited_by IS NULL AND t.status IN ('open', 'overdue')
RETURNING t.company_id, t.id, t.version

-- name: ask_about_appointment
INSERT INTO tasks AS t (company_id, id, description, assigned_to, assignee_id, source, action_type, due_at, priority, contact_card_id, lead_id, call_id, appointment_id, unique_key, raw_text, analysis_version)
SELECT c.company_id, $3, $6, 'csr', $8, 'otto', 'check_appointment', $9::timestamptz + interval '2 hours', 'high', c.contact_card_id, c.lead_id, c.call_id, $4, $5, $7, $10
  FROM calls c WHERE c.company_id = $1 AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = $1 AND f.from_id = $2), $2)
ON CONFLICT (company_id, unique_key) DO UPDATE SET description = excluded.description, raw_text = excluded.raw_text, analysis_version = excluded.analysis_version, version = t.version + 1, updated_at = now()
 WHERE t.edited_by IS NULL AND t.status IN ('open', 'overdue') AND t.analysis_version < excluded.analysis_version
RETURNING id, version
