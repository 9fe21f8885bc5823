-- part: purchase_columns
p.id, p.e164, p.state, p.account_sid, p.shared, p.voice_url, p.asked_by, p.asks, p.asked_at, p.asking_until, coalesce(p.asking_until > now(), false) AS asking, p.settled_at IS NOT NULL AS settled, p.number_id

-- name: purchase_of_number
-- The one that is open, else the one that was settled last; `live`: what it bought is registered still.
SELECT /*purchase_columns*/,
       EXISTS (SELECT FROM company_numbers n WHERE n.company_id = p.company_id AND n.id = p.number_id AND n.is_active AND (n.valid_to IS NULL OR n.valid_to > now())) AS live
  FROM number_purchases p WHERE p.company_id = $1 AND p.e164 = $2 ORDER BY p.settled_at IS NULL DESC, p.asked_at DESC LIMIT 1

-- name: purchase
SELECT /*purchase_columns*/, false AS live FROM number_purchases p WHERE p.company_id = $1 AND p.id = $2

-- name: lock_purchase
SELECT /*purchase_columns*/, false AS live FROM number_purchases p WHERE p.company_id = $1 AND p.id = $2 FOR UPDATE

-- name: ask_purchase
-- No row: somebody's purchase of the same number is open, perhaps another company's.
INSERT INTO number_purchases AS p (company_id, e164, account_sid, shared, voice_url, asked_by, asking_until) VALUES ($1, $2, $3, $4, $5, $6, now() + $7::bigint * interval '1 millisecond')
ON CONFLICT (e164) WHERE settled_at IS NULL DO NOTHING RETURNING /*purchase_columns*/, false AS live

-- name: ask_purchase_again
-- No row: another request is at it, or has settled it.
UPDATE number_purchases p SET asks = asks + 1, asked_at = now(), asked_by = $3, voice_url = $4, why = NULL, asking_until = now() + $5::bigint * interval '1 millisecond'
 WHERE p.company_id = $1 AND p.id = $2 AND p.state = 'asked' AND p.settled_at IS NULL AND (p.asking_until IS NULL OR p.asking_until <= now()) RETURNING /*purchase_columns*/, false AS live

-- name: purchase_in_doubt
UPDATE number_purchases SET asking_until = NULL, why = $3 WHERE company_id = $1 AND id = $2 AND settled_at IS NULL

-- name: purchase_failed
UPDATE number_purchases SET state = 'failed', error_code = $3, why = $4, asking_until = NULL, settled_at = now() WHERE company_id = $1 AND id = $2 AND state = 'asked' AND settled_at IS NULL

-- name: purchase_came_to_nothing
-- Unless somebody is asking again.
UPDATE number_purchases SET state = 'failed', why = $3, asking_until = NULL, settled_at = now()
 WHERE company_id = $1 AND id = $2 AND state = 'asked' AND settled_at IS NULL AND asks = $4 AND (asking_until IS NULL OR asking_until <= now())

-- name: purchase_bought
-- Twilio has sold it, and something here keeps it from being registered.
UPDATE number_purchases SET state = 'bought', provider_sid = $3, why = $4, asking_until = NULL WHERE company_id = $1 AND id = $2 AND settled_at IS NULL

-- name: purchase_recorded
UPDATE number_purchases SET state = 'bought', provider_sid = $3, number_id = $4, error_code = NULL, why = NULL, asking_until = NULL, settled_at = now() WHERE company_id = $1 AND id = $2

-- name: own_bought_number
-- Registered meanwhile.
UPDATE company_numbers SET provider = 'twilio', provider_sid = $3, standing = 'final', webhooks_problem = NULL, webhooks_problem_cure = NULL
 WHERE company_id = $1 AND e164 = $2 AND is_active AND valid_from <= now() AND (valid_to IS NULL OR valid_to > now()) RETURNING id

