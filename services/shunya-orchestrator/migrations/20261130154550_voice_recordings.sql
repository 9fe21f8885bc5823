-- Recordings of two providers: which account has one, how long it is said to be, and why there is none. A voicemail that is too short to say anything is kept and not analysed.
--
-- `analysis_states` as before (20261129152614_recording_keys.sql), but its cures fit the call's provider, a voicemail that is too short says so, and a call of Twilio's without a recording names what that may
-- be due to.
--
-- Locks: `recorded_calls`, `recordings` and `calls` for a moment (columns with constant defaults, without a rewrite; a grant).
SET LOCAL lock_timeout = '5s';

ALTER TABLE recorded_calls
  ADD COLUMN recording_sid           text NOT NULL DEFAULT '',        -- the provider's id of the recording at `recording_url`; '' if it has none
  ADD COLUMN recording_of_deployment boolean NOT NULL DEFAULT false,  -- the deployment's own account at the provider has it, and no company's
  ADD COLUMN recording_seconds       bigint NOT NULL DEFAULT 0,       -- as the provider states; 0: it does not
  ADD COLUMN recording_unavailable   text NOT NULL DEFAULT '';        -- why there is none and will be none, in the provider's word; '': nobody said that
ALTER TABLE recordings ADD COLUMN too_short boolean NOT NULL DEFAULT false;  -- it is stored, and nothing begins with it

GRANT SELECT (provider) ON calls TO otto_shunya_orchestrator;

