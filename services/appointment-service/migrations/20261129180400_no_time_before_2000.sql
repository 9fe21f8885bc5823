-- Digits that are no time ("20261220") were taken for seconds since 1970: no visit was ever planned for then. Such an appointment has no time. Found by the index of a company's appointments by time. Locks: the rows
-- that are changed.
UPDATE appointments a SET scheduled_start = NULL, scheduled_end = NULL, needs_time = true, version = a.version + 1, updated_at = now(),
       notes = concat_ws(' ', a.notes, 'The time that was on record cannot have been meant: ' || to_char(a.scheduled_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || '.')
  FROM companies o WHERE a.company_id = o.id AND (a.scheduled_start < '2000-01-01Z' OR a.scheduled_start > a.created_at + interval '10 years' AND a.scheduled_start > now() + interval '9 years');
