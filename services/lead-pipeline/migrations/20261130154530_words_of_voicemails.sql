-- What a voicemail says in words is written into its row by whoever writes that row, from what Shunya made of its call.
-- Locks: `call_transcripts` and `call_analyses` for a moment (policies and grants).
SET LOCAL lock_timeout = '5s';
GRANT SELECT (company_id, call_id, transcript_text) ON call_transcripts TO otto_lead_pipeline;
GRANT SELECT (company_id, call_id, summary) ON call_analyses TO otto_lead_pipeline;
CREATE POLICY words_of_voicemails ON call_transcripts FOR SELECT TO otto_lead_pipeline USING ((company_id || '') = ANY (otto_batch_companies()));
CREATE POLICY words_of_voicemails ON call_analyses FOR SELECT TO otto_lead_pipeline USING ((company_id || '') = ANY (otto_batch_companies()));
