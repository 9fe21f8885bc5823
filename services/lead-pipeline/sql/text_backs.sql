-- name: want_text_backs
SELECT otto_want('lead-pipeline/text-backs', c.company_id, c.call_id::text, now())
  FROM (SELECT * FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id) ORDER BY company_id, call_id) i JOIN calls c ON c.company_id = i.company_id AND c.call_id = i.call_id WHERE c.missed_call

-- name: caller
SELECT k.primary_phone FROM calls c JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id WHERE c.company_id = $1 AND c.call_id = $2

-- name: since_call
-- What has happened with a caller since a call, for the text that follows it ($3: that text itself). The call began no later than it was first heard of, whatever the provider's clock says. A call is
-- with us from when it begins until it is over; an outbound one counts whether it was taken or not: the caller sees that he was called.
WITH it AS (
  SELECT c.company_id, c.call_id, c.missed_call, c.tracking_number, c.contact_card_id, k.primary_phone, coalesce(k.state, '') AS state, least(c.started_at, c.received_at) AS at
    FROM calls c JOIN contact_cards k ON k.company_id = c.company_id AND k.id = c.contact_card_id
   WHERE c.company_id = $1 AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = $1 AND f.from_id = $2), $2)),
others AS (
  SELECT o.direction, o.answered, o.status IN ('ringing', 'in_progress') AS goes_on, it.at,
         least(o.started_at, o.received_at) AS began, greatest(least(o.started_at, o.received_at), o.ended_at, o.started_at + o.duration * interval '1 second') AS ended
    FROM it JOIN calls o ON o.company_id = it.company_id AND o.contact_card_id = it.contact_card_id AND o.call_id <> it.call_id)
SELECT it.missed_call, it.tracking_number, it.contact_card_id, it.primary_phone, it.state, it.at,
       EXISTS (SELECT FROM others o WHERE (o.answered OR o.direction = 'outbound') AND o.ended >= o.at) AS spoken,
       EXISTS (SELECT FROM others o WHERE o.goes_on AND o.began >= o.at) AS calls_now,
       EXISTS (SELECT FROM messages m WHERE m.company_id = it.company_id AND m.contact_card_id = it.contact_card_id AND m.sent_at >= it.at AND m.direction = 'outbound' AND m.body IS NOT NULL
                  AND m.status NOT IN ('scheduled', 'canceled', 'failed') AND m.id IS DISTINCT FROM $3::uuid) AS texted,
       EXISTS (SELECT FROM tasks t WHERE t.company_id = it.company_id AND t.contact_card_id = it.contact_card_id AND t.action_type = 'call_back'
                  AND (t.status = 'completed' AND t.completed_at >= it.at OR t.status = 'cancelled' AND t.edited_by IS NOT NULL AND t.edited_at >= it.at)) AS called_back
  FROM it

-- name: text_back_once
-- $4 on the clocks of $5. A zone that is none is New York's, as everywhere.
INSERT INTO text_backs (company_id, contact_card_id, call_id, message_id, day)
SELECT $1, $2, $3, $6, ($4::timestamptz AT TIME ZONE CASE WHEN otto_moment('2000-01-01', $5::text) IS NULL THEN 'America/New_York' ELSE $5::text END)::date
ON CONFLICT (company_id, contact_card_id, day) DO NOTHING

-- name: text_back
-- Which call a text follows, and when it was to leave.
SELECT t.call_id, m.body, coalesce(m.scheduled_at, m.created_at) AS due FROM text_backs t JOIN messages m ON m.company_id = t.company_id AND m.id = t.message_id WHERE t.company_id = $1 AND t.message_id = $2
