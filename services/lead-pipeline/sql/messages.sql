-- name: enter_opt_ins
INSERT INTO opt_ins (company_id, message_id, phone, word, source, at)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[]) AS i (company_id, message_id, phone, word, source, at) ORDER BY company_id, message_id
ON CONFLICT (company_id, message_id) DO NOTHING

-- name: enter_opt_outs
-- One row a text. A START that is later and was heard of earlier has taken it back already.
INSERT INTO opt_outs (company_id, id, phone, source, message_id, opted_out_at, revoked_at, revoked_source, revoked_by)
SELECT i.company_id, i.id, i.phone, i.source, i.message_id, i.at, s.at, s.source, s.message_id
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[]) AS i (company_id, id, phone, source, message_id, at)
  LEFT JOIN LATERAL (SELECT n.at, n.source, n.message_id FROM opt_ins n WHERE n.company_id = i.company_id AND n.phone = i.phone AND n.at > i.at ORDER BY n.at, n.message_id LIMIT 1) s ON true
 ORDER BY i.company_id, i.id
ON CONFLICT (company_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
RETURNING company_id, id, message_id

-- name: take_opt_outs_back
-- The first START after it counts, also where a later one has taken it back. A "yes" answers no person's entry. What a person takes back meanwhile is seen once its row is locked.
UPDATE opt_outs o SET revoked_at = f.at, revoked_source = f.source, revoked_by = f.message_id
  FROM (SELECT DISTINCT ON (r.company_id, r.id) r.company_id, r.id, i.at, i.source, i.message_id
          FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::timestamptz[]) AS i (company_id, phone, message_id, word, source, at)
          JOIN opt_outs r ON r.company_id = i.company_id AND r.phone = i.phone AND r.opted_out_at < i.at AND (r.revoked_at IS NULL OR r.revoked_at > i.at)
                         AND (i.word = 'start' OR r.source IN ('keyword', 'provider'))
         ORDER BY r.company_id, r.id, i.at, i.message_id) f
 WHERE o.company_id = f.company_id AND o.id = f.id AND (o.revoked_at IS NULL OR o.revoked_at > f.at)
RETURNING o.company_id, o.id, f.message_id

-- name: ask_about_opt_outs
INSERT INTO tasks (company_id, id, description, assigned_to, source, action_type, due_at, priority, contact_card_id, lead_id, message_id, contact_method, unique_key, raw_text)
SELECT company_id, id, description, 'csr', 'otto', 'check_opt_out', at + interval '2 hours', 'high', contact_card_id, lead_id, message_id, 'sms', unique_key, words
  FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::timestamptz[])
       AS i (company_id, id, description, contact_card_id, lead_id, message_id, unique_key, words, at) ORDER BY company_id, id
ON CONFLICT (company_id, unique_key) DO NOTHING
RETURNING company_id, id, message_id, version

-- name: want_media
SELECT otto_want('lead-pipeline/media', company_id, id::text, now()) FROM (SELECT * FROM unnest($1::text[], $2::uuid[]) AS i (company_id, id) ORDER BY company_id, id) wanted

-- name: drop_message
-- A row that proves to be another's: what it was told is told of that one.
DELETE FROM messages WHERE company_id = $1 AND id = $2
