-- Calls of 100 companies, with their cards and leads; the first company has half of them. {calls} = how many in all, {now} = what counts as now.
-- Of the first company's calls 3,000 happened from 60 to 50 days ago, in each size of the set the very same; 30 % of every company's in the last 30 days;
-- the rest is older, back to two years. Each customer calls three times on average and has one lead, most of them open in the pool.
INSERT INTO companies (id, name, phone_number, timezone)
SELECT 'org_bench_' || lpad(c::text, 3, '0'), 'Company ' || c, '+1602' || 9000000 + c, 'America/Phoenix' FROM generate_series(1, 100) c;

CREATE TEMP TABLE who AS
SELECT n, company, in_company, 'org_bench_' || lpad(company::text, 3, '0') AS company_id, in_company % greatest(1, size / 3) AS customer,
       CASE WHEN company = 1 AND in_company < 3000 THEN '{now}'::timestamptz - interval '60 days' + in_company * interval '4 minutes'
            WHEN in_company % 10 < 3 THEN '{now}'::timestamptz - (in_company / 10 * 9973 + n * 7) % 2592000 * interval '1 second'
            ELSE '{now}'::timestamptz - interval '61 days' - (in_company / 10 * 9973 + n * 7) % 57801600 * interval '1 second' END AS at
  FROM (SELECT n, CASE WHEN n < {calls} / 2 THEN 1 ELSE 2 + (n - {calls} / 2) % 99 END AS company, CASE WHEN n < {calls} / 2 THEN n ELSE (n - {calls} / 2) / 99 END AS in_company,
               CASE WHEN n < {calls} / 2 THEN {calls} / 2 ELSE {calls} / 198 END AS size
          FROM generate_series(0, {calls} - 1) n) x
 -- As they would have come: rows that are near in time lie near on disk.
 ORDER BY at;

INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name, city, state, created_at, updated_at)
SELECT company_id, md5('card' || company || ' ' || customer)::uuid, '+1480' || 2000000 + customer, (ARRAY['Kaylah', 'Omar', 'Priya', 'Jon', 'Maria'])[1 + customer % 5],
       (ARRAY['Mills', 'Haddad', 'Nair', 'Berg', 'López', 'Chen', 'Silva'])[1 + customer % 7], 'Phoenix', 'AZ', min(at), max(at)
  FROM who GROUP BY company, company_id, customer ORDER BY min(at);

INSERT INTO leads (company_id, id, contact_card_id, status, source, pool_status, assigned_rep_id, last_contacted_at, created_at, updated_at)
SELECT company_id, md5('lead' || company || ' ' || customer)::uuid, md5('card' || company || ' ' || customer)::uuid,
       (ARRAY['new', 'new', 'new', 'warm', 'hot', 'cold', 'qualified_booked', 'qualified_unbooked', 'closed_won', 'closed_lost'])[1 + customer % 10], 'Google AdWords',
       CASE WHEN customer % 10 < 6 THEN 'in_pool' WHEN customer % 10 < 8 THEN 'assigned' ELSE 'closed' END, CASE WHEN customer % 10 IN (6, 7) THEN 'user_rep_' || customer % 20 END, max(at), min(at), max(at)
  FROM who GROUP BY company, company_id, customer ORDER BY min(at);

INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, ended_at,
                   contact_card_id, lead_id, source, campaign, tags, note, received_at, merge_state, traceparent, created_at, updated_at)
SELECT company_id, 1000000000 + n, 'callrail', 'CAL' || md5(n::text), '+1480' || 2000000 + customer, '+1602' || 9000000 + company, CASE WHEN in_company % 20 = 0 THEN 'outbound' ELSE 'inbound' END,
       CASE WHEN in_company % 7 = 0 THEN 'missed' WHEN in_company % 31 = 0 THEN 'voicemail' ELSE 'completed' END, in_company % 7 = 0, in_company % 7 <> 0 AND in_company % 31 <> 0, 20 + in_company % 900,
       'https://app.callrail.com/calls/' || 1000000000 + n || '/recording/redirect?access_key=aaaaccccddddeeee', at, at + (20 + in_company % 900) * interval '1 second',
       md5('card' || company || ' ' || customer)::uuid, md5('lead' || company || ' ' || customer)::uuid, 'Google AdWords', 'Google AdWords', '{{}}',
       CASE WHEN n % 50 = 0 THEN 'The gutter leaks' || CASE WHEN n % 2000 = 0 THEN ' behind the chimney, call 480-555-0199' ELSE '' END END, at + interval '20 minutes',
       '{{"status":"completed","answered":true,"callable":true,"name":"Kaylah Mills","city":"Phoenix","state":"AZ","origins":"' || repeat('x', 300) || '"}}',
       '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', at + interval '20 minutes', at + interval '20 minutes'
  FROM who ORDER BY at;
DROP TABLE who;

-- Four of five answered calls were analysed: booked, not booked, service not offered; qualified or not; none to two objections.
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, objections, sop_compliance_score, sentiment_score, entities, summary, raw, received_at, created_at)
SELECT company_id, call_id, (ARRAY['booked', 'not_booked', 'not_booked', 'service_not_offered'])[1 + call_id % 4], (ARRAY['hot', 'warm', 'cold', 'unqualified', NULL])[1 + call_id / 4 % 5],
       (SELECT coalesce(jsonb_agg(jsonb_build_object('key', k, 'label', initcap(k))), '[]') FROM unnest((ARRAY['price', 'timing', 'competitor', 'trust', 'need', 'authority', 'technical', 'contract', 'diy', 'no_response'])
          [1 + call_id % 10 : call_id % 10 + call_id / 10 % 3]) k),
       call_id % 101 / 10.0, call_id % 11 / 10.0, '{{"address": "1 Main St"}}', 'The customer asked for an estimate.', '{{"status": "completed"}}', happened_at + interval '5 minutes', happened_at + interval '5 minutes'
  FROM calls WHERE answered AND call_id % 5 > 0 ORDER BY happened_at;

-- Each booked call has a visit, each tenth a task.
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, call_id, scheduled_start, status, location_address, service_type, assigned_rep_id, created_at, updated_at)
SELECT c.company_id, md5('visit' || c.call_id)::uuid, c.lead_id, c.contact_card_id, c.call_id, c.happened_at + interval '3 days', CASE WHEN c.call_id % 3 = 0 THEN 'scheduled' ELSE 'completed' END, 1 + c.call_id % 9000 || ' Main St, Phoenix',
       (ARRAY['Roof repair', 'Gutter', 'Inspection'])[1 + c.call_id % 3], 'user_rep_' || c.call_id % 20, c.happened_at + interval '6 minutes', c.happened_at + interval '6 minutes'
  FROM calls c JOIN call_analyses a ON a.company_id = c.company_id AND a.call_id = c.call_id WHERE a.booking_status = 'booked' ORDER BY c.happened_at;
INSERT INTO tasks (company_id, id, description, assigned_to, source, due_at, status, contact_card_id, lead_id, call_id, unique_key, raw_text, created_at, updated_at)
SELECT company_id, md5('task' || call_id)::uuid, 'Call back about the estimate', 'csr', 'shunya', happened_at + interval '1 day', CASE WHEN call_id % 8 = 0 THEN 'open' ELSE 'completed' END, contact_card_id, lead_id, call_id, md5('task' || call_id),
       'the customer asked for a call', happened_at + interval '6 minutes', happened_at + interval '6 minutes'
  FROM calls WHERE call_id % 10 = 1 ORDER BY happened_at;
