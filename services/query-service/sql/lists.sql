-- The lists: each is declared once, and its page, its count and its filters by name follow (libs/pg/tools/sql_to_hpp.py). What a page shows beside its rows is looked up for these alone: of ten
-- thousand that a search found, or where no index has the order, all would have to be completed to be sorted.
-- Cards and leads are looked up row by row, by their whole key (LATERAL … LIMIT): of a company that is newer than the statistics the planner believes that it has one
-- row of each, and a plain join would then read all of them again for each call.
-- Days come as the moments at which they begin and end: within row-level security a condition that computes them here, with the company's zone, is none that an index takes.
-- `found` and `words`: where a search leads (search.hpp).

-- list: calls
-- id: call_id bigint
-- sorts: created_at = c.created_at; started_at = c.happened_at
-- total: calls
-- asks: ids, status=call_status, missed_call, direction=call_direction, provider=call_provider, date_from, date_to, phone, lead_id, contact_card_id, owner_id
-- asks: booking_status=booking_status, lead_quality=lead_quality, qualified, call_outcome_category=call_outcome, objection, answered, analysed, source, campaign, tag, duration_min, search
SELECT c.call_id, c.company_id, c.provider, c.provider_call_id, c.phone_number, c.tracking_number, c.direction, c.status, c.missed_call, c.answered, c.duration, c.recording_url, c.started_at, c.ended_at,
       c.contact_card_id, c.lead_id, c.owner_id, left(c.source, 1024) AS source, left(c.campaign, 1024) AS campaign, left(c.keywords, 1024) AS keywords,
       CASE WHEN c.tags = '{}' THEN '[]' ELSE (SELECT jsonb_agg(left(tag, 1024)) FROM unnest(c.tags[1:50]) AS tag) END AS tags_json, left(c.note, 1024) AS note, left(c.value, 1024) AS value,
       left(c.lead_status, 1024) AS lead_status, c.first_call, c.created_at, c.updated_at, /*contact*/, /*lead*/, /*owner*/, f.booking_status
  FROM calls c
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = c.company_id AND id = c.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT booking_status, lead_quality, analysed, kind, outcome, objections FROM call_facts WHERE company_id = c.company_id AND call_id = c.call_id LIMIT 1) f ON true
  /*to count*/ JOIN call_facts f ON f.company_id = c.company_id AND f.call_id = c.call_id
 WHERE c.company_id = :company
   AND l.assigned_rep_id = :own::text
   AND c.status = ANY (:status::text[])
   AND c.missed_call = :missed_call::boolean
   AND c.direction = ANY (:direction::text[])
   AND c.provider = ANY (:provider::text[])
   AND c.happened_at >= :since::timestamptz
   AND c.happened_at < :till::timestamptz
   AND c.phone_number = :phone::text
   AND c.lead_id = :lead_id::uuid
   AND c.contact_card_id = :contact_card_id::uuid
   AND coalesce(c.owner_id, 'none') = ANY (:owner_id::text[])
   AND c.call_id = ANY (:found::bigint[])
   AND /*call_holds*/
   AND f.booking_status = ANY (:booking_status::text[])
   AND f.lead_quality = ANY (:lead_quality::text[])
   AND c.answered = :answered::boolean
   AND f.analysed = :analysed::boolean
   AND c.call_id = ANY (:ids::bigint[])
   AND (f.kind & 8 > 0) = :qualified::boolean
   AND f.outcome = ANY (:call_outcome_category::text[])
   AND (E'\x1e' || f.objections) LIKE ANY (ARRAY(SELECT objection_pattern(key) FROM unnest(:objection::text[]) key))
   AND c.source = ANY (:source::text[])
   AND c.campaign = ANY (:campaign::text[])
   AND c.tags && :tag::text[]
   AND c.duration >= :duration_min::bigint

-- part: brief_name
left(first_name, 1024) AS first_name, left(last_name, 1024) AS last_name

