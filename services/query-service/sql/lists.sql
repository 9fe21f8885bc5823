-- name: calls_page
-- Cards and leads are looked up row by row, by their whole key (LATERAL … LIMIT): of a company that is newer than the statistics the planner believes that it has one
-- row of each, and a plain join would then read all of them again for each call.
-- Days come as the moments at which they begin and end: within row-level security a condition that computes them here, with the company's zone, is none that an index takes.
-- /*sort*/, /*dir*/ and /*cmp*/ are put in from a fixed table, and of the lines with "$n IS NULL OR" only those of given filters are run (page.cpp).
-- A page's rows are chosen first, and only what is shown is looked up beside them: of ten thousand that a search found, or where no index has the order, all would have to be completed to be sorted.
SELECT c.call_id, c.company_id, c.provider, c.provider_call_id, c.phone_number, c.tracking_number, c.direction, c.status, c.missed_call, c.answered, c.duration, c.recording_url, c.started_at, c.ended_at,
       c.contact_card_id, c.lead_id, c.owner_id, left(c.source, 1024) AS source, left(c.campaign, 1024) AS campaign, left(c.keywords, 1024) AS keywords,
       CASE WHEN c.tags = '{}' THEN '[]' ELSE (SELECT jsonb_agg(left(tag, 1024)) FROM unnest(c.tags[1:50]) AS tag) END AS tags_json, left(c.note, 1024) AS note, left(c.value, 1024) AS value,
       left(c.lead_status, 1024) AS lead_status, c.first_call, c.created_at, c.updated_at,
       k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name, l.status AS lead_state, l.assigned_rep_id AS lead_rep, f.booking_status, c.sort_at
  FROM (
SELECT c.*, /*sort*/c.created_at AS sort_at
  FROM calls c
  JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) ck ON true
  JOIN LATERAL (SELECT assigned_rep_id FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) cl ON true
  JOIN LATERAL (SELECT booking_status, lead_quality, analysed FROM call_facts WHERE company_id = c.company_id AND call_id = c.call_id LIMIT 1) cf ON true
 WHERE c.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/c.created_at, c.call_id) /*cmp*/< ($2, $3::bigint))
   AND ($6::text IS NULL OR cl.assigned_rep_id = $6)
   AND ($7::text[] IS NULL OR c.status = ANY ($7))
   AND ($8::boolean IS NULL OR c.missed_call = $8)
   AND ($9::text[] IS NULL OR c.direction = ANY ($9))
   AND ($10::text[] IS NULL OR c.provider = ANY ($10))
   AND ($11::timestamptz IS NULL OR c.happened_at >= $11)
   AND ($12::timestamptz IS NULL OR c.happened_at < $12)
   AND ($13::text IS NULL OR c.phone_number = $13)
   AND ($14::uuid IS NULL OR c.lead_id = $14)
   AND ($15::uuid IS NULL OR c.contact_card_id = $15)
   AND ($16::text[] IS NULL OR coalesce(c.owner_id, 'none') = ANY ($16))
   AND ($17::bigint[] IS NULL OR c.call_id = ANY ($17))
   AND ($18::text[] IS NULL OR ck.search_text LIKE ALL ($18) OR (call_search_text(c.phone_number, c.tracking_number, c.note, c.tags) || search_number(c.tracking_number) || ck.search_text) LIKE ALL ($18))
   AND ($19::text[] IS NULL OR cf.booking_status = ANY ($19))
   AND ($20::text[] IS NULL OR cf.lead_quality = ANY ($20))
   AND ($21::boolean IS NULL OR c.answered = $21)
   AND ($22::boolean IS NULL OR cf.analysed = $22)
 ORDER BY /*sort*/c.created_at /*dir*/DESC, c.call_id /*dir*/DESC
 LIMIT $4
 OFFSET $5
       ) c
  JOIN LATERAL (SELECT primary_phone, left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT booking_status FROM call_facts WHERE company_id = c.company_id AND call_id = c.call_id LIMIT 1) f ON true
 ORDER BY c.sort_at /*dir*/DESC, c.call_id /*dir*/DESC

