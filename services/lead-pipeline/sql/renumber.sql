-- name: company_to_renumber
SELECT company_id, cards_after, calls_after FROM renumbering WHERE due_at <= now() ORDER BY due_at LIMIT 1

-- name: renumbered_so_far
UPDATE renumbering SET cards_after = $2, calls_after = $3, failed = failed OR $4, due_at = greatest(now(), due_at) WHERE company_id = $1

-- name: renumbered_all
-- A pass is over: once more where something failed, in an hour after the first, never after the second.
WITH over AS (DELETE FROM renumbering WHERE company_id = $1 AND NOT failed AND NOT $2 AND pass = 2 RETURNING company_id)
UPDATE renumbering r SET cards_after = '00000000-0000-0000-0000-000000000000', calls_after = 0, pass = CASE WHEN failed OR $2 THEN pass ELSE 2 END, failed = false,
       due_at = now() + CASE WHEN failed OR $2 THEN interval '10 minutes' ELSE interval '1 hour' END
 WHERE company_id = $1 AND (failed OR $2 OR pass = 1)

-- name: cards_to_judge
-- A page of cards; of those without a number what two of their calls say, and a text.
SELECT k.id, k.primary_phone, c.call_id, c.phone_number FROM (SELECT id, primary_phone FROM contact_cards WHERE company_id = $1 AND id > $2 ORDER BY id LIMIT $3) k
  LEFT JOIN LATERAL ((SELECT call_id, phone_number FROM calls WHERE company_id = $1 AND contact_card_id = k.id AND k.primary_phone IS NULL ORDER BY call_id LIMIT 2)
                     UNION ALL
                     (SELECT NULL, CASE direction WHEN 'inbound' THEN from_number ELSE to_number END FROM messages WHERE company_id = $1 AND contact_card_id = k.id AND k.primary_phone IS NULL LIMIT 1)) c ON true
 ORDER BY k.id

-- name: calls_to_judge
SELECT call_id, phone_number, direction, status, missed_call, answered FROM calls WHERE company_id = $1 AND call_id > $2 ORDER BY call_id LIMIT $3

-- name: number_card
UPDATE contact_cards k SET primary_phone = $3, version = version + 1, updated_at = now()
 WHERE company_id = $1 AND id = $2 AND NOT EXISTS (SELECT FROM contact_cards o WHERE o.company_id = $1 AND o.primary_phone = $3)

-- name: unnumber_card
UPDATE contact_cards SET primary_phone = NULL, version = version + 1, updated_at = now() WHERE company_id = $1 AND id = $2

-- name: cancel_call_backs
-- Who has no number cannot be called back. What a person had a hand in stays.
UPDATE tasks SET status = 'cancelled', version = version + 1, updated_at = now()
 WHERE company_id = $1 AND contact_card_id = $2 AND source = 'otto' AND action_type = 'call_back' AND edited_by IS NULL AND status IN ('open', 'overdue')
RETURNING id, version

-- name: calls_of_card
SELECT call_id FROM calls WHERE company_id = $1 AND contact_card_id = $2 AND call_id < $3 ORDER BY call_id DESC LIMIT $4

-- name: messages_of_card
SELECT id FROM messages WHERE company_id = $1 AND contact_card_id = $2 AND id > $3 ORDER BY id LIMIT $4