-- list: aloha_calls
-- Calls as /api/aloha/calls has them: all, or those that somebody answered.
-- id: call_id bigint
-- sorts: started_at = c.happened_at
-- total: calls
SELECT /*aloha_call*/
  FROM calls c
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL /*meaning*/ a ON true
 WHERE c.company_id = :company
   AND c.answered = :answered::boolean
   AND c.call_id = ANY (:found::bigint[])
   AND /*call_holds*/

-- list: unanswered_calls
-- The same of calls that nobody answered, by how they ended: found by their facts, for of a company with half a million calls a few hundred may have ended so.
-- id: call_id bigint
-- sorts: started_at = f.happened_at
SELECT /*aloha_call*/
  FROM call_facts f
  JOIN LATERAL (SELECT company_id, call_id, phone_number, tracking_number, note, tags, happened_at, duration, status, contact_card_id FROM calls WHERE company_id = f.company_id AND call_id = f.call_id LIMIT 1) c ON true
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = c.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL /*meaning*/ a ON true
 WHERE f.company_id = :company
   AND f.unanswered = :unanswered::text
   AND f.call_id = ANY (:found::bigint[])
   AND /*call_holds*/

-- part: aloha_call
c.call_id, c.phone_number, c.happened_at, c.duration, c.status, k.first_name AS contact_first_name, k.last_name AS contact_last_name, a.sentiment_score, a.summary

-- part: meaning
(SELECT a.sentiment_score, CASE WHEN w.id IS NULL THEN a.summary ELSE w.value END AS summary
     FROM (SELECT) one
     LEFT JOIN call_analyses a ON a.company_id = c.company_id AND a.call_id = c.call_id
     LEFT JOIN LATERAL (SELECT id, value FROM analysis_corrections WHERE company_id = c.company_id AND call_id = c.call_id AND field = 'summary' ORDER BY id DESC LIMIT 1) w ON true LIMIT 1)

-- part: call_holds
(k.search_text LIKE ALL (:words::text[]) OR (call_search_text(c.phone_number, c.tracking_number, c.note, c.tags) || search_number(c.tracking_number) || k.search_text) LIKE ALL (:words))

-- list: leads
-- id: id uuid
-- sorts: created_at = l.created_at
-- total: leads
-- asks: ids, status=lead_status, pool_status=pool_status, rep_id, source, date_from, date_to, qualified, search
SELECT l.id, l.company_id, l.contact_card_id, l.status, left(l.source, 1024) AS source, l.pool_status, l.assigned_rep_id, l.last_qualified_at, l.last_contacted_at, l.closed_at, l.created_at, l.updated_at,
       /*contact*/, /*rep_of_lead*/
  FROM leads l
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = l.company_id AND id = l.contact_card_id LIMIT 1) k ON true
 WHERE l.company_id = :company
   AND l.assigned_rep_id = :own::text
   AND l.status = ANY (:status::text[])
   AND l.pool_status = ANY (:pool_status::text[])
   AND coalesce(l.assigned_rep_id, 'none') = ANY (:rep_id::text[])
   AND l.source = ANY (:source::text[])
   AND l.created_at >= :since::timestamptz
   AND l.created_at < :till::timestamptz
   AND l.id = ANY (:found::uuid[])
   AND (l.search_text || k.search_text) LIKE ALL (:words::text[])
   AND l.contact_card_id = :contact_card_id::uuid
   AND (l.last_qualified_at IS NOT NULL) = :qualified::boolean
   AND l.id = ANY (:ids::uuid[])

-- list: contacts
-- A rep's own: whose lead it is, and whom a rep is to visit or has a task about.
-- id: id uuid
-- sorts: created_at = k.created_at
-- total: contact_cards
-- asks: ids, phone, search
SELECT k.id, k.company_id, k.primary_phone, left(k.first_name, 1024) AS first_name, left(k.last_name, 1024) AS last_name, left(k.address, 1024) AS address, left(k.city, 1024) AS city, left(k.state, 1024) AS state,
       k.created_at, k.updated_at
  FROM contact_cards k
 WHERE k.company_id = :company
   AND /*card_is_own*/
   AND k.id = ANY (:found::uuid[])
   AND k.search_text LIKE ALL (:words::text[])
   AND k.primary_phone = :phone::text
   AND k.id = ANY (:ids::uuid[])