-- name: calls_count
SELECT count(*) AS n FROM (
SELECT 1 FROM calls c
  JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT assigned_rep_id FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) l ON true
  JOIN call_facts f ON f.company_id = c.company_id AND f.call_id = c.call_id
 WHERE c.company_id = $1
   AND ($2::text IS NULL OR l.assigned_rep_id = $2)
   AND ($3::text[] IS NULL OR c.status = ANY ($3))
   AND ($4::boolean IS NULL OR c.missed_call = $4)
   AND ($5::text[] IS NULL OR c.direction = ANY ($5))
   AND ($6::text[] IS NULL OR c.provider = ANY ($6))
   AND ($7::timestamptz IS NULL OR c.happened_at >= $7)
   AND ($8::timestamptz IS NULL OR c.happened_at < $8)
   AND ($9::text IS NULL OR c.phone_number = $9)
   AND ($10::uuid IS NULL OR c.lead_id = $10)
   AND ($11::uuid IS NULL OR c.contact_card_id = $11)
   AND ($12::text[] IS NULL OR coalesce(c.owner_id, 'none') = ANY ($12))
   AND ($13::bigint[] IS NULL OR c.call_id = ANY ($13))
   AND ($14::text[] IS NULL OR k.search_text LIKE ALL ($14) OR (call_search_text(c.phone_number, c.tracking_number, c.note, c.tags) || search_number(c.tracking_number) || k.search_text) LIKE ALL ($14))
   AND ($15::text[] IS NULL OR f.booking_status = ANY ($15))
   AND ($16::text[] IS NULL OR f.lead_quality = ANY ($16))
   AND ($17::boolean IS NULL OR c.answered = $17)
   AND ($18::boolean IS NULL OR f.analysed = $18)
 LIMIT 10001) counted

-- name: list_total
-- Of a list without filters, without counting it.
SELECT coalesce(sum(part), 0)::bigint AS n FROM list_totals WHERE company_id = $1 AND list = $2

-- name: leads_page
SELECT l.id, l.company_id, l.contact_card_id, l.status, left(l.source, 1024) AS source, l.pool_status, l.assigned_rep_id, l.last_qualified_at, l.last_contacted_at, l.closed_at, l.created_at, l.updated_at,
       k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name, l.sort_at
  FROM (
SELECT l.*, /*sort*/l.created_at AS sort_at
  FROM leads l
  JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) lk ON true
 WHERE l.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/l.created_at, l.id) /*cmp*/< ($2, $3::uuid))
   AND ($6::text IS NULL OR l.assigned_rep_id = $6)
   AND ($7::text[] IS NULL OR l.status = ANY ($7))
   AND ($8::text[] IS NULL OR l.pool_status = ANY ($8))
   AND ($9::text[] IS NULL OR coalesce(l.assigned_rep_id, 'none') = ANY ($9))
   AND ($10::text[] IS NULL OR l.source = ANY ($10))
   AND ($11::timestamptz IS NULL OR l.created_at >= $11)
   AND ($12::timestamptz IS NULL OR l.created_at < $12)
   AND ($13::uuid[] IS NULL OR l.id = ANY ($13))
   AND ($14::text[] IS NULL OR (l.search_text || lk.search_text) LIKE ALL ($14))
   AND ($15::uuid IS NULL OR l.contact_card_id = $15)
   AND ($16::boolean IS NULL OR (l.last_qualified_at IS NOT NULL) = $16)
 ORDER BY /*sort*/l.created_at /*dir*/DESC, l.id /*dir*/DESC
 LIMIT $4
 OFFSET $5
       ) l
  JOIN LATERAL (SELECT primary_phone, left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) k ON true
 ORDER BY l.sort_at /*dir*/DESC, l.id /*dir*/DESC

-- name: leads_count
SELECT count(*) AS n FROM (
SELECT 1 FROM leads l
  JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) k ON true
 WHERE l.company_id = $1
   AND ($2::text IS NULL OR l.assigned_rep_id = $2)
   AND ($3::text[] IS NULL OR l.status = ANY ($3))
   AND ($4::text[] IS NULL OR l.pool_status = ANY ($4))
   AND ($5::text[] IS NULL OR coalesce(l.assigned_rep_id, 'none') = ANY ($5))
   AND ($6::text[] IS NULL OR l.source = ANY ($6))
   AND ($7::timestamptz IS NULL OR l.created_at >= $7)
   AND ($8::timestamptz IS NULL OR l.created_at < $8)
   AND ($9::uuid[] IS NULL OR l.id = ANY ($9))
   AND ($10::text[] IS NULL OR (l.search_text || k.search_text) LIKE ALL ($10))
   AND ($11::uuid IS NULL OR l.contact_card_id = $11)
   AND ($12::boolean IS NULL OR (l.last_qualified_at IS NOT NULL) = $12)
 LIMIT 10001) counted

