-- name: fill_voicemails
-- What was transcribed and analysed of a call is one recording: a voicemail's words are those only where it is the one. Until the orchestrator has heard of a fold, its rows may still be under the id that
-- went.
WITH asked AS (
  SELECT c.company_id, c.call_id, c.recording_url, min(i.call_id) AS asked FROM unnest($1::text[], $2::bigint[]) AS i (company_id, call_id)
    JOIN calls c ON c.company_id = i.company_id AND c.call_id = coalesce((SELECT f.into_id FROM folded_calls f WHERE f.company_id = i.company_id AND f.from_id = i.call_id), i.call_id)
   GROUP BY c.company_id, c.call_id),
said AS (
  SELECT v.company_id, v.id, a.asked, CASE WHEN v.recording_url = a.recording_url THEN coalesce(t.transcript_text, v.transcript) END AS transcript,
         CASE WHEN v.recording_url = a.recording_url THEN coalesce(n.summary, v.summary) END AS summary
    FROM asked a JOIN voicemail_messages v ON v.company_id = a.company_id AND v.call_id = a.call_id
    LEFT JOIN LATERAL (SELECT x.transcript_text FROM call_transcripts x WHERE x.company_id = a.company_id
                          AND x.call_id IN (SELECT a.call_id UNION ALL SELECT f.from_id FROM folded_calls f WHERE f.company_id = a.company_id AND f.into_id = a.call_id)
                        ORDER BY x.call_id LIMIT 1) t ON true
    LEFT JOIN LATERAL (SELECT x.summary FROM call_analyses x WHERE x.company_id = a.company_id
                          AND x.call_id IN (SELECT a.call_id UNION ALL SELECT f.from_id FROM folded_calls f WHERE f.company_id = a.company_id AND f.into_id = a.call_id)
                        ORDER BY x.call_id LIMIT 1) n ON true
   ORDER BY v.company_id, v.id FOR UPDATE OF v)
UPDATE voicemail_messages v SET transcript = s.transcript, summary = s.summary, version = v.version + 1, updated_at = now()
  FROM said s WHERE v.company_id = s.company_id AND v.id = s.id AND (v.transcript, v.summary) IS DISTINCT FROM (s.transcript, s.summary)
RETURNING v.company_id, v.id, v.version, s.asked
