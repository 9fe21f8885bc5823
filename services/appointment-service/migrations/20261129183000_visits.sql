-- A lead has one visit that analyses plan: what each call's newest analysis said of a visit is kept, so that the lead's visits are planned anew from all of them, in whatever order they come. And an appointment that
-- was moved keeps the time that it had before.
-- Locks: both tables for a moment (columns without a rewrite), appointment_verdicts against writers while its index is built. What is still ahead is filled in, by the index of appointments by time: earlier
-- visits are nobody's to move.
SET LOCAL lock_timeout = '5s';
ALTER TABLE appointments ADD COLUMN moved_from timestamptz,       -- when it was planned for before
                         ADD COLUMN moved_at timestamptz,
                         ADD COLUMN moved_by_call bigint;         -- the call that moved it; null: a person
ALTER TABLE appointment_verdicts ADD COLUMN lead_id uuid,          -- null: said before this was kept
                                 ADD COLUMN started_at timestamptz,
                                 ADD COLUMN booked boolean,
                                 ADD COLUMN starts_at timestamptz,
                                 ADD COLUMN remark text,           -- what was said for a time and is none
                                 ADD COLUMN location_address text,
                                 ADD COLUMN service_type text,
                                 ADD COLUMN appointment_type text,
                                 ADD COLUMN said_version bigint;   -- of the analysis that said it
CREATE INDEX appointment_verdicts_lead ON appointment_verdicts (company_id, lead_id) WHERE lead_id IS NOT NULL;

UPDATE appointment_verdicts v SET lead_id = a.lead_id, started_at = coalesce(c.started_at, c.received_at), booked = true, starts_at = a.scheduled_start, remark = CASE WHEN a.needs_time THEN a.notes END,
       location_address = a.location_address, service_type = a.service_type, appointment_type = a.appointment_type, said_version = v.version
  FROM companies o
 CROSS JOIN LATERAL (SELECT * FROM appointments WHERE company_id = o.id AND scheduled_start > now() UNION ALL SELECT * FROM appointments WHERE company_id = o.id AND scheduled_start IS NULL) a
  JOIN calls c ON c.company_id = a.company_id AND c.call_id = a.call_id
 WHERE v.company_id = a.company_id AND v.call_id = a.call_id AND v.folded_into IS NULL AND a.touched_by IS NULL AND a.status = 'scheduled';