-- name: contacts_page
-- A rep's own: whose lead it is, and whom a rep is to visit or has a task about.
SELECT k.id, k.company_id, k.primary_phone, left(k.first_name, 1024) AS first_name, left(k.last_name, 1024) AS last_name, left(k.address, 1024) AS address, left(k.city, 1024) AS city, left(k.state, 1024) AS state, k.created_at, k.updated_at, /*sort*/k.created_at AS sort_at
  FROM contact_cards k
 WHERE k.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/k.created_at, k.id) /*cmp*/< ($2, $3::uuid))
   AND ($6::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $6) OR EXISTS (SELECT FROM appointments a WHERE a.company_id = k.company_id AND a.contact_card_id = k.id AND a.assigned_rep_id = $6) OR EXISTS (SELECT FROM tasks t WHERE t.company_id = k.company_id AND t.contact_card_id = k.id AND t.assignee_id = $6))
   AND ($7::uuid[] IS NULL OR k.id = ANY ($7))
   AND ($8::text[] IS NULL OR k.search_text LIKE ALL ($8))
   AND ($9::text IS NULL OR k.primary_phone = $9)
 ORDER BY /*sort*/k.created_at /*dir*/DESC, k.id /*dir*/DESC
 LIMIT $4
 OFFSET $5

-- name: contacts_count
SELECT count(*) AS n FROM (
SELECT 1 FROM contact_cards k
 WHERE k.company_id = $1
   AND ($2::text IS NULL OR EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = $2) OR EXISTS (SELECT FROM appointments a WHERE a.company_id = k.company_id AND a.contact_card_id = k.id AND a.assigned_rep_id = $2) OR EXISTS (SELECT FROM tasks t WHERE t.company_id = k.company_id AND t.contact_card_id = k.id AND t.assignee_id = $2))
   AND ($3::uuid[] IS NULL OR k.id = ANY ($3))
   AND ($4::text[] IS NULL OR k.search_text LIKE ALL ($4))
   AND ($5::text IS NULL OR k.primary_phone = $5)
 LIMIT 10001) counted

-- name: appointments_page
SELECT a.id, a.company_id, a.lead_id, a.contact_card_id, a.call_id, a.scheduled_start, a.scheduled_end, a.status, a.outcome, left(a.location_address, 1024) AS location_address, left(a.service_type, 1024) AS service_type, a.appointment_type, a.assigned_rep_id,
       a.needs_time, a.moved_from, a.moved_at, a.moved_by_call, a.deal_size_cents, left(a.notes, 1024) AS notes, a.touched_by, a.touched_at, a.created_at, a.updated_at, k.primary_phone AS contact_phone, k.first_name AS contact_first_name,
       k.last_name AS contact_last_name, l.status AS lead_state, l.assigned_rep_id AS lead_rep, t.pending AS pending_tasks, a.sort_at
  FROM (
SELECT a.*, /*sort*/a.created_at AS sort_at
  FROM appointments a
  LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = a.company_id AND id = a.contact_card_id LIMIT 1) ak ON true
 WHERE a.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/a.created_at, a.id) /*cmp*/< ($2, $3::uuid))
   AND ($6::text IS NULL OR a.assigned_rep_id = $6)
   AND ($7::timestamptz IS NULL OR a.scheduled_start >= $7)
   AND ($8::timestamptz IS NULL OR a.scheduled_start < $8)
   AND ($9::uuid IS NULL OR a.lead_id = $9)
   AND ($10::text[] IS NULL OR a.status = ANY ($10))
   AND ($11::text[] IS NULL OR a.outcome = ANY ($11))
   AND ($12::text[] IS NULL OR coalesce(a.assigned_rep_id, 'none') = ANY ($12))
   AND ($13::uuid IS NULL OR a.contact_card_id = $13)
   AND ($14::uuid[] IS NULL OR a.id = ANY ($14))
   AND ($15::text[] IS NULL OR (a.search_text || coalesce(ak.search_text, '')) LIKE ALL ($15))
 ORDER BY /*sort*/a.created_at /*dir*/DESC, a.id /*dir*/DESC
 LIMIT $4
 OFFSET $5
       ) a
  LEFT JOIN LATERAL (SELECT primary_phone, left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name FROM contact_cards WHERE company_id = a.company_id AND id = a.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = a.company_id AND id = a.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT count(*) AS pending FROM tasks WHERE company_id = a.company_id AND lead_id = a.lead_id AND status IN ('open', 'overdue') AND ($6::text IS NULL OR assignee_id = $6 OR l.assigned_rep_id = $6)) t ON true
 ORDER BY a.sort_at /*dir*/DESC, a.id /*dir*/DESC

