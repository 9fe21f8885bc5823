-- name: calls_of
-- An analysis of a row that was folded into another is one of that call.
SELECT i.company_id, i.call_id AS asked, c.call_id, c.contact_card_id, c.lead_id, EXISTS (SELECT FROM voicemail_messages v WHERE v.company_id = c.company_id AND v.call_id = c.call_id) AS has_voicemail
  FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id)
  JOIN calls c ON c.company_id = i.company_id AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = i.company_id AND f.from_id = i.call_id), i.call_id)

-- name: moments
-- What clocks show, as moments; without a place they are the company's.
SELECT otto_moment(i.wall, coalesce(nullif(i.place, ''), (SELECT c.timezone FROM companies c WHERE c.id = i.company_id), 'America/New_York')) AS at
  FROM unnest($1::text[], $2::timestamp[], $3::text[]) WITH ORDINALITY AS i (company_id, wall, place, n) ORDER BY i.n

-- name: ask_about_appointment
INSERT INTO tasks AS t (company_id, id, description, assigned_to, assignee_id, source, action_type, due_at, priority, contact_card_id, lead_id, call_id, appointment_id, unique_key, raw_text, analysis_version)
SELECT c.company_id, $3, $6, 'csr', CASE WHEN NOT EXISTS (SELECT FROM company_users u WHERE u.company_id = $1 AND u.id = $8 AND u.status = 'removed') THEN $8 END, 'otto', 'check_appointment', $9::timestamptz + interval '2 hours', 'high', c.contact_card_id, c.lead_id, c.call_id, $4, $5, $7, $10
  FROM calls c WHERE c.company_id = $1 AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = $1 AND f.from_id = $2), $2)
ON CONFLICT (company_id, unique_key) DO UPDATE SET description = excluded.description, raw_text = excluded.raw_text, analysis_version = excluded.analysis_version, version = t.version + 1, updated_at = now()
 WHERE t.edited_by IS NULL AND t.status IN ('open', 'overdue') AND t.analysis_version < excluded.analysis_version
RETURNING id, version
