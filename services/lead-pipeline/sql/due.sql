-- name: call_back
-- Still missed: one task a contact and day of the company, whatever the provider. Whoever calls without a number cannot be called back.
WITH due AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id)),
missed AS (
  SELECT c.company_id, c.call_id, c.contact_card_id, c.lead_id, k.primary_phone, coalesce(c.started_at, c.received_at) AS at,
         (coalesce(c.started_at, c.received_at) AT TIME ZONE coalesce((SELECT o.timezone FROM companies o WHERE o.id = c.company_id), 'America/New_York'))::date AS day,
         nullif(concat_ws(' ', k.first_name, k.last_name), '') AS name, c.status
    FROM due d JOIN calls c ON c.company_id = d.company_id AND c.call_id = d.call_id
    JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
   WHERE c.missed_call AND e164(k.primary_phone) IS NOT NULL)
INSERT INTO tasks (company_id, id, description, assigned_to, source, action_type, due_at, priority, contact_card_id, lead_id, call_id, contact_method, unique_key)
SELECT m.company_id, gen_random_uuid(), 'Call back ' || coalesce(m.name || ', ', '') || m.primary_phone || CASE m.status WHEN 'voicemail' THEN ': left a voicemail' ELSE ': the call was missed' END,
       'csr', 'otto', 'call_back', m.at + interval '2 hours', 'high', m.contact_card_id, m.lead_id, m.call_id, 'phone',
       encode(sha256(convert_to('otto:' || m.contact_card_id || ':call_back:' || m.day, 'UTF8')), 'hex')
  FROM missed m ORDER BY m.company_id, m.contact_card_id, m.at, m.call_id
ON CONFLICT (company_id, unique_key) DO NOTHING
RETURNING company_id, id, version

-- name: make_overdue
-- Who is about to change a task goes first.
UPDATE tasks t SET status = 'overdue', version = t.version + 1, updated_at = now()
  FROM (SELECT o.company_id, o.id FROM tasks o JOIN (SELECT * FROM unnest($1::text[], $2::uuid[])) AS i (company_id, id) ON o.company_id = i.company_id AND o.id = i.id
         WHERE o.status = 'open' AND o.due_at <= now() ORDER BY o.company_id, o.id FOR UPDATE OF o SKIP LOCKED) due
 WHERE t.company_id = due.company_id AND t.id = due.id
RETURNING t.company_id, t.id, t.version

-- name: still_due
SELECT o.company_id, o.id FROM tasks o JOIN (SELECT * FROM unnest($1::text[], $2::uuid[])) AS i (company_id, id) ON o.company_id = i.company_id AND o.id = i.id
 WHERE o.status = 'open' AND o.due_at IS NOT NULL