-- part: card_is_own
(EXISTS (SELECT FROM leads l WHERE l.company_id = k.company_id AND l.contact_card_id = k.id AND l.assigned_rep_id = :own::text)
        OR EXISTS (SELECT FROM appointments a WHERE a.company_id = k.company_id AND a.contact_card_id = k.id AND a.assigned_rep_id = :own)
        OR EXISTS (SELECT FROM tasks t WHERE t.company_id = k.company_id AND t.contact_card_id = k.id AND t.assignee_id = :own))

-- list: appointments
-- id: id uuid
-- sorts: created_at = a.created_at; scheduled_start = coalesce(a.scheduled_start,a.created_at)
-- asks: ids, date, date_from, date_to, lead_id, contact_card_id, status=appointment_status, outcome=appointment_outcome, rep_id, search
SELECT a.id, a.company_id, a.lead_id, a.contact_card_id, a.call_id, a.scheduled_start, a.scheduled_end, a.status, a.outcome, left(a.location_address, 1024) AS location_address, left(a.service_type, 1024) AS service_type,
       a.appointment_type, a.assigned_rep_id, a.needs_time, a.moved_from, a.moved_at, a.moved_by_call, a.deal_size_cents, left(a.notes, 1024) AS notes, a.touched_by, a.touched_at, a.created_at, a.updated_at,
       /*contact*/, /*lead*/, /*rep_of_appointment*/, t.pending AS pending_tasks
  FROM appointments a
  LEFT JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = a.company_id AND id = a.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = a.company_id AND id = a.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT count(*) AS pending FROM tasks WHERE company_id = a.company_id AND lead_id = a.lead_id AND status IN ('open', 'overdue') AND (:own::text IS NULL OR assignee_id = :own OR l.assigned_rep_id = :own)) t ON true
 WHERE a.company_id = :company
   AND a.assigned_rep_id = :own::text
   AND a.scheduled_start >= :since::timestamptz
   AND a.scheduled_start < :till::timestamptz
   AND a.lead_id = :lead_id::uuid
   AND a.status = ANY (:status::text[])
   AND a.outcome = ANY (:outcome::text[])
   AND coalesce(a.assigned_rep_id, 'none') = ANY (:rep_id::text[])
   AND a.contact_card_id = :contact_card_id::uuid
   AND a.id = ANY (:ids::uuid[])
   AND a.id = ANY (:found::uuid[])
   AND (a.search_text || coalesce(k.search_text, '')) LIKE ALL (:words::text[])

-- list: tasks
-- A rep's own: given to them, or about a lead of theirs.
-- id: id uuid
-- sorts: created_at = t.created_at; due_at = coalesce(t.due_at,t.created_at)
-- asks: ids, status=task_status, source=task_source, assigned_to=task_role, assignee_id, overdue, lead_id, contact_card_id, search
SELECT t.id, t.company_id, left(t.description, 1024) AS description, t.assigned_to, t.assignee_id, t.source, t.action_type, t.due_at, t.status, t.priority, t.contact_card_id, t.lead_id, t.call_id, t.appointment_id,
       left(t.raw_text, 1024) AS raw_text, t.contact_method, t.completed_at, t.completed_by, t.created_by, t.created_at, t.updated_at, task_is_overdue(t.status, t.due_at) AS overdue, /*contact*/, /*lead*/, /*assignee*/
  FROM tasks t
  LEFT JOIN LATERAL (SELECT primary_phone, /*brief_name*/, search_text FROM contact_cards WHERE company_id = t.company_id AND id = t.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = t.company_id AND id = t.lead_id LIMIT 1) l ON true
 WHERE t.company_id = :company
   AND (t.assignee_id = :own::text OR l.assigned_rep_id = :own)
   AND t.status = ANY (:status::text[])
   AND t.source = ANY (:source::text[])
   AND t.assigned_to = ANY (:assigned_to::text[])
   AND coalesce(t.assignee_id, 'none') = ANY (:assignee_id::text[])
   AND task_is_overdue(t.status, t.due_at) = :overdue::boolean
   AND t.lead_id = :lead_id::uuid
   AND t.contact_card_id = :contact_card_id::uuid
   AND t.id = ANY (:ids::uuid[])
   AND t.id = ANY (:found::uuid[])
   AND (t.search_text || coalesce(k.search_text, '')) LIKE ALL (:words::text[])

