-- name: note_analysis
-- The newest analysis of a call, whether or not there is an appointment; no row: a newer one, or this one, was here before.
INSERT INTO appointment_verdicts AS v (company_id, call_id, version, lead_id, started_at, booked, starts_at, remark, location_address, service_type, appointment_type, said_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $3)
ON CONFLICT (company_id, call_id) DO UPDATE
   SET version = excluded.version, lead_id = excluded.lead_id, started_at = excluded.started_at, booked = excluded.booked, starts_at = excluded.starts_at, remark = excluded.remark,
       location_address = excluded.location_address, service_type = excluded.service_type, appointment_type = excluded.appointment_type, said_version = excluded.said_version, updated_at = now()
 WHERE v.version < excluded.version AND v.folded_into IS NULL
RETURNING version

-- name: customer_of_heard
-- Whose visits hang on what was said of a call.
SELECT l.id AS lead_id, l.contact_card_id FROM appointment_verdicts v JOIN leads l ON l.company_id = v.company_id AND l.id = v.lead_id WHERE v.company_id = $1 AND v.call_id = $2

-- name: customer_of_lead
SELECT id AS lead_id, contact_card_id FROM leads WHERE company_id = $1 AND id = $2

-- name: heard_of_lead
SELECT call_id, started_at, booked, starts_at, remark, location_address, service_type, appointment_type, said_version FROM appointment_verdicts
 WHERE company_id = $1 AND lead_id = $2 AND folded_into IS NULL AND booked IS NOT NULL

-- name: standing_of_lead
SELECT id, call_id, scheduled_start, scheduled_end, status IN ('scheduled', 'confirmed') AS planned, touched_by IS NOT NULL OR call_id IS NULL OR status NOT IN ('scheduled', 'cancelled') AS of_people
  FROM appointments WHERE company_id = $1 AND (lead_id = $2 OR call_id = ANY ($3::bigint[])) ORDER BY id FOR UPDATE

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
RETURNING folded_into

-- name: take_over
-- What was said of the call that went, where it is newer than what was said of the one that stays.
UPDATE appointment_verdicts v SET lead_id = f.lead_id, started_at = f.started_at, booked = f.booked, starts_at = f.starts_at, remark = f.remark, location_address = f.location_address, service_type = f.service_type,
       appointment_type = f.appointment_type, said_version = f.said_version
  FROM appointment_verdicts f
 WHERE f.company_id = $1 AND f.call_id = $2 AND v.company_id = $1 AND v.call_id = $3 AND f.said_version > coalesce(v.said_version, -1)

-- name: of_both_calls
SELECT id, call_id, CASE WHEN touched_by IS NOT NULL THEN 3 WHEN status <> 'cancelled' THEN 2 ELSE 1 END AS weight FROM appointments WHERE company_id = $1 AND call_id IN ($2, $3) ORDER BY id FOR UPDATE

-- name: leave_call
UPDATE appointments SET call_id = NULL WHERE company_id = $1 AND id = $2

-- name: be_of_call
UPDATE appointments SET call_id = $3, version = version + 1, updated_at = now() WHERE company_id = $1 AND id = $2
RETURNING id, version

-- name: call_off_double
UPDATE appointments SET status = 'cancelled', version = version + 1, updated_at = now(), notes = concat_ws(' ', notes, $3::text)
 WHERE company_id = $1 AND id = $2 AND touched_by IS NULL AND status = 'scheduled'
RETURNING id, version

-- name: go_with_call
-- One that a person touched is not changed, but where its lead is gone it belongs to the one that its call has now.
UPDATE appointments a SET lead_id = $3, contact_card_id = $4, version = version + 1, updated_at = now()
 WHERE a.company_id = $1 AND a.call_id = $2 AND a.lead_id <> $3 AND NOT EXISTS (SELECT FROM leads l WHERE l.company_id = a.company_id AND l.id = a.lead_id)
RETURNING id, version

-- name: moment
SELECT otto_moment($1, $2) AS at

-- name: shown_on_clocks
SELECT coalesce(to_char($1::timestamptz AT TIME ZONE $3, 'YYYY-MM-DD HH24:MI'), '') AS planned, to_char($2::timestamptz AT TIME ZONE $3, 'YYYY-MM-DD HH24:MI') AS heard

-- name: book
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, call_id, scheduled_start, scheduled_end, status, location_address, service_type, appointment_type, needs_time, notes, moved_from, moved_at, moved_by_call,
                          analysis_version)
VALUES ($1, $2, $3, $4, $5, $6::timestamptz, $6::timestamptz + $7::bigint * interval '1 minute', 'scheduled', $8, $9, $10, $6::timestamptz IS NULL, $11, $12::timestamptz,
        CASE WHEN $12::timestamptz IS NOT NULL THEN now() END, $13, $14)
RETURNING id, version

