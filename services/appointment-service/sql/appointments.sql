-- name: note_analysis
-- The newest analysis of a call, whether or not there is an appointment; no row: a newer one, or this one, was here before.
INSERT INTO appointment_verdicts (company_id, call_id, version) VALUES ($1, $2, $3)
ON CONFLICT (company_id, call_id) DO UPDATE SET version = excluded.version, updated_at = now() WHERE appointment_verdicts.version < excluded.version AND appointment_verdicts.folded_into IS NULL
RETURNING version

-- name: folded_into
SELECT folded_into FROM appointment_verdicts WHERE company_id = $1 AND call_id = $2 AND folded_into IS NOT NULL

-- name: mark_folded
-- No row: it is marked already.
INSERT INTO appointment_verdicts AS v (company_id, call_id, version, folded_into) VALUES ($1, $2, 0, $3)
ON CONFLICT (company_id, call_id) DO UPDATE SET folded_into = excluded.folded_into, updated_at = now() WHERE v.folded_into IS NULL
RETURNING version

-- name: note_fold
-- What was said of either, nothing older than it counts. Holds the row.
INSERT INTO appointment_verdicts AS v (company_id, call_id, version) VALUES ($1, $2, $3)
ON CONFLICT (company_id, call_id) DO UPDATE SET version = greatest(v.version, excluded.version), updated_at = now()
RETURNING folded_into, version

-- name: of_both_calls
SELECT id, call_id, CASE WHEN touched_by IS NOT NULL THEN 3 WHEN status <> 'cancelled' THEN 2 ELSE 1 END AS weight FROM appointments WHERE company_id = $1 AND call_id IN ($2, $3) ORDER BY id FOR UPDATE

-- name: leave_call
UPDATE appointments SET call_id = NULL WHERE company_id = $1 AND id = $2

-- name: be_of_call
UPDATE appointments SET call_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND id = $2
RETURNING id, version

-- name: call_off_double
UPDATE appointments SET status = 'cancelled', version = version + 1, updated_at = now(), notes = concat_ws(' ', notes, 'The call was recorded twice; the other appointment of it stands.')
 WHERE company_id = $1 AND id = $2 AND touched_by IS NULL AND status = 'scheduled'
RETURNING id, version

-- name: go_with_call
-- One that a person touched is not changed, but where its lead is gone it belongs to the one that its call has now.
UPDATE appointments a SET lead_id = $3, contact_card_id = $4, version = version + 1, updated_at = now()
 WHERE a.company_id = $1 AND a.call_id = $2 AND a.lead_id <> $3 AND NOT EXISTS (SELECT FROM leads l WHERE l.company_id = a.company_id AND l.id = a.lead_id)
RETURNING id, version

-- name: moment
SELECT otto_moment($1, $2) AS at

-- name: book
-- The call's own appointment, as its analysis says. One that a person touched stays as it is, and so does one that is over.
INSERT INTO appointments AS a (company_id, id, lead_id, contact_card_id, call_id, scheduled_start, scheduled_end, status, location_address, service_type, appointment_type, needs_time, notes, analysis_version)
VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $6::timestamptz + $7::bigint * interval '1 minute', 'scheduled', $8, $9, $10, $6::timestamptz IS NULL, $11, $12)
ON CONFLICT (company_id, call_id) WHERE call_id IS NOT NULL DO UPDATE
   SET lead_id = excluded.lead_id, contact_card_id = excluded.contact_card_id, scheduled_start = excluded.scheduled_start, scheduled_end = excluded.scheduled_end, status = 'scheduled',
       location_address = excluded.location_address, service_type = excluded.service_type, appointment_type = excluded.appointment_type, needs_time = excluded.needs_time, notes = excluded.notes,
       analysis_version = excluded.analysis_version, version = a.version + 1, updated_at = now()
 WHERE a.touched_by IS NULL AND a.status IN ('scheduled', 'cancelled')
RETURNING a.id, a.version

-- name: unbook
UPDATE appointments SET status = 'cancelled', analysis_version = $3, version = version + 1, updated_at = now()
 WHERE company_id = $1 AND call_id = $2 AND touched_by IS NULL AND status = 'scheduled'
RETURNING id, version