-- name: appointments_count
SELECT count(*) AS n FROM (
SELECT 1 FROM appointments a
  LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = a.company_id AND id = a.contact_card_id LIMIT 1) k ON true
 WHERE a.company_id = $1
   AND ($2::text IS NULL OR a.assigned_rep_id = $2)
   AND ($3::timestamptz IS NULL OR a.scheduled_start >= $3)
   AND ($4::timestamptz IS NULL OR a.scheduled_start < $4)
   AND ($5::uuid IS NULL OR a.lead_id = $5)
   AND ($6::text[] IS NULL OR a.status = ANY ($6))
   AND ($7::text[] IS NULL OR a.outcome = ANY ($7))
   AND ($8::text[] IS NULL OR coalesce(a.assigned_rep_id, 'none') = ANY ($8))
   AND ($9::uuid IS NULL OR a.contact_card_id = $9)
   AND ($10::uuid[] IS NULL OR a.id = ANY ($10))
   AND ($11::text[] IS NULL OR (a.search_text || coalesce(k.search_text, '')) LIKE ALL ($11))
 LIMIT 10001) counted

-- name: tasks_page
-- A rep's own: given to them, or about a lead of theirs.
SELECT t.id, t.company_id, left(t.description, 1024) AS description, t.assigned_to, t.assignee_id, t.source, t.action_type, t.due_at, t.status, t.priority, t.contact_card_id, t.lead_id, t.call_id, t.appointment_id, left(t.raw_text, 1024) AS raw_text,
       t.contact_method, t.completed_at, t.completed_by, t.created_by, t.created_at, t.updated_at, task_is_overdue(t.status, t.due_at) AS overdue,
       k.primary_phone AS contact_phone, k.first_name AS contact_first_name, k.last_name AS contact_last_name, l.status AS lead_state, l.assigned_rep_id AS lead_rep, t.sort_at
  FROM (
SELECT t.*, /*sort*/t.created_at AS sort_at
  FROM tasks t
  LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = t.company_id AND id = t.contact_card_id LIMIT 1) tk ON true
  LEFT JOIN LATERAL (SELECT assigned_rep_id FROM leads WHERE company_id = t.company_id AND id = t.lead_id LIMIT 1) tl ON true
 WHERE t.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/t.created_at, t.id) /*cmp*/< ($2, $3::uuid))
   AND ($6::text IS NULL OR t.assignee_id = $6 OR tl.assigned_rep_id = $6)
   AND ($7::text[] IS NULL OR t.status = ANY ($7))
   AND ($8::text[] IS NULL OR t.assigned_to = ANY ($8))
   AND ($9::text[] IS NULL OR coalesce(t.assignee_id, 'none') = ANY ($9))
   AND ($10::boolean IS NULL OR task_is_overdue(t.status, t.due_at) = $10)
   AND ($11::uuid IS NULL OR t.lead_id = $11)
   AND ($12::uuid IS NULL OR t.contact_card_id = $12)
   AND ($13::uuid[] IS NULL OR t.id = ANY ($13))
   AND ($14::text[] IS NULL OR (t.search_text || coalesce(tk.search_text, '')) LIKE ALL ($14))
 ORDER BY /*sort*/t.created_at /*dir*/DESC, t.id /*dir*/DESC
 LIMIT $4
 OFFSET $5
       ) t
  LEFT JOIN LATERAL (SELECT primary_phone, left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name FROM contact_cards WHERE company_id = t.company_id AND id = t.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = t.company_id AND id = t.lead_id LIMIT 1) l ON true
 ORDER BY t.sort_at /*dir*/DESC, t.id /*dir*/DESC

-- name: tasks_count
SELECT count(*) AS n FROM (
SELECT 1 FROM tasks t
  LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = t.company_id AND id = t.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT assigned_rep_id FROM leads WHERE company_id = t.company_id AND id = t.lead_id LIMIT 1) l ON true
 WHERE t.company_id = $1
   AND ($2::text IS NULL OR t.assignee_id = $2 OR l.assigned_rep_id = $2)
   AND ($3::text[] IS NULL OR t.status = ANY ($3))
   AND ($4::text[] IS NULL OR t.assigned_to = ANY ($4))
   AND ($5::text[] IS NULL OR coalesce(t.assignee_id, 'none') = ANY ($5))
   AND ($6::boolean IS NULL OR task_is_overdue(t.status, t.due_at) = $6)
   AND ($7::uuid IS NULL OR t.lead_id = $7)
   AND ($8::uuid IS NULL OR t.contact_card_id = $8)
   AND ($9::uuid[] IS NULL OR t.id = ANY ($9))
   AND ($10::text[] IS NULL OR (t.search_text || coalesce(k.search_text, '')) LIKE ALL ($10))
 LIMIT 10001) counted