-- list: messages
-- A rep's own: those with whose lead it is, whichever of their leads a text belongs to.
-- id: id uuid
-- sorts: sent_at = m.sent_at
-- weighs: status
-- asks: ids, contact_card_id, direction=message_direction, status=message_status, date_from, date_to
SELECT m.id, m.company_id, m.provider, m.provider_message_id, m.direction, m.from_number, m.to_number, left(m.body, 1024) AS body, m.media, m.segments, m.status, m.error_code, left(m.error_message, 1024) AS error_message,
       m.contact_card_id, m.lead_id, m.sent_by, m.automatic, left(m.reason, 1024) AS reason, m.scheduled_at, m.asked_at, m.status_unknown, /*paused_why*/, m.sent_at, m.created_at, m.updated_at, /*contact*/,
       /*lead*/
  FROM messages m
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/ FROM contact_cards WHERE company_id = m.company_id AND id = m.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = m.company_id AND id = m.lead_id LIMIT 1) l ON true
 WHERE m.company_id = :company
   AND /*message_is_own*/
   AND m.contact_card_id = :contact_card_id::uuid
   AND m.direction = ANY (:direction::text[])
   AND m.status = ANY (:status::text[])
   AND m.sent_at >= :since::timestamptz
   AND m.sent_at < :till::timestamptz
   AND m.id = ANY (:ids::uuid[])

-- part: message_is_own
EXISTS (SELECT FROM leads o WHERE o.company_id = m.company_id AND o.contact_card_id = m.contact_card_id AND o.assigned_rep_id = :own::text)

-- list: voicemails
-- A rep's own: those of calls of own leads; planned with the rep at hand, for of who has three leads they are found by these. One customer's are found by the customer's calls, as an array: a subselect that
-- looks back at the voicemail is asked for each of the company's.
-- id: id uuid
-- sorts: created_at = v.created_at
-- asks: ids, status=voicemail_status, contact_card_id, date_from, date_to
SELECT v.id, v.company_id, v.call_id, v.recording_sid, /*voicemail_recording*/, v.duration, left(v.transcript, 1024) AS transcript, left(v.summary, 1024) AS summary, v.status, v.created_at, v.updated_at,
       c.contact_card_id, c.lead_id, /*contact*/, /*lead*/
  FROM voicemail_messages v
  JOIN LATERAL (SELECT contact_card_id, lead_id, recording_url FROM calls WHERE company_id = v.company_id AND call_id = v.call_id LIMIT 1) c ON true
  JOIN LATERAL (SELECT primary_phone, /*brief_name*/ FROM contact_cards WHERE company_id = v.company_id AND id = c.contact_card_id LIMIT 1) k ON true
  JOIN LATERAL (SELECT status, assigned_rep_id FROM leads WHERE company_id = v.company_id AND id = c.lead_id LIMIT 1) l ON true
 WHERE v.company_id = :company
   AND EXISTS (SELECT FROM calls o JOIN leads m ON m.company_id = o.company_id AND m.id = o.lead_id WHERE o.company_id = v.company_id AND o.call_id = v.call_id AND m.assigned_rep_id = :own::text)
   AND v.status = ANY (:status::text[])
   AND v.call_id = ANY (ARRAY(SELECT o.call_id FROM calls o WHERE o.company_id = otto_request_company() AND o.contact_card_id = :contact_card_id::uuid))
   AND v.created_at >= :since::timestamptz
   AND v.created_at < :till::timestamptz
   AND v.id = ANY (:ids::uuid[])