CREATE OR REPLACE VIEW analysis_states WITH (security_invoker = true) AS
SELECT c.company_id, c.call_id, s.state, s.since, s.why, s.cure
  FROM calls c
  LEFT JOIN recorded_calls k ON k.company_id = c.company_id AND k.call_id = c.call_id
  LEFT JOIN recordings r ON r.company_id = c.company_id AND r.call_id = c.call_id
  LEFT JOIN shunya_jobs t ON t.company_id = c.company_id AND t.call_id = c.call_id AND t.step = 'transcription'
  LEFT JOIN shunya_jobs a ON a.company_id = c.company_id AND a.call_id = c.call_id AND a.step = 'analysis'
  LEFT JOIN call_transcripts x ON x.company_id = c.company_id AND x.call_id = c.call_id
  LEFT JOIN call_analyses n ON n.company_id = c.company_id AND n.call_id = c.call_id
  -- Seed 001, 5.2: what to look at when Shunya is silent.
  CROSS JOIN LATERAL (SELECT 'Otto asks Shunya by itself from time to time (OTTO_SHUNYA_POLL_AFTER). If it lasts: does Shunya post its results to /api/v1/shunya/webhook of this deployment, and is '
                             'OTTO_SHUNYA_WEBHOOK_SECRET the secret that Shunya signs with?' AS text,
                             'POST /api/v1/calls/' || c.call_id || '/analysis/retry (a manager) tries again.' AS again) cures
  -- What people look at where the provider has, or sends, no recording. Seed 003, "Voicemail Not Recorded".
  CROSS JOIN LATERAL (
    SELECT CASE c.provider WHEN 'twilio' THEN 'It is asked for again from time to time. Is the recording there in the console of the Twilio account that the call came by?'
                           ELSE 'It is asked for again from time to time. Does the company''s CallRail API key see this call, and has the call a recording there?' END AS late,
           CASE c.provider WHEN 'twilio' THEN 'It comes with Twilio''s report of it. If none ever comes: does Twilio reach OTTO_PUBLIC_URL (its debugger lists what it could not deliver), and does the company''s call_flow '
                                           || CASE c.status WHEN 'voicemail' THEN 'lead to a voicemail?' ELSE 'have `record` on?' END
                           ELSE 'It comes with a later report of the call. If none ever comes: is call recording switched on for this number at the provider?' END AS unsent,
           CASE c.provider WHEN 'twilio' THEN CASE c.status WHEN 'voicemail' THEN 'Does Twilio reach OTTO_PUBLIC_URL? Its debugger lists what it could not deliver.'
                                                            ELSE 'Calls are recorded while `record` of the company''s call_flow is on (PUT /api/v1/company/' || c.company_id || ').' END
                           ELSE 'Is call recording switched on for this number at the provider?' END AS unrecorded) told
  CROSS JOIN LATERAL (
    SELECT v.state, v.since, v.why, v.cure
      FROM (VALUES
        (1, n.call_id IS NOT NULL, 'done', n.created_at, 'The analysis is there.', NULL),
        (2, a.job_status IN ('failed', 'timeout'), 'failed', coalesce(a.finished_at, a.updated_at), 'The analysis failed: ' || coalesce(a.error_message, 'Shunya gave no reason') || '.',
            CASE a.job_status WHEN 'timeout' THEN cures.text || ' ' ELSE '' END || cures.again),
        (3, x.call_id IS NULL AND t.job_status IN ('failed', 'timeout'), 'failed', coalesce(t.finished_at, t.updated_at), 'The transcription failed: ' || coalesce(t.error_message, 'Shunya gave no reason') || '.',
            CASE t.job_status WHEN 'timeout' THEN cures.text || ' ' ELSE 'If Shunya could not fetch the recording: does it reach OTTO_PUBLIC_URL? ' END || cures.again),
        (4, r.status IN ('unavailable', 'manual_review'), 'recording_unavailable', r.updated_at, 'The recording cannot be had: ' || coalesce(r.error, 'the provider does not have it') || '.',
            CASE WHEN r.tried_key IS NOT NULL THEN coalesce(r.cure, 'Give the company''s API key (POST /api/v1/company/set-callrail-api-key/' || c.company_id || ').') || ' It is then fetched by itself.'
                 WHEN k.recording_url = '' THEN r.cure  -- nobody has one: trying again is in vain
                 ELSE concat_ws(' ', coalesce(r.cure, CASE r.status WHEN 'manual_review' THEN 'Listen to the call at the provider, if it is there, and enter by hand what it meant (PATCH /api/v1/calls/' || c.call_id || '/analysis).' END),
                                cures.again) END),
        (5, r.status = 'stored' AND r.too_short AND t.id IS NULL AND a.id IS NULL, 'none', r.updated_at, 'The voicemail is under 2 seconds long: it is kept, and not analysed.',
            'Listen to it (GET /api/v1/calls/' || c.call_id || '/recording).'),
        (6, k.paused_since IS NOT NULL, 'paused', k.paused_since, coalesce(k.paused_why, 'The outside cannot be reached') || '.',
            coalesce(k.paused_cure, 'It goes on by itself. If it lasts: is OTTO_SHUNYA_API right, and OTTO_SHUNYA_TOKEN_SECRET the one that Shunya knows?')),
        (7, a.id IS NOT NULL AND now() - coalesce(a.started_at, a.created_at) > interval '5 minutes', 'analysing', coalesce(a.started_at, a.created_at),
            'Shunya has had the call for over 5 minutes and has not sent its analysis' || coalesce('; last: ' || a.error_message, '') || '.', cures.text),
        (8, a.id IS NOT NULL, 'analysing', coalesce(a.started_at, a.created_at), 'Shunya is analysing the call' || coalesce('; last: ' || a.error_message, '') || '.', NULL),
        (9, t.id IS NOT NULL AND now() - coalesce(t.started_at, t.created_at) > interval '5 minutes', 'transcribing', coalesce(t.started_at, t.created_at),
            'Shunya has had the recording for over 5 minutes and has not sent the transcript' || coalesce('; last: ' || t.error_message, '') || '.', cures.text),
        (10, t.id IS NOT NULL, 'transcribing', coalesce(t.started_at, t.created_at), 'Shunya is transcribing the recording' || coalesce('; last: ' || t.error_message, '') || '.', NULL),
        (11, r.id IS NOT NULL, 'waiting_for_recording', r.created_at, 'The recording is being fetched from the provider' || coalesce('; last: ' || r.error, '') || '.',
            coalesce(r.cure, CASE WHEN now() - r.created_at > interval '5 minutes' THEN told.late END)),
        (12, c.status IN ('completed', 'voicemail') AND (c.recording_url IS NOT NULL OR now() - coalesce(c.ended_at, c.happened_at) < interval '1 hour'), 'waiting_for_recording',
            coalesce(c.ended_at, c.happened_at), 'The provider has not sent the recording yet.', told.unsent),
        (13, c.status IN ('completed', 'voicemail'), 'none', coalesce(c.ended_at, c.happened_at), 'The provider sent no recording of this call.', told.unrecorded),
        (14, c.provider = 'twilio' AND c.status = 'missed', 'none', c.happened_at, 'There is nothing to analyse: the call is missed, and Twilio reported no voicemail.',
            'If the caller was to leave one: does the company''s call_flow lead to a voicemail, has the number voicemail_enabled (GET /api/v1/numbers), and does Twilio reach OTTO_PUBLIC_URL?'),
        (15, true, 'none', c.happened_at, 'There is nothing to analyse: the call is ' || c.status || '.', NULL)
      ) AS v (rank, applies, state, since, why, cure)
     WHERE v.applies ORDER BY v.rank LIMIT 1) s;
