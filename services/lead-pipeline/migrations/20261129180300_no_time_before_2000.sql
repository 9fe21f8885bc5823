-- Digits that are no time of a call ("20261129") were taken for seconds since 1970, and the earliest start of a call counts for ever. What lies before 2000 or more than ten years after it was heard is no time.
-- Found by the index of a company's calls by time. Locks: the rows that are changed.
CREATE TEMPORARY TABLE no_time ON COMMIT DROP AS
SELECT c.company_id, c.call_id, c.lead_id FROM companies o CROSS JOIN LATERAL (
  (SELECT company_id, call_id, lead_id FROM calls WHERE company_id = o.id AND happened_at < '2000-01-01Z')
  UNION ALL (SELECT company_id, call_id, lead_id FROM calls WHERE company_id = o.id AND happened_at > now() + interval '9 years' AND started_at > received_at + interval '10 years')) c;

UPDATE calls c SET started_at = NULL, ended_at = CASE WHEN c.ended_at >= '2000-01-01Z' AND c.ended_at <= c.received_at + interval '10 years' THEN c.ended_at END, version = c.version + 1, updated_at = now()
  FROM no_time n WHERE c.company_id = n.company_id AND c.call_id = n.call_id;
UPDATE call_verdicts v SET call_started_at = c.received_at FROM no_time n JOIN calls c ON c.company_id = n.company_id AND c.call_id = n.call_id WHERE v.company_id = n.company_id AND v.call_id = n.call_id;
-- The source of a lead is that of its first call, its last contact that of its last.
UPDATE leads l SET source = f.source, source_at = f.at, source_call = f.provider_call_id, last_contacted_at = t.at, version = l.version + 1, updated_at = now()
  FROM (SELECT DISTINCT company_id, lead_id FROM no_time) n
  LEFT JOIN LATERAL (SELECT c.source, coalesce(c.started_at, c.received_at) AS at, c.provider_call_id FROM calls c WHERE c.company_id = n.company_id AND c.lead_id = n.lead_id AND c.source IS NOT NULL
                      ORDER BY 2, 3 LIMIT 1) f ON true
  LEFT JOIN LATERAL (SELECT max(coalesce(c.started_at, c.received_at)) AS at FROM calls c WHERE c.company_id = n.company_id AND c.lead_id = n.lead_id) t ON true
 WHERE l.company_id = n.company_id AND l.id = n.lead_id;

-- Nor was anything ever to be done then.
UPDATE tasks t SET due_at = NULL, status = CASE WHEN t.status = 'overdue' THEN 'open' ELSE t.status END, version = t.version + 1, updated_at = now()
  FROM companies o WHERE t.company_id = o.id AND t.due_at < '2000-01-01Z';