-- name: lead
SELECT l.contact_card_id, l.status, l.assigned_rep_id FROM leads l WHERE l.company_id = $1 AND l.id = $2

-- name: lock_rep
-- Two appointments of one rep are looked at one after the other.
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 7346723))::text AS locked

-- name: conflict
SELECT id, scheduled_start FROM appointments
 WHERE company_id = $1 AND assigned_rep_id = $2 AND id <> $3 AND status IN ('scheduled', 'confirmed') AND scheduled_start < $5::timestamptz AND scheduled_end > $4::timestamptz
 ORDER BY scheduled_start LIMIT 1

-- name: create
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, scheduled_end, status, location_address, service_type, appointment_type, assigned_rep_id, notes, deal_size_cents,
                          touched_by, touched_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, now())

-- name: locked
SELECT lead_id, scheduled_start, scheduled_end, status, outcome, assigned_rep_id FROM appointments WHERE company_id = $1 AND id = $2 FOR UPDATE

-- name: change
UPDATE appointments SET scheduled_start = $3, scheduled_end = $4, status = $5, outcome = $6, assigned_rep_id = $7, needs_time = $3::timestamptz IS NULL,
       location_address = CASE WHEN $8::boolean THEN $9 ELSE location_address END, service_type = CASE WHEN $10::boolean THEN $11 ELSE service_type END,
       appointment_type = CASE WHEN $12::boolean THEN $13 ELSE appointment_type END, notes = CASE WHEN $14::boolean THEN $15 ELSE notes END,
       deal_size_cents = CASE WHEN $16::boolean THEN $17::bigint ELSE deal_size_cents END,
       touched_by = $18, touched_at = now(), version = version + 1, updated_at = now()
 WHERE company_id = $1 AND id = $2
RETURNING version

-- name: shown
SELECT a.id, a.company_id, a.lead_id, a.contact_card_id, a.call_id, a.scheduled_start, a.scheduled_end, a.status, a.outcome, a.location_address, a.service_type, a.appointment_type, a.assigned_rep_id,
       a.needs_time, a.deal_size_cents, a.notes, a.touched_by, a.touched_at, a.created_at, a.updated_at, a.version,
       k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name, l.status AS lead_state, l.assigned_rep_id AS lead_rep,
       (SELECT count(*) FROM tasks t WHERE t.company_id = a.company_id AND t.lead_id = a.lead_id AND t.status IN ('open', 'overdue')
           AND ($3::text IS NULL OR t.assignee_id = $3 OR l.assigned_rep_id = $3)) AS pending_tasks
  FROM appointments a
  LEFT JOIN contact_cards k ON k.company_id = a.company_id AND k.id = a.contact_card_id
  LEFT JOIN leads l ON l.company_id = a.company_id AND l.id = a.lead_id
 WHERE a.company_id = $1 AND a.id = $2

-- name: hold_lead
-- Who makes an appointment of a lead, and who moves those of it, do so one after the other.
SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || ($2::uuid)::text, 7346724))::text AS locked

-- name: place_of_call
SELECT lead_id, contact_card_id FROM calls WHERE company_id = $1 AND call_id = $2

-- name: move_appointment_of_call
UPDATE appointments a SET lead_id = c.lead_id, contact_card_id = c.contact_card_id, version = a.version + 1, updated_at = now()
  FROM calls c
 WHERE c.company_id = $1 AND c.call_id = $2 AND a.company_id = $1 AND a.call_id = $2 AND (a.lead_id, a.contact_card_id) IS DISTINCT FROM (c.lead_id, c.contact_card_id)
RETURNING a.id, a.version

-- name: move_appointments_of_lead
-- To where the lead is now: it may have gone on meanwhile.
UPDATE appointments a SET lead_id = l.id, contact_card_id = l.contact_card_id, version = a.version + 1, updated_at = now()
  FROM leads l
 WHERE l.company_id = $1 AND l.id = coalesce((SELECT o.id FROM leads o WHERE o.company_id = $1 AND o.id = $3), (SELECT f.into_id FROM folded_rows f WHERE f.company_id = $1 AND f.kind = 'lead' AND f.from_id = $3))
   AND a.company_id = $1 AND a.lead_id = $2 AND (a.lead_id, a.contact_card_id) IS DISTINCT FROM (l.id, l.contact_card_id)
RETURNING a.id, a.version
