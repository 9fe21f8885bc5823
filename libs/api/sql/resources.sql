-- What several statements of several services say alike, so that a row is shown the same by whoever reads it (api/resources.hpp).

-- part: contact
k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name

-- part: lead
l.status AS lead_state, l.assigned_rep_id AS lead_rep

-- part: owner
-- What people are called beside their ids, those who left included.
(SELECT left(coalesce(u.name, u.email), 200) FROM company_users u WHERE u.company_id = c.company_id AND u.id = c.owner_id) AS owner_name

-- part: rep_of_lead
(SELECT left(coalesce(u.name, u.email), 200) FROM company_users u WHERE u.company_id = l.company_id AND u.id = l.assigned_rep_id) AS assigned_rep_name

-- part: rep_of_appointment
(SELECT left(coalesce(u.name, u.email), 200) FROM company_users u WHERE u.company_id = a.company_id AND u.id = a.assigned_rep_id) AS assigned_rep_name

-- part: assignee
(SELECT left(coalesce(u.name, u.email), 200) FROM company_users u WHERE u.company_id = t.company_id AND u.id = t.assignee_id) AS assignee_name

-- part: one_task
-- GET of a task, and the answer to what changes one.
SELECT t.*, task_is_overdue(t.status, t.due_at) AS overdue, /*contact*/, /*lead*/, /*assignee*/
  FROM tasks t
  LEFT JOIN contact_cards k ON k.company_id = t.company_id AND k.id = t.contact_card_id
  LEFT JOIN leads l ON l.company_id = t.company_id AND l.id = t.lead_id
 WHERE t.company_id = $1 AND t.id = $2

-- part: one_lead
SELECT l.*, /*contact*/, /*rep_of_lead*/
  FROM leads l
  JOIN LATERAL (SELECT primary_phone, first_name, last_name FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) k ON true
 WHERE l.company_id = $1 AND l.id = $2

-- part: one_appointment
-- Of its lead's tasks a rep ($3) counts own ones, and all of an own lead.
SELECT a.*, /*contact*/, /*lead*/, /*rep_of_appointment*/,
       (SELECT count(*) FROM tasks t WHERE t.company_id = a.company_id AND t.lead_id = a.lead_id AND t.status IN ('open', 'overdue')
           AND ($3::text IS NULL OR t.assignee_id = $3 OR l.assigned_rep_id = $3)) AS pending_tasks
  FROM appointments a
  LEFT JOIN contact_cards k ON k.company_id = a.company_id AND k.id = a.contact_card_id
  LEFT JOIN leads l ON l.company_id = a.company_id AND l.id = a.lead_id
 WHERE a.company_id = $1 AND a.id = $2

-- part: number_columns
-- The moment that a number was free from is not shown unless it is to come: it would tell when somebody else let it go.
id, company_id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, CASE WHEN from_given OR valid_from > created_at THEN valid_from ELSE created_at END AS valid_from, valid_to, created_at, updated_at,
          number_state(standing, valid_from, valid_to) AS state, number_note(ended_note, kept_note, valid_to) AS note, CASE WHEN valid_to IS NULL OR valid_to > now() THEN webhooks_problem END AS webhooks_problem, webhooks_problem_cure

-- part: one_opt_out
-- An entry changes once, when it is taken back, and has no version of its own.
SELECT o.*, 0 AS version FROM opt_outs o WHERE o.company_id = $1 AND o.id = $2

-- part: paused_why
-- Of a text that is still to leave: why its company is not let in at the provider just now.
CASE WHEN m.provider_message_id IS NULL AND m.status IN ('scheduled', 'queued', 'sending') THEN (SELECT p.why FROM text_pauses p WHERE p.company_id = m.company_id) END AS paused_why

-- part: one_message
-- GET of a text, and the answer to what makes or cancels one.
SELECT m.*, /*paused_why*/, /*contact*/, /*lead*/
  FROM messages m
  JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id
  LEFT JOIN leads l ON l.company_id = m.company_id AND l.id = m.lead_id
 WHERE m.company_id = :company AND m.id = :id

-- part: voicemail_recording
-- Of a call's recordings one is stored, as the call's: another has no address of ours.
CASE WHEN v.recording_url = c.recording_url THEN v.recording_url END AS recording_url

-- part: one_voicemail
-- GET of a voicemail, and the answer to what changes one.
SELECT v.id, v.company_id, v.call_id, v.recording_sid, /*voicemail_recording*/, v.duration, v.transcript, v.summary, v.status, v.version, v.created_at, v.updated_at, c.contact_card_id, c.lead_id, /*contact*/, /*lead*/
  FROM voicemail_messages v
  JOIN calls c ON c.company_id = v.company_id AND c.call_id = v.call_id
  JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
  JOIN leads l ON l.company_id = c.company_id AND l.id = c.lead_id
 WHERE v.company_id = :company AND v.id = :id

-- part: user_columns
u.id, u.email, u.name, u.role, u.role_unknown, u.status, u.changing, u.removed_at, u.created_at, u.updated_at

-- part: one_user
SELECT /*user_columns*/, u.version FROM company_users u WHERE u.company_id = $1 AND u.id = $2