-- name: add_bought_number
INSERT INTO company_numbers (company_id, e164, purposes, provider, provider_sid, standing, valid_from)
VALUES ($1, $2, CASE WHEN $4::boolean AND $5::boolean THEN '{voice,text}'::text[] WHEN $5::boolean THEN '{text}' ELSE '{voice}' END, 'twilio', $3, 'final', number_free_since($2)) RETURNING id

-- name: forget_listed
DELETE FROM listed_numbers WHERE company_id = $1 AND e164 = $2 AND provider = 'twilio'

-- name: number_to_configure
SELECT e164, provider, standing, is_active AND (valid_to IS NULL OR valid_to > now()) AS live,
       EXISTS (SELECT FROM number_purchases p WHERE p.company_id = n.company_id AND p.e164 = n.e164 AND p.shared AND p.state = 'bought') AS bought_shared
  FROM company_numbers n WHERE company_id = $1 AND id = $2

-- name: note_former_webhooks
-- What stood at Twilio before Otto set it ($4: it was another's address): kept over a try whose answer was lost, after which Twilio already has ours.
UPDATE company_numbers SET webhooks_former = $3 WHERE company_id = $1 AND id = $2 AND ($4::boolean OR webhooks_former IS NULL)

-- name: former_webhooks
SELECT webhooks_former FROM company_numbers WHERE company_id = $1 AND id = $2

-- name: number_configured
UPDATE company_numbers SET provider_sid = $3, webhooks_problem = NULL, webhooks_problem_cure = NULL
 WHERE company_id = $1 AND id = $2 AND (provider_sid IS DISTINCT FROM $3 OR webhooks_problem IS NOT NULL)

-- name: keep_leads
-- What of a number's calls ($3) and texts ($4) does not come here, as far as it is registered for them.
UPDATE company_numbers n SET webhooks_problem = i.problem, webhooks_problem_cure = CASE WHEN i.problem IS NOT NULL THEN $5 END
  FROM (SELECT c.id, nullif(concat_ws('; ', CASE WHEN 'voice' = ANY (c.purposes) THEN nullif(l.calls, '') END, CASE WHEN 'text' = ANY (c.purposes) THEN nullif(l.texts, '') END), '') AS problem
          FROM company_numbers c JOIN unnest($2::text[], $3::text[], $4::text[]) AS l (number, calls, texts) ON l.number = c.e164
         WHERE c.company_id = $1 AND c.provider = 'twilio' AND c.is_active AND (c.valid_to IS NULL OR c.valid_to > now())) i
 WHERE n.company_id = $1 AND n.id = i.id AND n.webhooks_problem IS DISTINCT FROM i.problem

-- name: unlisted_lead_nowhere
-- What was bought for the company in the deployment's account is looked at by itself.
UPDATE company_numbers n SET webhooks_problem = 'your Twilio account does not list it, so nothing that comes for it comes here',
       webhooks_problem_cure = 'Have it moved to this account at Twilio, connect the account that has it (POST /api/v1/onboarding/twilio/connect), or end it here: DELETE /api/v1/numbers/{id}.'
 WHERE n.company_id = $1 AND n.provider = 'twilio' AND n.is_active AND (n.valid_to IS NULL OR n.valid_to > now()) AND n.e164 <> ALL ($2::text[])
   AND n.webhooks_problem IS DISTINCT FROM 'your Twilio account does not list it, so nothing that comes for it comes here'
   AND NOT EXISTS (SELECT FROM number_purchases p WHERE p.company_id = n.company_id AND p.e164 = n.e164 AND p.shared AND p.state = 'bought')

-- name: shared_numbers
-- That the company has in the deployment's account: all of Twilio's, if it has no account of its own ($2).
SELECT DISTINCT e164 FROM company_numbers n
 WHERE company_id = $1 AND provider = 'twilio' AND is_active AND (valid_to IS NULL OR valid_to > now())
   AND ($2::boolean OR EXISTS (SELECT FROM number_purchases p WHERE p.company_id = n.company_id AND p.e164 = n.e164 AND p.shared AND p.state = 'bought')) ORDER BY e164 LIMIT 50