-- name: plan
-- An appointment as analyses plan it; no row: it is so already.
UPDATE appointments a
   SET lead_id = p.lead, contact_card_id = p.contact, scheduled_start = p.start, scheduled_end = CASE WHEN a.scheduled_start = p.start THEN a.scheduled_end ELSE p.start + p.minutes * interval '1 minute' END,
       status = 'scheduled', location_address = p.address, service_type = p.service, appointment_type = p.kind, needs_time = p.start IS NULL, notes = p.remark, moved_from = p.moved_from,
       moved_at = CASE WHEN p.moved_from IS NULL THEN NULL WHEN a.scheduled_start IS NOT DISTINCT FROM p.start AND a.moved_from = p.moved_from THEN a.moved_at ELSE now() END,
       moved_by_call = p.moved_by, analysis_version = p.version, version = a.version + 1, updated_at = now()
  FROM (SELECT $3::uuid AS lead, $4::uuid AS contact, $5::timestamptz AS start, $6::bigint AS minutes, $7::text AS address, $8::text AS service, $9::text AS kind, $10::text AS remark, $11::timestamptz AS moved_from,
               $12::bigint AS moved_by, $13::bigint AS version) p
 WHERE a.company_id = $1 AND a.id = $2 AND a.touched_by IS NULL AND a.status IN ('scheduled', 'cancelled')
   AND (a.status, a.lead_id, a.contact_card_id, a.scheduled_start, a.location_address, a.service_type, a.appointment_type, a.notes, a.moved_from, a.moved_by_call, a.analysis_version)
       IS DISTINCT FROM ('scheduled', p.lead, p.contact, p.start, p.address, p.service, p.kind, p.remark, p.moved_from, p.moved_by, p.version)
RETURNING a.id, a.version

-- name: unbook
UPDATE appointments SET status = 'cancelled', version = version + 1, updated_at = now() WHERE company_id = $1 AND id = $2 AND touched_by IS NULL AND status = 'scheduled'
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
-- What $9 names is set, also to nothing; the rest stays.
UPDATE appointments SET scheduled_start = $3, scheduled_end = $4, status = $5, outcome = $6, assigned_rep_id = $7, needs_time = $3::timestamptz IS NULL,
       moved_from = CASE WHEN scheduled_start IS DISTINCT FROM $3 THEN scheduled_start ELSE moved_from END, moved_at = CASE WHEN scheduled_start IS DISTINCT FROM $3 THEN now() ELSE moved_at END,
       moved_by_call = CASE WHEN scheduled_start IS DISTINCT FROM $3 THEN NULL ELSE moved_by_call END,
       location_address = CASE WHEN 'location_address' = ANY ($9::text[]) THEN $10 ELSE location_address END,
       service_type = CASE WHEN 'service_type' = ANY ($9) THEN $11 ELSE service_type END,
       appointment_type = CASE WHEN 'appointment_type' = ANY ($9) THEN $12 ELSE appointment_type END,
       notes = CASE WHEN 'notes' = ANY ($9) THEN $13 ELSE notes END,
       deal_size_cents = CASE WHEN 'deal_size_cents' = ANY ($9) THEN $14::bigint ELSE deal_size_cents END,
       touched_by = $8, touched_at = now(), version = version + 1, updated_at = now()
 WHERE company_id = $1 AND id = $2
RETURNING version

-- name: shown
/*one_appointment*/

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

-- name: move_heard_of_call
UPDATE appointment_verdicts v SET lead_id = c.lead_id FROM calls c WHERE c.company_id = $1 AND c.call_id = $2 AND v.company_id = $1 AND v.call_id = $2 AND v.lead_id <> c.lead_id
RETURNING v.lead_id

-- name: move_heard_of_lead
UPDATE appointment_verdicts v SET lead_id = l.id
  FROM leads l
 WHERE l.company_id = $1 AND l.id = coalesce((SELECT o.id FROM leads o WHERE o.company_id = $1 AND o.id = $3), (SELECT f.into_id FROM folded_rows f WHERE f.company_id = $1 AND f.kind = 'lead' AND f.from_id = $3))
   AND v.company_id = $1 AND v.lead_id = $2 AND v.lead_id <> l.id
RETURNING v.lead_id

-- name: move_appointments_of_lead
-- To where the lead is now: it may have gone on meanwhile.
UPDATE appointments a SET lead_id = l.id, contact_card_id = l.contact_card_id, version = a.version + 1, updated_at = now()
  FROM leads l
 WHERE l.company_id = $1 AND l.id = coalesce((SELECT o.id FROM leads o WHERE o.company_id = $1 AND o.id = $3), (SELECT f.into_id FROM folded_rows f WHERE f.company_id = $1 AND f.kind = 'lead' AND f.from_id = $3))
   AND a.company_id = $1 AND a.lead_id = $2 AND (a.lead_id, a.contact_card_id) IS DISTINCT FROM (l.id, l.contact_card_id)
RETURNING a.id, a.version

-- name: is_removed
SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status = 'removed'

-- name: leave_appointments
-- What has no time yet is ahead, too. That nobody has them is no word of a person's on when they are: touched_by stays.
UPDATE appointments a SET assigned_rep_id = NULL, version = a.version + 1, updated_at = now()
  FROM (SELECT id FROM appointments WHERE company_id = $1 AND assigned_rep_id = $2 AND status IN ('scheduled', 'confirmed') AND (scheduled_start IS NULL OR scheduled_start > now()) ORDER BY id FOR UPDATE) o
 WHERE a.company_id = $1 AND a.id = o.id
RETURNING a.id, a.version
