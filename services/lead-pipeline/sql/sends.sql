-- name: head_of_line
SELECT message_id, automatic, state FROM text_sends WHERE company_id = $1 AND from_number = $2 AND to_number = $3 AND state IN ('waiting', 'released', 'asked', 'unknown')

-- name: push_send_back
-- Unless it was released meanwhile.
UPDATE text_sends SET state = 'behind' WHERE company_id = $1 AND message_id = $2 AND state = 'waiting'

-- name: place_send
UPDATE text_sends SET state = $3, to_number = $4 WHERE company_id = $1 AND message_id = $2

-- name: save_send
UPDATE text_sends SET state = $3, asked_at = $4, account = $5, looked_at = $6, not_found = $7, failures = $8, why = nullif($9, '') WHERE company_id = $1 AND message_id = $2

-- name: drop_send
DELETE FROM text_sends WHERE company_id = $1 AND message_id = $2

-- name: step_up
-- Who is next of a pair whose head has gone: people's texts first, then the oldest.
UPDATE text_sends SET state = 'waiting' WHERE company_id = $1
   AND message_id = (SELECT message_id FROM text_sends WHERE company_id = $1 AND from_number = $2 AND to_number = $3 AND state = 'behind' ORDER BY automatic, accepted_at, message_id LIMIT 1)

-- name: person_is_behind
SELECT EXISTS (SELECT FROM text_sends WHERE company_id = $1 AND from_number = $2 AND to_number = $3 AND state = 'behind' AND NOT automatic) AS behind

-- name: want_now
SELECT otto_want($1, $2, $3, now())

-- name: opted_out_at
SELECT opted_out_at FROM opt_outs WHERE company_id = $1 AND phone = $2 AND revoked_at IS NULL ORDER BY opted_out_at LIMIT 1

-- name: opt_out_unclear
SELECT EXISTS (SELECT FROM contact_cards k JOIN tasks t ON t.company_id = k.company_id AND t.contact_card_id = k.id
                WHERE k.company_id = $1 AND k.primary_phone = $2 AND t.action_type = 'check_opt_out' AND t.status IN ('open', 'overdue')) AS unclear
