-- name: save_transcript
-- No row: it is what was there already.
INSERT INTO call_transcripts AS x (company_id, call_id, transcript_text, speaker_labels, confidence_score, language, word_count, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (company_id, call_id) DO UPDATE SET transcript_text = excluded.transcript_text, speaker_labels = excluded.speaker_labels, confidence_score = excluded.confidence_score, language = excluded.language,
  word_count = excluded.word_count, received_at = excluded.received_at, updated_at = now()
WHERE (x.transcript_text, x.speaker_labels) IS DISTINCT FROM (excluded.transcript_text, excluded.speaker_labels)

-- name: analysis_of
SELECT raw, provider, received_at, version FROM call_analyses WHERE company_id = $1 AND call_id = $2

-- name: corrections_of
-- The newest of each field.
SELECT DISTINCT ON (field) field, value, user_id, created_at FROM analysis_corrections WHERE company_id = $1 AND call_id = $2 ORDER BY field, id DESC

-- name: save_analysis
-- A version is the moment of its change (ms), or one more than the former one: what is written over a restored database is above what readers know of the time that was lost.
INSERT INTO call_analyses AS n (company_id, call_id, booking_status, lead_quality, call_outcome_category, objections, sop_compliance_score, sentiment_score, entities, summary, provider, model_version, raw,
                                unknown_values, received_at, machine_values, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ON CONFLICT (company_id, call_id) DO UPDATE SET booking_status = excluded.booking_status, lead_quality = excluded.lead_quality, call_outcome_category = excluded.call_outcome_category,
  objections = excluded.objections, sop_compliance_score = excluded.sop_compliance_score, sentiment_score = excluded.sentiment_score, entities = excluded.entities, summary = excluded.summary,
  provider = excluded.provider, model_version = excluded.model_version, raw = excluded.raw, unknown_values = excluded.unknown_values, received_at = excluded.received_at,
  machine_values = excluded.machine_values, version = greatest(n.version + 1, excluded.version), updated_at = now()
RETURNING version

-- name: retry_call
SELECT coalesce(array_to_string(retry_call($1, $2), '; '), '') AS began

-- name: state_of
SELECT state, since, why, cure FROM analysis_states WHERE company_id = $1 AND call_id = $2

-- name: add_correction
INSERT INTO analysis_corrections (company_id, call_id, field, value, former_value, user_id) VALUES ($1, $2, $3, $4, $5, $6)