-- list: opt_outs
-- id: id uuid
-- sorts: opted_out_at = o.opted_out_at
-- asks: phone, revoked
SELECT o.id, o.company_id, o.phone, o.channel, o.source, o.message_id, o.created_by, left(o.reason, 1024) AS reason, o.opted_out_at, o.revoked_at, o.revoked_source, o.revoked_by, o.created_at
  FROM opt_outs o
 WHERE o.company_id = :company
   AND o.phone = :phone::text
   AND (o.revoked_at IS NOT NULL) = :revoked::boolean

-- list: unbooked
-- What the figure qualified_but_unbooked_calls counts.
-- id: call_id bigint
-- sorts: started_at = f.happened_at
-- asks: date_from, date_to
SELECT f.call_id, f.lead_id, l.contact_card_id, /*contact*/, f.happened_at, f.lead_quality, f.booking_status, f.owner_id, a.objection
  FROM call_facts f
  LEFT JOIN LATERAL (SELECT contact_card_id FROM leads WHERE company_id = f.company_id AND id = f.lead_id LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT primary_phone, /*brief_name*/ FROM contact_cards WHERE company_id = f.company_id AND id = l.contact_card_id LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT coalesce(objections -> 0 ->> 'label', objections -> 0 ->> 'key') AS objection FROM call_analyses WHERE company_id = f.company_id AND call_id = f.call_id LIMIT 1) a ON true
 WHERE f.company_id = :company AND f.inbound AND f.booking_status = 'not_booked' AND f.lead_quality IN ('hot', 'warm', 'cold')
   AND f.happened_at >= :since::timestamptz
   AND f.happened_at < :till::timestamptz

-- list: users
-- Of a company's people all are looked through: they are some hundreds at the most.
-- id: id text
-- sorts: created_at = u.created_at
-- asks: status=user_status, role=user_role, search
SELECT /*user_columns*/
  FROM company_users u
 WHERE u.company_id = :company
   AND u.status = ANY (:status::text[])
   AND u.role = ANY (:role::text[])
   AND position(lower(:part::text) IN lower(concat_ws(' ', u.name, u.email, u.id))) > 0

-- list: numbers
-- Registered ones, and those that proven webhooks showed but nobody registered.
-- id: key text
-- sorts: created_at = n.created_at
SELECT n.*
  FROM (SELECT id::text AS key, /*number_columns*/
          FROM company_numbers
         UNION ALL
        SELECT s.e164, NULL, s.company_id, s.e164, to_json(s.purposes), s.provider, NULL, false, false, s.first_seen_at, NULL, s.first_seen_at, s.last_seen_at, 'seen', NULL, NULL, NULL
          FROM seen_numbers s WHERE NOT EXISTS (SELECT FROM company_numbers o WHERE o.company_id = s.company_id AND o.e164 = s.e164)) n
 WHERE n.company_id = :company

-- list: audit
-- id: id bigint
-- sorts: at = a.at
-- weighs: user_id, action, target
-- asks: user_id, action, target, actor=audit_actor, date_from, date_to
SELECT a.id, a.at, a.actor, a.user_id, a.action, a.target, a.detail, a.before, a.after, a.client_address, a.request_id, n.names
  FROM audit_log a
  LEFT JOIN LATERAL (SELECT json_object_agg(u.id, left(coalesce(u.name, u.email), 200)) AS names FROM company_users u WHERE u.company_id = a.company_id AND u.id = ANY (ARRAY[a.user_id, a.target, a.before ->> 'assigned_rep_id', a.after ->> 'assigned_rep_id', a.before ->> 'assignee_id', a.after ->> 'assignee_id'])) n ON true
 WHERE a.company_id = :company
   AND a.user_id = :user_id::text
   AND a.action = ANY (:action::text[])
   AND a.target = :target::text
   AND a.actor = ANY (:actor::text[])
   AND a.at >= :since::timestamptz
   AND a.at < :till::timestamptz
