-- name: lock_task
-- A rep reaches tasks of own leads and own tasks.
SELECT t.id, t.description, t.assigned_to, t.assignee_id, t.action_type, t.due_at, t.status, t.priority, t.completed_at, t.completed_by,
       EXISTS (SELECT FROM leads l WHERE l.company_id = t.company_id AND (l.id = t.lead_id OR (t.lead_id IS NULL AND l.contact_card_id = t.contact_card_id)) AND l.assigned_rep_id = $3) AS of_own_lead
  FROM tasks t
 WHERE t.company_id = $1 AND t.id = $2
   AND ($3::text IS NULL OR t.assignee_id = $3 OR EXISTS (SELECT FROM leads l WHERE l.company_id = t.company_id AND l.id = t.lead_id AND l.assigned_rep_id = $3)) FOR UPDATE OF t

-- name: task
/*one_task*/

-- name: create_task
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, source, action_type, due_at, priority, contact_card_id, lead_id, call_id, appointment_id, unique_key, created_by, edited_at, edited_by)
VALUES ($1, $2, $3, $4, $5, 'manual', $6, $7, $8, $9, $10, $11, $12, $13, $14, now(), $14)

-- name: change_task
UPDATE tasks SET description = $3, assigned_to = $4, assignee_id = $5, action_type = $6, due_at = $7, priority = $8, status = $9, version = version + 1, updated_at = now(), edited_at = now(), edited_by = $10,
       completed_at = CASE WHEN $9 = 'completed' THEN coalesce(completed_at, now()) END, completed_by = CASE WHEN $9 = 'completed' THEN coalesce(completed_by, $10) END
 WHERE company_id = $1 AND id = $2

-- name: place_of_call
-- What a task is about stays until the task is there: whoever folds the contact's rows waits, or is waited for. So the next two.
SELECT c.contact_card_id, c.lead_id, l.assigned_rep_id FROM calls c JOIN leads l ON l.company_id = c.company_id AND l.id = c.lead_id JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
 WHERE c.company_id = $1 AND c.call_id = $2 FOR KEY SHARE OF k

-- name: place_of_lead
SELECT l.contact_card_id, l.id AS lead_id, l.assigned_rep_id FROM leads l JOIN contact_cards k ON k.company_id = l.company_id AND k.id = l.contact_card_id WHERE l.company_id = $1 AND l.id = $2 FOR KEY SHARE OF k

-- name: contact_of_lead
SELECT contact_card_id FROM leads WHERE company_id = $1 AND id = $2

-- name: place_of_contact
-- Its open lead, if that is the rep's who asks.
SELECT k.id AS contact_card_id, NULL::uuid AS lead_id, (SELECT l.assigned_rep_id FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $3 LIMIT 1) AS assigned_rep_id
  FROM contact_cards k WHERE k.company_id = $1 AND k.id = $2 FOR KEY SHARE OF k

-- name: rep_of_appointment
SELECT assigned_rep_id FROM appointments WHERE company_id = $1 AND id = $2

-- name: lead
/*one_lead*/

-- name: edit_lead_status
-- A person's word is spoken in sight of every analysis that is there: it stands against all of them, also where a provider's clock runs ahead.
UPDATE leads l SET status = $3, edited_status = $3, status_edited_by = $4, version = version + 1, updated_at = now(),
       status_edited_at = greatest(now(), (SELECT max(v.call_started_at) FROM call_verdicts v WHERE v.company_id = l.company_id AND v.lead_id = l.id)),
       closed_at = CASE WHEN $3 IN ('closed_won', 'closed_lost', 'abandoned') THEN coalesce(closed_at, now()) END
 WHERE company_id = $1 AND id = $2

-- name: message
/*one_message*/

-- name: contact_to_text
-- Also by the id of a card that went into it; for a rep only one with an own lead. So the next.
SELECT k.id, k.primary_phone FROM contact_cards k
 WHERE k.company_id = $1 AND k.id = coalesce((SELECT f.into_id FROM folded_rows f WHERE f.company_id = $1 AND f.kind = 'contact' AND f.from_id = $2), $2)
   AND ($3::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $3))

-- name: contact_of_number
SELECT k.id, k.primary_phone FROM contact_cards k
 WHERE k.company_id = $1 AND k.primary_phone = $2
   AND ($3::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $3))

-- name: numbers_of_thread
-- Which of the company's numbers the last texts with a customer were by, the last one first.
SELECT CASE direction WHEN 'inbound' THEN to_number ELSE from_number END AS number FROM messages WHERE company_id = $1 AND contact_card_id = $2 ORDER BY sent_at DESC, id DESC LIMIT 100

-- name: message_to_cancel
SELECT m.direction, m.status, CASE m.direction WHEN 'inbound' THEN m.from_number ELSE m.to_number END AS customer FROM messages m
 WHERE m.company_id = $1 AND m.id = $2
   AND ($3::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = m.company_id AND l.contact_card_id = m.contact_card_id AND l.assigned_rep_id = $3))

-- name: opt_out
/*one_opt_out*/

-- name: enter_opt_out
-- One entry of a person's stands for a number at a time. Whoever enters the same number at the same moment makes a second one, which does no harm.
INSERT INTO opt_outs (company_id, id, phone, source, created_by, created_as, reason, opted_out_at)
SELECT $1, $2, $3, 'csr', $4, $5, $6, now() WHERE NOT EXISTS (SELECT FROM opt_outs o WHERE o.company_id = $1 AND o.phone = $3 AND o.source = 'csr' AND o.revoked_at IS NULL)

-- name: lock_opt_out
SELECT coalesce(created_as, '') AS entered_as, revoked_at IS NOT NULL AS revoked FROM opt_outs WHERE company_id = $1 AND id = $2 FOR UPDATE

-- name: take_opt_out_back
UPDATE opt_outs SET revoked_at = greatest(now(), opted_out_at), revoked_source = 'csr', revoked_by = $3 WHERE company_id = $1 AND id = $2 AND revoked_at IS NULL

-- name: voicemail
/*one_voicemail*/

-- name: lock_voicemail
SELECT status FROM voicemail_messages WHERE company_id = $1 AND id = $2 FOR UPDATE

-- name: change_voicemail
UPDATE voicemail_messages SET status = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND id = $2