-- name: unbooked_page
-- What the figure qualified_but_unbooked_calls counts.
SELECT f.call_id, f.lead_id, l.contact_card_id, k.first_name AS contact_first_name, k.last_name AS contact_last_name, k.primary_phone AS contact_phone, f.happened_at, f.lead_quality, f.booking_status, f.owner_id,
       a.objection, /*sort*/f.happened_at AS sort_at
  FROM call_facts f
  LEFT JOIN LATERAL (SELECT contact_card_id FROM leads WHERE company_id = f.company_id AND id = f.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT primary_phone, left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name FROM contact_cards WHERE company_id = f.company_id AND id = l.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT coalesce(objections -> 0 ->> 'label', objections -> 0 ->> 'key') AS objection FROM call_analyses WHERE company_id = f.company_id AND call_id = f.call_id LIMIT 1) a ON true
 WHERE f.company_id = $1 AND f.inbound AND f.booking_status = 'not_booked' AND f.lead_quality IN ('hot', 'warm', 'cold')
   AND ($2::timestamptz IS NULL OR (/*sort*/f.happened_at, f.call_id) /*cmp*/< ($2, $3::bigint))
   AND ($6::text IS NULL)
   AND ($7::timestamptz IS NULL OR f.happened_at >= $7)
   AND ($8::timestamptz IS NULL OR f.happened_at < $8)
 ORDER BY /*sort*/f.happened_at /*dir*/DESC, f.call_id /*dir*/DESC
 LIMIT $4
 OFFSET $5

-- name: unbooked_count
SELECT count(*) AS n FROM (
SELECT 1 FROM call_facts f
 WHERE f.company_id = $1 AND f.inbound AND f.booking_status = 'not_booked' AND f.lead_quality IN ('hot', 'warm', 'cold')
   AND ($2::text IS NULL)
   AND ($3::timestamptz IS NULL OR f.happened_at >= $3)
   AND ($4::timestamptz IS NULL OR f.happened_at < $4)
 LIMIT 10001) counted

-- name: users_page
SELECT u.id, u.email, u.name, u.role, u.status, u.created_at, u.updated_at, /*sort*/u.created_at AS sort_at
  FROM company_users u
 WHERE u.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/u.created_at, u.id) /*cmp*/< ($2, $3::text))
   AND ($6::text IS NULL)
 ORDER BY /*sort*/u.created_at /*dir*/DESC, u.id /*dir*/DESC
 LIMIT $4
 OFFSET $5

-- name: users_count
SELECT count(*) AS n FROM (
SELECT 1 FROM company_users u
 WHERE u.company_id = $1
   AND ($2::text IS NULL)
 LIMIT 10001) counted

-- name: numbers_page
-- Registered ones, and those that proven webhooks showed but nobody registered.
SELECT n.*, /*sort*/n.created_at AS sort_at
  FROM (SELECT company_id, id::text AS key, id, e164, to_json(purposes) AS purposes, provider, provider_sid, is_active, voicemail_enabled, created_at AS valid_from, valid_to, created_at,
               number_state(standing, valid_to) AS state, number_note(ended_note, kept_note, valid_to) AS note
          FROM company_numbers
         UNION ALL
        SELECT s.company_id, s.e164, NULL, s.e164, '[]', s.provider, NULL, false, false, s.first_seen_at, NULL, s.first_seen_at, 'seen', NULL
          FROM seen_numbers s WHERE NOT EXISTS (SELECT FROM company_numbers o WHERE o.company_id = s.company_id AND o.e164 = s.e164)) n
 WHERE n.company_id = $1
   AND ($2::timestamptz IS NULL OR (/*sort*/n.created_at, n.key) /*cmp*/< ($2, $3::text))
   AND ($6::text IS NULL)
 ORDER BY /*sort*/n.created_at /*dir*/DESC, n.key /*dir*/DESC
 LIMIT $4
 OFFSET $5

-- name: numbers_count
SELECT count(*) AS n FROM (
SELECT 1
  FROM (SELECT company_id, e164 FROM company_numbers
         UNION ALL
        SELECT s.company_id, s.e164 FROM seen_numbers s WHERE NOT EXISTS (SELECT FROM company_numbers o WHERE o.company_id = s.company_id AND o.e164 = s.e164)) n
 WHERE n.company_id = $1
   AND ($2::text IS NULL)
 LIMIT 10001) counted
