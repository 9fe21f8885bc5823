-- The schema as the migrations have made it, in the order of names: tables with their indexes, policies, grants and triggers. Not to be run, but to be read; it is generated, and a test compares.
CREATE EXTENSION btree_gin;
CREATE EXTENSION btree_gist;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
CREATE ROLE otto_appointment_service LOGIN;
CREATE ROLE otto_company_service LOGIN;
CREATE ROLE otto_lead_pipeline LOGIN;
CREATE ROLE otto_maintenance LOGIN BYPASSRLS;
CREATE ROLE otto_numbers NOLOGIN;
CREATE ROLE otto_query_service LOGIN;
CREATE ROLE otto_search NOLOGIN BYPASSRLS;
CREATE ROLE otto_shunya_orchestrator LOGIN;
CREATE ROLE otto_tenant_router LOGIN;
CREATE ROLE otto_workflow_service LOGIN;
GRANT CONNECT ON DATABASE otto TO PUBLIC;
GRANT TEMPORARY ON DATABASE otto TO otto_maintenance;
GRANT USAGE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA public TO otto_appointment_service;
GRANT USAGE ON SCHEMA public TO otto_company_service;
GRANT USAGE ON SCHEMA public TO otto_lead_pipeline;
GRANT USAGE ON SCHEMA public TO otto_maintenance;
GRANT USAGE ON SCHEMA public TO otto_numbers;
GRANT USAGE ON SCHEMA public TO otto_query_service;
GRANT USAGE ON SCHEMA public TO otto_search;
GRANT USAGE ON SCHEMA public TO otto_shunya_orchestrator;
GRANT USAGE ON SCHEMA public TO otto_tenant_router;
GRANT USAGE ON SCHEMA public TO otto_workflow_service;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_close(integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_creat(integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_from_bytea(oid,bytea) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_get(oid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_get(oid,bigint,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_lseek(integer,integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_lseek64(integer,bigint,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_open(oid,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_put(oid,bigint,bytea) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_tell(integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_tell64(integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_truncate(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_truncate64(integer,bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lo_unlink(oid) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.loread(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.lowrite(integer,bytea) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock_shared(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock_shared(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_all() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_shared(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_shared(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(integer,integer) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(integer,integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock_shared(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock_shared(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_all() TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_shared(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_unlock_shared(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) TO otto_appointment_service;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) TO otto_numbers;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock_shared(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_appointment_service;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_company_service;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_lead_pipeline;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_shunya_orchestrator;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_tenant_router;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(bigint) TO otto_workflow_service;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_lock_shared(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(integer,integer) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock_shared(integer,integer) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.call_facts_added()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, unanswered, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, call_unanswered(c.status),
         CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM changed c;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.call_facts_analysed(of_company text, of_call bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM FROM call_facts WHERE company_id = of_company AND call_id = of_call FOR UPDATE;
  UPDATE call_facts f
     SET analysed = a.call_id IS NOT NULL, booking_status = a.booking_status, lead_quality = a.lead_quality, sop_compliance_score = a.sop_compliance_score, sentiment_score = a.sentiment_score,
         objections = objections_line(a.objections), objection_count = CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         outcome = a.call_outcome_category
    FROM (SELECT) one LEFT JOIN analyses_as_corrected a ON a.company_id = of_company AND a.call_id = of_call
   WHERE f.company_id = of_company AND f.call_id = of_call;
END $function$;

CREATE OR REPLACE FUNCTION public.call_facts_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE call_facts f SET happened_at = c.happened_at, lead_id = c.lead_id, owner_id = c.owner_id, inbound = c.direction = 'inbound', missed = c.missed_call, answered = c.answered,
         unanswered = call_unanswered(c.status),
         lead_state = CASE WHEN NOT c.missed_call THEN 0 WHEN f.missed AND f.lead_id = c.lead_id THEN f.lead_state
                           ELSE (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) END
    FROM changed c
   WHERE f.company_id = c.company_id AND f.call_id = c.call_id
     AND (f.happened_at <> c.happened_at OR f.missed <> c.missed_call OR f.answered <> c.answered OR f.lead_id <> c.lead_id OR f.owner_id IS DISTINCT FROM c.owner_id
          OR f.inbound <> (c.direction = 'inbound') OR f.unanswered IS DISTINCT FROM call_unanswered(c.status));
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.call_facts_of_lead()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  -- Whoever is giving the lead a call at the moment, and holds it by the foreign key, is waited for.
  PERFORM FROM leads WHERE company_id = NEW.company_id AND id = NEW.id FOR UPDATE;
  UPDATE call_facts f SET lead_state = lead_state(NEW.status)
    FROM calls c
   WHERE c.company_id = NEW.company_id AND c.lead_id = NEW.id AND c.missed_call AND f.company_id = c.company_id AND f.call_id = c.call_id;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.call_facts_on_analysis()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.call_id <> NEW.call_id) THEN
    PERFORM call_facts_analysed(OLD.company_id, OLD.call_id);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM call_facts_analysed(NEW.company_id, NEW.call_id);
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.call_facts_rebuild()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  LOCK TABLE calls, leads, call_analyses, analysis_corrections IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM call_facts;
  INSERT INTO call_facts (company_id, call_id, happened_at, lead_id, owner_id, inbound, missed, answered, unanswered, analysed, booking_status, lead_quality, sop_compliance_score, sentiment_score, objections,
                          objection_count, outcome, lead_state)
  SELECT c.company_id, c.call_id, c.happened_at, c.lead_id, c.owner_id, c.direction = 'inbound', c.missed_call, c.answered, call_unanswered(c.status), a.call_id IS NOT NULL, a.booking_status, a.lead_quality,
         a.sop_compliance_score, a.sentiment_score, objections_line(a.objections), CASE jsonb_typeof(a.objections) WHEN 'array' THEN least(jsonb_array_length(a.objections), 32767) ELSE 0 END,
         a.call_outcome_category, CASE WHEN c.missed_call THEN (SELECT lead_state(l.status) FROM leads l WHERE l.company_id = c.company_id AND l.id = c.lead_id) ELSE 0 END
    FROM calls c LEFT JOIN analyses_as_corrected a ON a.company_id = c.company_id AND a.call_id = c.call_id
   ORDER BY c.company_id, c.happened_at;
END $function$;
REVOKE EXECUTE ON FUNCTION call_facts_rebuild() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION call_facts_rebuild() TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.call_facts_removed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  DELETE FROM call_facts f USING changed c WHERE f.company_id = c.company_id AND f.call_id = c.call_id;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.call_search_text(phone_number text, tracking_number text, note text, tags text[])
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
BEGIN
  RETURN public.search_words(CASE WHEN phone_number NOT LIKE '+%' THEN left(phone_number, 200) || ' ' ELSE '' END || CASE WHEN tracking_number NOT LIKE '+%' THEN left(tracking_number, 200) || ' ' ELSE '' END ||
                             CASE WHEN tags = '{}' THEN '' ELSE left(array_to_string(tags[1:50], ' '), 1000) END || ' ' || coalesce(left(note, 4000), ''));
END $function$;

CREATE OR REPLACE FUNCTION public.call_unanswered(status text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT CASE WHEN status IN ('missed', 'failed') THEN 'missed' WHEN status = 'voicemail' THEN 'voicemail' END $function$;

CREATE OR REPLACE FUNCTION public.callrail_claimants(callrail_id text, but_company text)
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT count(*) FROM (SELECT id FROM companies WHERE callrail_account_id = callrail_id UNION SELECT id FROM companies WHERE callrail_company_id = callrail_id) claimants WHERE id <> but_company
$function$;
ALTER FUNCTION callrail_claimants(callrail_id text, but_company text) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION callrail_claimants(callrail_id text, but_company text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION callrail_claimants(callrail_id text, but_company text) TO otto_company_service;
GRANT EXECUTE ON FUNCTION callrail_claimants(callrail_id text, but_company text) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.change_places(of_table text, of_company text, one bigint, other bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  EXECUTE format('UPDATE %I SET call_id = -$2 WHERE company_id = $1 AND call_id = $2', of_table) USING of_company, one;
  EXECUTE format('UPDATE %I SET call_id = $3 WHERE company_id = $1 AND call_id = $2', of_table) USING of_company, other, one;
  EXECUTE format('UPDATE %I SET call_id = $3 WHERE company_id = $1 AND call_id = -$2', of_table) USING of_company, one, other;
END $function$;

CREATE OR REPLACE FUNCTION public.check_company(of_company text, of_what text)
 RETURNS void
 LANGUAGE sql
AS $function$ SELECT otto_want('company-service/' || replace(of_what, '_', '-'), of_company, '', now()) $function$;

CREATE OR REPLACE FUNCTION public.claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  obstacle text;
  ending   timestamptz := greatest(now(), since);
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('number ' || number, 0));  -- one claim of a number after the other
  obstacle := number_obstacle(of_company, number, of_purposes, of_row, since, until);
  IF obstacle = 'own' THEN
    RAISE EXCEPTION 'the number is the company''s own already' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_own', HINT = 'change the row that is there';
  ELSIF obstacle IS NOT NULL THEN
    RAISE EXCEPTION 'the number is another company''s' USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'company_numbers_' || obstacle,
      HINT = 'have it released there, or set the CallRail API key of this company: once the list of its account shows the number, that is proof';
  END IF;
  -- A claim that was never proven is as if it had never been, unless it goes on until a moment to come; what was proven keeps what it had until then.
  UPDATE company_numbers SET valid_to = CASE WHEN valid_to <= ending THEN valid_to ELSE greatest(ending, valid_from) END, is_active = standing <> 'unproven' OR (ending > now() AND valid_from < ending),
         ended_note = 'Another company has proven that this number is its own. If it is yours, set your CallRail API key (POST /api/v1/company/set-callrail-api-key/{id}), or connect Twilio (POST /api/v1/onboarding/twilio/connect), and register it again.'
   WHERE e164 = number AND company_id <> of_company AND is_active AND purposes && of_purposes AND tstzrange(valid_from, valid_to) && tstzrange(since, until)
     AND (standing = 'unproven' OR valid_to IS NULL OR valid_to > ending)
     AND standing <> 'final';  -- if it has become that meanwhile, the constraint on owners refuses the newcomer
  RETURN number_proof(of_company, number);
END $function$;
ALTER FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) TO otto_company_service;
GRANT EXECUTE ON FUNCTION claim_number(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  INSERT INTO clerk_users AS k (id, email, name, updated_at, gone) VALUES (of_user, CASE WHEN NOT is_gone THEN new_email END, CASE WHEN NOT is_gone THEN new_name END, at_ms, is_gone)
  ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, updated_at = excluded.updated_at, gone = excluded.gone
   WHERE NOT k.gone AND (excluded.gone OR excluded.updated_at > k.updated_at);
  IF NOT FOUND THEN RETURN; END IF;
  IF is_gone THEN
    RETURN QUERY UPDATE company_users u SET status = 'removed', changing = NULL WHERE u.id = of_user AND u.status <> 'removed' RETURNING u.company_id;
  ELSE
    RETURN QUERY UPDATE company_users u SET email = new_email, name = new_name, profile_updated_at = at_ms
     WHERE u.id = of_user AND u.profile_updated_at < at_ms AND (u.email, u.name, u.profile_updated_at) IS DISTINCT FROM (new_email, new_name, at_ms) RETURNING u.company_id;
  END IF;
END $function$;
ALTER FUNCTION clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean) TO otto_company_service;
GRANT EXECUTE ON FUNCTION clerk_user_changed(of_user text, new_email text, new_name text, at_ms bigint, is_gone boolean) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.clerk_users_known(of_users text[])
 RETURNS TABLE(id text, email text, name text, updated_at bigint, gone boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
  -- Whom nobody has told of yet gets a row too, so that a word of him that comes meanwhile waits for it, and finds the membership.
  INSERT INTO clerk_users (id, updated_at) SELECT DISTINCT u, -1 FROM unnest(of_users) u ORDER BY 1 ON CONFLICT DO NOTHING;
  RETURN QUERY SELECT k.id, k.email, k.name, k.updated_at, k.gone FROM clerk_users k WHERE k.id = ANY (of_users) ORDER BY k.id FOR UPDATE;
END $function$;
ALTER FUNCTION clerk_users_known(of_users text[]) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION clerk_users_known(of_users text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clerk_users_known(of_users text[]) TO otto_company_service;
GRANT EXECUTE ON FUNCTION clerk_users_known(of_users text[]) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.companies_check()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF TG_OP = 'INSERT' THEN PERFORM check_company(NEW.id, 'members'); END IF;
  IF TG_OP = 'INSERT' OR (NEW.callrail_api_key, NEW.callrail_account_id, NEW.callrail_company_id) IS DISTINCT FROM (OLD.callrail_api_key, OLD.callrail_account_id, OLD.callrail_company_id) THEN
    PERFORM check_company(NEW.id, 'callrail_numbers');
  END IF;
  IF NEW.twilio_account_sid IS NOT NULL AND (TG_OP = 'INSERT' OR (NEW.twilio_auth_token, NEW.twilio_account_sid) IS DISTINCT FROM (OLD.twilio_auth_token, OLD.twilio_account_sid)) THEN
    PERFORM check_company(NEW.id, 'twilio_numbers');
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.companies_keep_numbers()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  named text[];
BEGIN
  IF TG_OP = 'INSERT' OR (NEW.phone_number, NEW.primary_tracking_number, NEW.status) IS DISTINCT FROM (OLD.phone_number, OLD.primary_tracking_number, OLD.status) THEN
    named := ARRAY(SELECT DISTINCT n FROM unnest(ARRAY[e164(NEW.phone_number), e164(NEW.primary_tracking_number)]) n WHERE n IS NOT NULL AND NEW.status = 'active' ORDER BY n);
    UPDATE company_numbers SET valid_to = greatest(now(), valid_from)
     WHERE company_id = NEW.id AND from_company AND is_active AND valid_to IS NULL AND e164 <> ALL (named);
    INSERT INTO company_numbers (company_id, e164, provider, from_company, valid_from)
    SELECT NEW.id, n, NEW.call_provider, true, number_free_since(n) FROM unnest(named) n
     WHERE NOT EXISTS (SELECT FROM company_numbers c WHERE c.company_id = NEW.id AND c.e164 = n AND c.is_active AND c.valid_to IS NULL);
  END IF;
  PERFORM mark_directory_dirty(NEW.id);
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.companies_status_on_record()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF current_user = 'otto_company_service' THEN RETURN NULL; END IF;
  INSERT INTO audit_log (company_id, user_id, actor, action, target, before, after)
  VALUES (NEW.id, session_user, 'operator', CASE NEW.status WHEN 'suspended' THEN 'company.suspend' ELSE 'company.resume' END, NEW.id, jsonb_build_object('status', OLD.status), jsonb_build_object('status', NEW.status));
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.companies_time_zone()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF NOT is_time_zone(NEW.timezone) THEN
    RAISE EXCEPTION '"%" is no time zone', NEW.timezone USING ERRCODE = 'check_violation', CONSTRAINT = 'companies_time_zone', HINT = 'write it as America/Phoenix; pg_timezone_names lists them';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.companies_without_manager()
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT count(*) FROM companies c WHERE c.status = 'active'
     AND NOT EXISTS (SELECT FROM company_users u WHERE u.company_id = c.id AND u.role = 'manager' AND u.status = 'active')
$function$;
ALTER FUNCTION companies_without_manager() OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION companies_without_manager() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION companies_without_manager() TO otto_company_service;
GRANT EXECUTE ON FUNCTION companies_without_manager() TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.company_numbers_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.is_active AND NEW.valid_to > NEW.valid_from THEN
      INSERT INTO number_releases VALUES (NEW.e164, NEW.valid_to) ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
    END IF;
    PERFORM mark_directory_dirty(NEW.company_id);
    RETURN NULL;
  END IF;
  IF OLD.is_active AND OLD.valid_to IS NULL AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS NOT NULL) THEN
    IF TG_OP = 'DELETE' OR NEW.is_active OR NEW.ended_note IS NULL THEN
      INSERT INTO number_releases VALUES (OLD.e164, CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN NEW.valid_to ELSE now() END)
      ON CONFLICT (e164) DO UPDATE SET released_at = greatest(number_releases.released_at, excluded.released_at);
    END IF;
    UPDATE companies SET phone_number = CASE WHEN e164(phone_number) = OLD.e164 THEN NULL ELSE phone_number END,
           primary_tracking_number = CASE WHEN e164(primary_tracking_number) = OLD.e164 THEN NULL ELSE primary_tracking_number END
     WHERE id = OLD.company_id AND status = 'active' AND OLD.e164 IN (e164(phone_number), e164(primary_tracking_number))
       AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = OLD.company_id AND n.e164 = OLD.e164 AND n.is_active AND n.valid_to IS NULL);
  ELSIF OLD.is_active AND OLD.valid_to IS NOT NULL AND (TG_OP = 'DELETE' OR NOT NEW.is_active OR NEW.valid_to IS DISTINCT FROM OLD.valid_to) THEN
    UPDATE number_releases SET released_at = CASE WHEN TG_OP = 'UPDATE' AND NEW.is_active THEN coalesce(NEW.valid_to, NEW.valid_from)
                                                  WHEN TG_OP = 'UPDATE' AND NEW.ended_note IS NOT NULL THEN OLD.valid_from
                                                  ELSE least(now(), OLD.valid_to) END
     WHERE e164 = OLD.e164 AND released_at = OLD.valid_to;
  END IF;
  PERFORM mark_directory_dirty(OLD.company_id);
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.company_numbers_check()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM check_company(NEW.company_id, 'callrail_numbers');
  IF NEW.provider = 'twilio' OR EXISTS (SELECT FROM companies WHERE id = NEW.company_id AND twilio_account_sid IS NOT NULL) THEN PERFORM check_company(NEW.company_id, 'twilio_numbers'); END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.company_numbers_claim()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  proof text;
BEGIN
  IF NOT NEW.is_active OR NEW.valid_to <= NEW.valid_from THEN RETURN NEW; END IF;
  IF TG_OP = 'UPDATE' AND OLD.is_active AND OLD.e164 = NEW.e164 AND NEW.purposes <@ OLD.purposes AND NEW.valid_from >= OLD.valid_from AND (OLD.valid_to IS NULL OR NEW.valid_to <= OLD.valid_to) THEN RETURN NEW; END IF;
  proof := claim_number(NEW.company_id, NEW.e164, NEW.purposes, NEW.id, NEW.valid_from, NEW.valid_to);
  IF proof = 'final' OR NEW.standing = 'unproven' THEN NEW.standing := proof; END IF;
  NEW.ended_note := NULL;
  -- A former owner may have been ended just now. What the company itself said stays, and the constraint on owners judges it.
  IF TG_OP = 'INSERT' AND NOT NEW.from_given THEN NEW.valid_from := greatest(NEW.valid_from, number_free_since(NEW.e164)); END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.company_users_version()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  now_ms bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.role, NEW.role_unknown, NEW.status) IS NOT DISTINCT FROM (OLD.role, OLD.role_unknown, OLD.status) THEN RETURN NEW; END IF;
    NEW.version := greatest(OLD.version + 1, now_ms);
  ELSE
    NEW.version := greatest(NEW.version, now_ms);
  END IF;
  NEW.changed_at := CASE WHEN NEW.clerk_updated_at > 0 AND (TG_OP = 'INSERT' OR NEW.clerk_updated_at > OLD.clerk_updated_at) THEN to_timestamp(NEW.clerk_updated_at / 1000.0) ELSE clock_timestamp() END;
  NEW.removed_at := CASE WHEN NEW.status = 'removed' THEN coalesce(NEW.removed_at, clock_timestamp()) END;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.e164(number text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
DECLARE
  s      text := number;
  parts  text[];
  sign   boolean;
  space  boolean;
  digits text;
BEGIN
  IF number ~ '^\+[1-9][0-9]+$' THEN  -- as numbers are kept
    digits := substr(number, 2);
  ELSE
    IF octet_length(s) <> length(s) THEN s := regexp_replace(translate(s, E'\U00000020\U00000021\U00000022\U00000023\U00000024\U00000025\U00000026\U00000027\U00000028\U00000029\U0000002a\U0000002b\U0000002c\U0000002d\U0000002e\U0000002f\U00000030\U00000031\U00000032\U00000033\U00000034\U00000035\U00000036\U00000037\U00000038\U00000039\U0000003a\U0000003b\U0000003c\U0000003d\U0000003e\U0000003f\U00000040\U00000041\U00000042\U00000043\U00000044\U00000045\U00000046\U00000047\U00000048\U00000049\U0000004a\U0000004b\U0000004c\U0000004d\U0000004e\U0000004f\U00000050\U00000051\U00000052\U00000053\U00000054\U00000055\U00000056\U00000057\U00000058\U00000059\U0000005a\U0000005b\U0000005c\U0000005d\U0000005e\U0000005f\U00000060\U00000061\U00000062\U00000063\U00000064\U00000065\U00000066\U00000067\U00000068\U00000069\U0000006a\U0000006b\U0000006c\U0000006d\U0000006e\U0000006f\U00000070\U00000071\U00000072\U00000073\U00000074\U00000075\U00000076\U00000077\U00000078\U00000079\U0000007a\U0000007b\U0000007c\U0000007d\U0000007e\U00000660\U00000661\U00000662\U00000663\U00000664\U00000665\U00000666\U00000667\U00000668\U00000669\U000006f0\U000006f1\U000006f2\U000006f3\U000006f4\U000006f5\U000006f6\U000006f7\U000006f8\U000006f9\U000007c0\U000007c1\U000007c2\U000007c3\U000007c4\U000007c5\U000007c6\U000007c7\U000007c8\U000007c9\U00000966\U00000967\U00000968\U00000969\U0000096a\U0000096b\U0000096c\U0000096d\U0000096e\U0000096f\U000009e6\U000009e7\U000009e8\U000009e9\U000009ea\U000009eb\U000009ec\U000009ed\U000009ee\U000009ef\U00000a66\U00000a67\U00000a68\U00000a69\U00000a6a\U00000a6b\U00000a6c\U00000a6d\U00000a6e\U00000a6f\U00000ae6\U00000ae7\U00000ae8\U00000ae9\U00000aea\U00000aeb\U00000aec\U00000aed\U00000aee\U00000aef\U00000b66\U00000b67\U00000b68\U00000b69\U00000b6a\U00000b6b\U00000b6c\U00000b6d\U00000b6e\U00000b6f\U00000be6\U00000be7\U00000be8\U00000be9\U00000bea\U00000beb\U00000bec\U00000bed\U00000bee\U00000bef\U00000c66\U00000c67\U00000c68\U00000c69\U00000c6a\U00000c6b\U00000c6c\U00000c6d\U00000c6e\U00000c6f\U00000ce6\U00000ce7\U00000ce8\U00000ce9\U00000cea\U00000ceb\U00000cec\U00000ced\U00000cee\U00000cef\U00000d66\U00000d67\U00000d68\U00000d69\U00000d6a\U00000d6b\U00000d6c\U00000d6d\U00000d6e\U00000d6f\U00000de6\U00000de7\U00000de8\U00000de9\U00000dea\U00000deb\U00000dec\U00000ded\U00000dee\U00000def\U00000e50\U00000e51\U00000e52\U00000e53\U00000e54\U00000e55\U00000e56\U00000e57\U00000e58\U00000e59\U00000ed0\U00000ed1\U00000ed2\U00000ed3\U00000ed4\U00000ed5\U00000ed6\U00000ed7\U00000ed8\U00000ed9\U00000f20\U00000f21\U00000f22\U00000f23\U00000f24\U00000f25\U00000f26\U00000f27\U00000f28\U00000f29\U00001040\U00001041\U00001042\U00001043\U00001044\U00001045\U00001046\U00001047\U00001048\U00001049\U00001090\U00001091\U00001092\U00001093\U00001094\U00001095\U00001096\U00001097\U00001098\U00001099\U000017e0\U000017e1\U000017e2\U000017e3\U000017e4\U000017e5\U000017e6\U000017e7\U000017e8\U000017e9\U00001810\U00001811\U00001812\U00001813\U00001814\U00001815\U00001816\U00001817\U00001818\U00001819\U00001946\U00001947\U00001948\U00001949\U0000194a\U0000194b\U0000194c\U0000194d\U0000194e\U0000194f\U000019d0\U000019d1\U000019d2\U000019d3\U000019d4\U000019d5\U000019d6\U000019d7\U000019d8\U000019d9\U00001a80\U00001a81\U00001a82\U00001a83\U00001a84\U00001a85\U00001a86\U00001a87\U00001a88\U00001a89\U00001a90\U00001a91\U00001a92\U00001a93\U00001a94\U00001a95\U00001a96\U00001a97\U00001a98\U00001a99\U00001b50\U00001b51\U00001b52\U00001b53\U00001b54\U00001b55\U00001b56\U00001b57\U00001b58\U00001b59\U00001bb0\U00001bb1\U00001bb2\U00001bb3\U00001bb4\U00001bb5\U00001bb6\U00001bb7\U00001bb8\U00001bb9\U00001c40\U00001c41\U00001c42\U00001c43\U00001c44\U00001c45\U00001c46\U00001c47\U00001c48\U00001c49\U00001c50\U00001c51\U00001c52\U00001c53\U00001c54\U00001c55\U00001c56\U00001c57\U00001c58\U00001c59\U0000a620\U0000a621\U0000a622\U0000a623\U0000a624\U0000a625\U0000a626\U0000a627\U0000a628\U0000a629\U0000a8d0\U0000a8d1\U0000a8d2\U0000a8d3\U0000a8d4\U0000a8d5\U0000a8d6\U0000a8d7\U0000a8d8\U0000a8d9\U0000a900\U0000a901\U0000a902\U0000a903\U0000a904\U0000a905\U0000a906\U0000a907\U0000a908\U0000a909\U0000a9d0\U0000a9d1\U0000a9d2\U0000a9d3\U0000a9d4\U0000a9d5\U0000a9d6\U0000a9d7\U0000a9d8\U0000a9d9\U0000a9f0\U0000a9f1\U0000a9f2\U0000a9f3\U0000a9f4\U0000a9f5\U0000a9f6\U0000a9f7\U0000a9f8\U0000a9f9\U0000aa50\U0000aa51\U0000aa52\U0000aa53\U0000aa54\U0000aa55\U0000aa56\U0000aa57\U0000aa58\U0000aa59\U0000abf0\U0000abf1\U0000abf2\U0000abf3\U0000abf4\U0000abf5\U0000abf6\U0000abf7\U0000abf8\U0000abf9\U0000ff01\U0000ff02\U0000ff03\U0000ff04\U0000ff05\U0000ff06\U0000ff07\U0000ff08\U0000ff09\U0000ff0a\U0000ff0b\U0000ff0c\U0000ff0d\U0000ff0e\U0000ff0f\U0000ff10\U0000ff11\U0000ff12\U0000ff13\U0000ff14\U0000ff15\U0000ff16\U0000ff17\U0000ff18\U0000ff19\U0000ff1a\U0000ff1b\U0000ff1c\U0000ff1d\U0000ff1e\U0000ff1f\U0000ff20\U0000ff21\U0000ff22\U0000ff23\U0000ff24\U0000ff25\U0000ff26\U0000ff27\U0000ff28\U0000ff29\U0000ff2a\U0000ff2b\U0000ff2c\U0000ff2d\U0000ff2e\U0000ff2f\U0000ff30\U0000ff31\U0000ff32\U0000ff33\U0000ff34\U0000ff35\U0000ff36\U0000ff37\U0000ff38\U0000ff39\U0000ff3a\U0000ff3b\U0000ff3c\U0000ff3d\U0000ff3e\U0000ff3f\U0000ff40\U0000ff41\U0000ff42\U0000ff43\U0000ff44\U0000ff45\U0000ff46\U0000ff47\U0000ff48\U0000ff49\U0000ff4a\U0000ff4b\U0000ff4c\U0000ff4d\U0000ff4e\U0000ff4f\U0000ff50\U0000ff51\U0000ff52\U0000ff53\U0000ff54\U0000ff55\U0000ff56\U0000ff57\U0000ff58\U0000ff59\U0000ff5a\U0000ff5b\U0000ff5c\U0000ff5d\U0000ff5e\U000104a0\U000104a1\U000104a2\U000104a3\U000104a4\U000104a5\U000104a6\U000104a7\U000104a8\U000104a9\U00010d30\U00010d31\U00010d32\U00010d33\U00010d34\U00010d35\U00010d36\U00010d37\U00010d38\U00010d39\U00011066\U00011067\U00011068\U00011069\U0001106a\U0001106b\U0001106c\U0001106d\U0001106e\U0001106f\U000110f0\U000110f1\U000110f2\U000110f3\U000110f4\U000110f5\U000110f6\U000110f7\U000110f8\U000110f9\U00011136\U00011137\U00011138\U00011139\U0001113a\U0001113b\U0001113c\U0001113d\U0001113e\U0001113f\U000111d0\U000111d1\U000111d2\U000111d3\U000111d4\U000111d5\U000111d6\U000111d7\U000111d8\U000111d9\U000112f0\U000112f1\U000112f2\U000112f3\U000112f4\U000112f5\U000112f6\U000112f7\U000112f8\U000112f9\U00011450\U00011451\U00011452\U00011453\U00011454\U00011455\U00011456\U00011457\U00011458\U00011459\U000114d0\U000114d1\U000114d2\U000114d3\U000114d4\U000114d5\U000114d6\U000114d7\U000114d8\U000114d9\U00011650\U00011651\U00011652\U00011653\U00011654\U00011655\U00011656\U00011657\U00011658\U00011659\U000116c0\U000116c1\U000116c2\U000116c3\U000116c4\U000116c5\U000116c6\U000116c7\U000116c8\U000116c9\U00011730\U00011731\U00011732\U00011733\U00011734\U00011735\U00011736\U00011737\U00011738\U00011739\U000118e0\U000118e1\U000118e2\U000118e3\U000118e4\U000118e5\U000118e6\U000118e7\U000118e8\U000118e9\U00011950\U00011951\U00011952\U00011953\U00011954\U00011955\U00011956\U00011957\U00011958\U00011959\U00011c50\U00011c51\U00011c52\U00011c53\U00011c54\U00011c55\U00011c56\U00011c57\U00011c58\U00011c59\U00011d50\U00011d51\U00011d52\U00011d53\U00011d54\U00011d55\U00011d56\U00011d57\U00011d58\U00011d59\U00011da0\U00011da1\U00011da2\U00011da3\U00011da4\U00011da5\U00011da6\U00011da7\U00011da8\U00011da9\U00011f50\U00011f51\U00011f52\U00011f53\U00011f54\U00011f55\U00011f56\U00011f57\U00011f58\U00011f59\U00016a60\U00016a61\U00016a62\U00016a63\U00016a64\U00016a65\U00016a66\U00016a67\U00016a68\U00016a69\U00016ac0\U00016ac1\U00016ac2\U00016ac3\U00016ac4\U00016ac5\U00016ac6\U00016ac7\U00016ac8\U00016ac9\U00016b50\U00016b51\U00016b52\U00016b53\U00016b54\U00016b55\U00016b56\U00016b57\U00016b58\U00016b59\U0001d7ce\U0001d7cf\U0001d7d0\U0001d7d1\U0001d7d2\U0001d7d3\U0001d7d4\U0001d7d5\U0001d7d6\U0001d7d7\U0001d7d8\U0001d7d9\U0001d7da\U0001d7db\U0001d7dc\U0001d7dd\U0001d7de\U0001d7df\U0001d7e0\U0001d7e1\U0001d7e2\U0001d7e3\U0001d7e4\U0001d7e5\U0001d7e6\U0001d7e7\U0001d7e8\U0001d7e9\U0001d7ea\U0001d7eb\U0001d7ec\U0001d7ed\U0001d7ee\U0001d7ef\U0001d7f0\U0001d7f1\U0001d7f2\U0001d7f3\U0001d7f4\U0001d7f5\U0001d7f6\U0001d7f7\U0001d7f8\U0001d7f9\U0001d7fa\U0001d7fb\U0001d7fc\U0001d7fd\U0001d7fe\U0001d7ff\U0001e140\U0001e141\U0001e142\U0001e143\U0001e144\U0001e145\U0001e146\U0001e147\U0001e148\U0001e149\U0001e2f0\U0001e2f1\U0001e2f2\U0001e2f3\U0001e2f4\U0001e2f5\U0001e2f6\U0001e2f7\U0001e2f8\U0001e2f9\U0001e4f0\U0001e4f1\U0001e4f2\U0001e4f3\U0001e4f4\U0001e4f5\U0001e4f6\U0001e4f7\U0001e4f8\U0001e4f9\U0001e950\U0001e951\U0001e952\U0001e953\U0001e954\U0001e955\U0001e956\U0001e957\U0001e958\U0001e959\U0001fbf0\U0001fbf1\U0001fbf2\U0001fbf3\U0001fbf4\U0001fbf5\U0001fbf6\U0001fbf7\U0001fbf8\U0001fbf9\U00000085\U000000a0\U00001680\U00002000\U00002001\U00002002\U00002003\U00002004\U00002005\U00002006\U00002007\U00002008\U00002009\U0000200a\U00002028\U00002029\U0000202f\U0000205f\U00003000\U0000058a\U000005be\U00001400\U00001806\U00002010\U00002011\U00002012\U00002013\U00002014\U00002015\U00002053\U0000207b\U0000208b\U00002212\U00002e17\U00002e1a\U00002e3a\U00002e3b\U00002e40\U00002e5d\U0000301c\U00003030\U000030a0\U0000fe31\U0000fe32\U0000fe58\U0000fe63\U00010ead\U000000b4\U000000b7\U000002d7\U00000387\U000006d4\U00002018\U00002019\U0000201a\U0000201b\U0000201c\U0000201d\U0000201e\U0000201f\U00002022\U00002024\U00002027\U00002032\U00002033\U00002043\U00002044\U00002215\U00002219\U0000223c\U000022c5\U00002796\U00002800\U000029f8\U00003002\U000030fb\U000030fc\U0000fe52\U0000ff61\U0000ff65\U0000ff70\U0000207a\U0000208a\U00002795\U0000fb29\U0000fe62\U0000207d\U0000208d\U00002768\U0000276a\U0000276c\U0000276e\U00002770\U000027e8\U00003008\U0000300a\U0000300c\U0000300e\U00003010\U00003014\U00003016\U00003018\U0000301a\U0000fe59\U0000fe5b\U0000fe5d\U0000207e\U0000208e\U00002769\U0000276b\U0000276d\U0000276f\U00002771\U000027e9\U00003009\U0000300b\U0000300d\U0000300f\U00003011\U00003015\U00003017\U00003019\U0000301b\U0000fe5a\U0000fe5c\U0000fe5e\U000000d3\U000000f3\U0000060c\U0000061b\U00003001\U0000fe50\U0000fe51\U0000fe54\U0000fe55\U0000fe5f\U0000ff64\U00000080\U00000081\U00000082\U00000083\U00000084\U00000086\U00000087\U00000088\U00000089\U0000008a\U0000008b\U0000008c\U0000008d\U0000008e\U0000008f\U00000090\U00000091\U00000092\U00000093\U00000094\U00000095\U00000096\U00000097\U00000098\U00000099\U0000009a\U0000009b\U0000009c\U0000009d\U0000009e\U0000009f\U000000ad\U00000300\U00000301\U00000302\U00000303\U00000304\U00000305\U00000306\U00000307\U00000308\U00000309\U0000030a\U0000030b\U0000030c\U0000030d\U0000030e\U0000030f\U00000310\U00000311\U00000312\U00000313\U00000314\U00000315\U00000316\U00000317\U00000318\U00000319\U0000031a\U0000031b\U0000031c\U0000031d\U0000031e\U0000031f\U00000320\U00000321\U00000322\U00000323\U00000324\U00000325\U00000326\U00000327\U00000328\U00000329\U0000032a\U0000032b\U0000032c\U0000032d\U0000032e\U0000032f\U00000330\U00000331\U00000332\U00000333\U00000334\U00000335\U00000336\U00000337\U00000338\U00000339\U0000033a\U0000033b\U0000033c\U0000033d\U0000033e\U0000033f\U00000340\U00000341\U00000342\U00000343\U00000344\U00000345\U00000346\U00000347\U00000348\U00000349\U0000034a\U0000034b\U0000034c\U0000034d\U0000034e\U0000034f\U00000350\U00000351\U00000352\U00000353\U00000354\U00000355\U00000356\U00000357\U00000358\U00000359\U0000035a\U0000035b\U0000035c\U0000035d\U0000035e\U0000035f\U00000360\U00000361\U00000362\U00000363\U00000364\U00000365\U00000366\U00000367\U00000368\U00000369\U0000036a\U0000036b\U0000036c\U0000036d\U0000036e\U0000036f\U0000061c\U0000115f\U00001160\U000017b4\U000017b5\U0000180b\U0000180c\U0000180d\U0000180e\U0000180f\U0000200b\U0000200c\U0000200d\U0000200e\U0000200f\U0000202a\U0000202b\U0000202c\U0000202d\U0000202e\U00002060\U00002061\U00002062\U00002063\U00002064\U00002065\U00002066\U00002067\U00002068\U00002069\U0000206a\U0000206b\U0000206c\U0000206d\U0000206e\U0000206f\U000020d0\U000020d1\U000020d2\U000020d3\U000020d4\U000020d5\U000020d6\U000020d7\U000020d8\U000020d9\U000020da\U000020db\U000020dc\U000020dd\U000020de\U000020df\U000020e0\U000020e1\U000020e2\U000020e3\U000020e4\U000020e5\U000020e6\U000020e7\U000020e8\U000020e9\U000020ea\U000020eb\U000020ec\U000020ed\U000020ee\U000020ef\U000020f0\U000020f1\U000020f2\U000020f3\U000020f4\U000020f5\U000020f6\U000020f7\U000020f8\U000020f9\U000020fa\U000020fb\U000020fc\U000020fd\U000020fe\U000020ff\U00003164\U0000fe00\U0000fe01\U0000fe02\U0000fe03\U0000fe04\U0000fe05\U0000fe06\U0000fe07\U0000fe08\U0000fe09\U0000fe0a\U0000fe0b\U0000fe0c\U0000fe0d\U0000fe0e\U0000fe0f\U0000feff\U0000ffa0\U0000fff0\U0000fff1\U0000fff2\U0000fff3\U0000fff4\U0000fff5\U0000fff6\U0000fff7\U0000fff8\U0000fff9\U0000fffa\U0000fffb\U0000fffc\U0001bca0\U0001bca1\U0001bca2\U0001bca3\U0001d173\U0001d174\U0001d175\U0001d176\U0001d177\U0001d178\U0001d179\U0001d17a', E' !"#$%&''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789!"#$%&''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789---------------------------------------------------------------------------------+++++(((((((((((((((((((())))))))))))))))))))oo,;,,,;:#,'), '[\U000E0000-\U000E0FFF]', '', 'g'); END IF;
    s := translate(lower(s COLLATE "C"), E'[{<]}>./\\_~|''"`\t\n\x0b\f\r\x01\x02\x03\x04\x05\x06\x07\b\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f', '((()))--------------');
    -- What may follow a number: a parameter of RFC 3966 (";ext=45"), or an extension of at most seven digits (more are another number).
    parts := regexp_match(s, '^[- ()]*(?:(?:tel|callto|sms)[-: ()]*)?([-+ ()]*)([0-9][-0-9 ()]*)'
      '(?:;[-a-z]+=.*|(?:[,;#][- ,;#()]*(?:(?:ext(?:ension|n)?|xtn?|x)[-:= ,;#()]*)?|(?:ext(?:ension|n)?|xtn?|x)[-:= ,;#()]*)(?:[0-9][- ,;#()]*){0,7})?$');
    IF parts IS NULL THEN RETURN NULL; END IF;
    sign := parts[1] LIKE '%+%';
    space := number LIKE ' %';  -- in a query string "+1202…" arrives as " 1202…"; what is no number so may be one with the space left off
    -- "(0)" behind a country code is no digit, except Italy's, which is dialled from abroad too.
    digits := regexp_replace(regexp_replace(parts[2], '\([- ]*0[- ]*\)', '*', 'g'), '[^0-9*]', '', 'g');
    IF sign OR space OR digits ~ '^0(11|0)' THEN digits := regexp_replace(digits, '^((?:011|00)?(?!39\*)[1-9][0-9]{0,2})\*', '\1'); END IF;
    digits := replace(digits, '*', '0');
    IF NOT sign AND length(digits) = 10 THEN digits := '1' || digits;
    ELSIF digits ~ '^0(11|0)' THEN digits := regexp_replace(digits, '^0(11|0)', '');
    ELSIF NOT sign AND NOT space AND NOT (length(digits) = 11 AND digits LIKE '1%') THEN RETURN NULL; END IF;
  END IF;
  IF digits !~ '^([2-9][0-9]{6,14}|1[2-9][0-9]{9})$' THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  -- What networks send for a hidden caller: ANONYMOUS, RESTRICTED (also taken for a number of North America), UNAVAILABLE, UNKNOWN, BLOCKED, PRIVATE, WITHHELD on a keypad.
  IF digits IN ('266696687', '7378742833', '17378742833', '86282452253', '8656696', '2562533', '7748283', '94484353') THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  -- All digits alike behind the country code (ITU-T E.164).
  IF digits ~ '^(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-689]|3[578]|42|5[09]|6[7-9]|8[03579]|9[679])[0-9])([0-9])\1*$' THEN RETURN CASE WHEN space THEN public.e164(ltrim(number)) END; END IF;
  RETURN '+' || digits;
END $function$;

CREATE OR REPLACE FUNCTION public.held_on_account()
 RETURNS json
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  WITH waiting AS MATERIALIZED (
    SELECT reason, cure, octet_length(raw_body) AS bytes, received_at FROM held_events
     WHERE held_for = otto_request_company() AND released_at IS NULL ORDER BY received_at LIMIT 10000),
  reasons AS (SELECT reason, cure, count(*) AS events FROM waiting GROUP BY reason, cure ORDER BY events DESC, reason, cure LIMIT 5)
  SELECT json_build_object('events', count(*), 'bytes', sum(bytes), 'oldest_at', to_char(min(received_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                           'reasons', (SELECT json_agg(json_build_object('reason', reason, 'cure', cure, 'events', events) ORDER BY events DESC, reason, cure) FROM reasons))
    FROM waiting HAVING count(*) > 0
$function$;
REVOKE EXECUTE ON FUNCTION held_on_account() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION held_on_account() TO otto_query_service;

CREATE OR REPLACE FUNCTION public.is_time_zone(zone text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
  IF zone !~ '^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Europe|Indian|Mexico|Pacific|US)/'
     AND zone NOT IN ('Cuba', 'Egypt', 'Eire', 'GB', 'GB-Eire', 'Hongkong', 'Iceland', 'Iran', 'Israel', 'Jamaica', 'Japan', 'Kwajalein', 'Libya', 'NZ', 'NZ-CHAT', 'Navajo', 'PRC', 'Poland', 'Portugal', 'ROC', 'ROK',
                      'Singapore', 'Turkey', 'W-SU') THEN
    RETURN false;
  END IF;
  PERFORM now() AT TIME ZONE zone;  -- refuses at once what most others are; the names themselves are a scan of 30 to 40 ms
  RETURN EXISTS (SELECT FROM pg_timezone_names WHERE name = zone);
EXCEPTION WHEN OTHERS THEN
  RETURN false;
END $function$;

CREATE OR REPLACE FUNCTION public.lead_is_pending(status text, pool_status text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT status IN ('qualified_unbooked', 'warm', 'hot') $function$;

CREATE OR REPLACE FUNCTION public.lead_state(status text)
 RETURNS smallint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT (CASE WHEN status IN ('qualified_booked', 'closed_won') THEN 1 WHEN status IN ('closed_lost', 'abandoned') THEN 2 ELSE 0 END)::smallint $function$;

CREATE OR REPLACE FUNCTION public.limit_held(accounts text[])
 RETURNS TABLE(company_id text, limited boolean)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  UPDATE companies c SET held_limited = NOT held_limited
   WHERE c.id IN (SELECT unnest(accounts) UNION SELECT w.id FROM companies w WHERE w.held_limited) AND c.held_limited <> (c.id = ANY (accounts))
  RETURNING c.id, c.held_limited
$function$;
ALTER FUNCTION limit_held(accounts text[]) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION limit_held(accounts text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION limit_held(accounts text[]) TO otto_tenant_router;

CREATE OR REPLACE FUNCTION public.list_totals_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  of record;
BEGIN
  FOR of IN SELECT company_id, CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END AS change FROM changed GROUP BY company_id LOOP
    UPDATE list_totals SET part = part + of.change, updated_at = now()
     WHERE company_id = of.company_id AND list = TG_TABLE_NAME
       AND id = (SELECT id FROM list_totals WHERE company_id = of.company_id AND list = TG_TABLE_NAME ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
      INSERT INTO list_totals (company_id, list, part) VALUES (of.company_id, TG_TABLE_NAME, of.change);
    END IF;
  END LOOP;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.list_totals_recount()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  LOCK TABLE calls, leads, contact_cards IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM list_totals;
  INSERT INTO list_totals (company_id, list, part)
  SELECT company_id, 'calls', count(*) FROM calls GROUP BY company_id UNION ALL
  SELECT company_id, 'leads', count(*) FROM leads GROUP BY company_id UNION ALL
  SELECT company_id, 'contact_cards', count(*) FROM contact_cards GROUP BY company_id;
END $function$;
REVOKE EXECUTE ON FUNCTION list_totals_recount() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_totals_recount() TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.mark_directory_dirty(of_company text)
 RETURNS void
 LANGUAGE sql
AS $function$
  INSERT INTO directory_state (company_id, version) VALUES (of_company, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
  ON CONFLICT (company_id) DO UPDATE SET version = greatest(directory_state.version + 1, excluded.version), dirty = true;
  SELECT pg_notify('otto_directory', '');
$function$;

CREATE OR REPLACE FUNCTION public.member_sums()
 RETURNS TABLE(company_id text, members bigint, versions bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT u.company_id, count(*), bit_xor(u.version) FROM company_users u
   WHERE u.status <> 'invited' AND NOT EXISTS (SELECT FROM members_untold m WHERE m.company_id = u.company_id) GROUP BY u.company_id
$function$;
ALTER FUNCTION member_sums() OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION member_sums() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION member_sums() TO otto_company_service;
GRANT EXECUTE ON FUNCTION member_sums() TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.members_untold()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO members_untold AS m (company_id) SELECT DISTINCT company_id FROM changed WHERE version > told_version ORDER BY 1 ON CONFLICT (company_id) DO UPDATE SET changes = m.changes + 1;
  IF FOUND THEN PERFORM pg_notify('otto_members', ''); END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.members_wanted(since timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
  of_company text := otto_request_company();
  due        timestamptz;
  asked      timestamptz;
BEGIN
  SELECT due_at INTO due FROM work WHERE queue = 'company-service/members' AND company_id = of_company AND key = '';
  IF NOT FOUND THEN RETURN false; END IF;
  SELECT asked_at INTO asked FROM members_asked WHERE company_id = of_company FOR UPDATE;
  IF asked >= since THEN RETURN due <= clock_timestamp(); END IF;
  IF asked IS NULL OR asked < clock_timestamp() - interval '1 second' THEN
    INSERT INTO members_asked VALUES (of_company, clock_timestamp()) ON CONFLICT (company_id) DO UPDATE SET asked_at = excluded.asked_at;
    PERFORM otto_want('company-service/members', of_company, '', now());
  END IF;
  RETURN true;
END $function$;
ALTER FUNCTION members_wanted(since timestamp with time zone) OWNER TO otto_company_service;
REVOKE EXECUTE ON FUNCTION members_wanted(since timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION members_wanted(since timestamp with time zone) TO otto_appointment_service;
GRANT EXECUTE ON FUNCTION members_wanted(since timestamp with time zone) TO otto_lead_pipeline;
GRANT EXECUTE ON FUNCTION members_wanted(since timestamp with time zone) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.number_free_since(number text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$ SELECT coalesce((SELECT released_at FROM number_releases WHERE e164 = number), '-infinity') $function$;

CREATE OR REPLACE FUNCTION public.number_note(ended_note text, kept_note text, valid_to timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT coalesce(ended_note, CASE WHEN valid_to IS NULL THEN kept_note END) $function$;

CREATE OR REPLACE FUNCTION public.number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  WITH mine AS (SELECT number_proof(of_company, number) AS proof),
  live AS (SELECT n.company_id, n.id, n.standing FROM company_numbers n
            WHERE n.e164 = number AND n.is_active AND n.purposes && of_purposes
              AND tstzrange(n.valid_from, n.valid_to) && tstzrange(coalesce(since, least(number_free_since(number), until)), until)),
  others AS (
    SELECT standing FROM live WHERE company_id <> of_company
    UNION ALL
    SELECT 'proven' FROM (SELECT company_id FROM seen_numbers WHERE e164 = number UNION SELECT company_id FROM listed_numbers WHERE e164 = number) o JOIN companies c ON c.id = o.company_id AND c.status = 'active'
     WHERE o.company_id <> of_company AND number_proof(o.company_id, number) <> 'unproven')
  SELECT CASE
    WHEN EXISTS (SELECT FROM live WHERE company_id = of_company AND id IS DISTINCT FROM of_row) THEN 'own'
    WHEN EXISTS (SELECT FROM others WHERE standing = 'final') THEN 'final'
    WHEN mine.proof <> 'final' AND EXISTS (SELECT FROM others WHERE standing = 'proven') THEN 'proven'
    WHEN mine.proof = 'unproven' AND EXISTS (SELECT FROM others) THEN 'claimed' END
  FROM mine
$function$;
ALTER FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) TO otto_company_service;
GRANT EXECUTE ON FUNCTION number_obstacle(of_company text, number text, of_purposes text[], of_row uuid, since timestamp with time zone, until timestamp with time zone) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.number_proof(of_company text, number text)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT CASE
    WHEN EXISTS (SELECT FROM listed_numbers l WHERE l.company_id = of_company AND l.e164 = number AND l.listed_at > now() - interval '7 days') THEN 'final'
    WHEN EXISTS (SELECT FROM seen_numbers s WHERE s.company_id = of_company AND s.e164 = number
                    AND NOT EXISTS (SELECT FROM company_numbers n WHERE n.company_id = of_company AND n.e164 = number AND n.valid_to >= s.last_seen_at)) THEN 'proven'
    ELSE 'unproven' END
$function$;
ALTER FUNCTION number_proof(of_company text, number text) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION number_proof(of_company text, number text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.number_state(standing text, valid_from timestamp with time zone, valid_to timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ SELECT CASE WHEN valid_to <= greatest(now(), valid_from) THEN 'past' WHEN valid_from > now() THEN 'planned' WHEN standing = 'unproven' THEN 'unproven' ELSE 'registered' END $function$;

CREATE OR REPLACE FUNCTION public.number_state(standing text, valid_to timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT CASE WHEN valid_to IS NOT NULL THEN 'past' WHEN standing = 'unproven' THEN 'unproven' ELSE 'registered' END $function$;

CREATE OR REPLACE FUNCTION public.objection_pattern(key text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT E'%\x1e' || replace(replace(replace(translate(key, E'\x1e\x1f', ''), '\', '\\'), '%', '\%'), '_', '\_') || E'\x1f%' $function$;

CREATE OR REPLACE FUNCTION public.objections_line(objections jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
SELECT string_agg(translate(o.key, E'\x1e\x1f', '') || E'\x1f' || translate(o.label, E'\x1e\x1f', ''), E'\x1e' ORDER BY o.key, o.label)
  FROM (SELECT coalesce(nullif(e ->> 'key', ''), nullif(e ->> 'label', ''), 'other') AS key, coalesce(nullif(e ->> 'label', ''), nullif(e ->> 'key', ''), 'Other') AS label
          FROM jsonb_array_elements(CASE jsonb_typeof(objections) WHEN 'array' THEN objections ELSE '[]' END) e) o
$function$;

CREATE OR REPLACE FUNCTION public.operator_actions_on_record()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO audit_log (company_id, user_id, actor, action, target, detail)
  SELECT company_id, operator, 'operator', action, target::text, jsonb_strip_nulls(jsonb_build_object('reason', nullif(reason, ''), 'event_id', event_id))
    FROM made WHERE company_id <> '' ORDER BY id;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.opt_outs_revoked()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF NEW.revoked_at IS NULL OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at >= OLD.revoked_at) THEN
    RAISE EXCEPTION 'an opt-out is taken back once, and later only by an earlier word' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.otto_batch_companies()
 RETURNS text[]
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ SELECT string_to_array(current_setting('otto.company_ids', true), ',') $function$;

CREATE OR REPLACE FUNCTION public.otto_end_session(pid integer, started text)
 RETURNS boolean
 LANGUAGE sql
AS $function$ SELECT bool_or(pg_terminate_backend(a.pid)) FROM pg_stat_activity a WHERE a.pid = $1 AND a.backend_start::text = $2 AND a.usename = current_user $function$;

CREATE OR REPLACE FUNCTION public.otto_fence(of_consumer text, of_topic text, of_partition integer, my_epoch bigint, to_offset bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE lanes SET next_offset = coalesce(to_offset, next_offset), updated_at = now()
   WHERE consumer = of_consumer AND topic = of_topic AND partition = of_partition AND epoch = my_epoch;
  IF NOT FOUND THEN RAISE EXCEPTION 'partition % of % for % has another owner', of_partition, of_topic, of_consumer USING ERRCODE = 'OT001'; END IF;
END $function$;

CREATE OR REPLACE FUNCTION public.otto_fold(said text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
BEGIN
  IF octet_length(said) = char_length(said) THEN RETURN lower(said COLLATE "C"); END IF;
  RETURN replace(lower(public.unaccent('public.unaccent', normalize(said, NFKD)) COLLATE "und-x-icu"), 'ς', 'σ');
END $function$;

CREATE OR REPLACE FUNCTION public.otto_login(role text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE walled regclass;
BEGIN
  IF role !~ '^otto_[a-z_]+$' THEN RAISE EXCEPTION 'a service logs in as otto_<its name>, not as %', role; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolcreaterole)) THEN
      RAISE EXCEPTION 'the role % is missing, and % may not make roles', role, current_user
        USING ERRCODE = 'insufficient_privilege', HINT = 'an administrator makes it: ottoctl roles plan';
    END IF;
    EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', role);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
  IF has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE WITH GRANT OPTION') THEN
    EXECUTE format('GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO %I', role);
  END IF;
  FOR walled IN SELECT DISTINCT polrelid::regclass FROM pg_policy
                 WHERE pg_get_expr(polqual, polrelid) LIKE '%otto_role_of(%' LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', walled, role);
  END LOOP;
END $function$;
REVOKE EXECUTE ON FUNCTION otto_login(role text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.otto_moment(wall timestamp without time zone, zone text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE STRICT
AS $function$
DECLARE
  later timestamptz;
  day_before timestamptz;
  unmoved timestamptz;  -- by the offset of the day before
BEGIN
  later := wall AT TIME ZONE zone;
  day_before := later - interval '24 hours';
  unmoved := (wall - (day_before AT TIME ZONE zone - day_before AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC';
  RETURN CASE WHEN unmoved < later AND unmoved AT TIME ZONE zone = wall THEN unmoved ELSE later END;
EXCEPTION WHEN invalid_parameter_value OR datetime_field_overflow THEN
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.otto_request_company()
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ SELECT current_setting('otto.company_id', true) $function$;

CREATE OR REPLACE FUNCTION public.otto_role_of(consumer text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT 'otto_' || replace(split_part(consumer, '/', 1), '-', '_') $function$;

CREATE OR REPLACE FUNCTION public.otto_settle_work(of_queue text, of_company text, of_key text, my_lease uuid, seen bigint, next_at timestamp with time zone, keep_ms bigint, answered boolean, why text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF next_at IS NULL THEN
    DELETE FROM work WHERE queue = of_queue AND company_id = of_company AND key = of_key AND lease = my_lease AND wanted = seen;
    IF FOUND THEN RETURN; END IF;
  END IF;
  UPDATE work SET due_at = CASE WHEN keep_ms > 0 THEN least(due_at, now()) WHEN wanted = seen THEN next_at ELSE least(due_at, next_at) END,
         given_up_at = CASE WHEN wanted = seen AND next_at = 'infinity' THEN now() END, error = why,
         lease = CASE WHEN keep_ms > 0 THEN lease END, leased_until = CASE WHEN keep_ms > 0 THEN now() + keep_ms * interval '1 millisecond' END,
         round = round + answered::integer, attempt = CASE WHEN answered OR wanted <> seen THEN 0 WHEN keep_ms = 0 AND why = '' THEN greatest(attempt - 1, 0) ELSE attempt END
   WHERE queue = of_queue AND company_id = of_company AND key = of_key AND lease = my_lease;
  IF NOT FOUND THEN RAISE EXCEPTION 'the lease of % of % in % is another''s', of_key, of_company, of_queue USING ERRCODE = 'OT002'; END IF;
END $function$;

CREATE OR REPLACE FUNCTION public.otto_take_budget(of_consumer text, of_name text, counts double precision[], pers bigint[], wanted double precision, best double precision, at_time timestamp with time zone, OUT granted double precision, OUT wait_ms double precision)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
  have double precision;
BEGIN
  granted := best;
  wait_ms := 0;
  FOR i IN 1..cardinality(counts) LOOP
    INSERT INTO budgets AS b (consumer, name, per_ms, remaining, at) VALUES (of_consumer, of_name, pers[i], counts[i], at_time)
    ON CONFLICT (consumer, name, per_ms) DO UPDATE
       SET remaining = least(counts[i], b.remaining + greatest(0, extract(epoch FROM excluded.at - b.at)) * 1000 * counts[i] / pers[i]), at = greatest(b.at, excluded.at)
    RETURNING remaining INTO have;
    IF have < least(wanted, counts[i]) THEN wait_ms := greatest(wait_ms, ceil((least(wanted, counts[i]) - have) * pers[i] / counts[i])); END IF;
    granted := least(granted, greatest(have, 0));
  END LOOP;
  IF wait_ms > 0 THEN
    granted := 0;
    RETURN;
  END IF;
  UPDATE budgets SET remaining = remaining - granted WHERE consumer = of_consumer AND name = of_name AND per_ms = ANY (pers);
END $function$;

CREATE OR REPLACE FUNCTION public.otto_touch()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$ BEGIN NEW.updated_at := now(); RETURN NEW; END $function$;

CREATE OR REPLACE FUNCTION public.otto_unwant(of_queue text, of_company text, of_key text)
 RETURNS void
 LANGUAGE sql
AS $function$ DELETE FROM work WHERE queue = of_queue AND company_id = of_company AND key = of_key $function$;

CREATE OR REPLACE FUNCTION public.otto_wall(walled regclass, writer name, readers name[] DEFAULT '{otto_query_service}'::name[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
  reader name;
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', walled);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', walled);
  EXECUTE format('CREATE POLICY batch_companies ON %s TO %I USING ((company_id || '''') = ANY (otto_batch_companies()))', walled, writer);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', walled, writer);
  FOREACH reader IN ARRAY readers LOOP
    EXECUTE format('GRANT SELECT ON %s TO %I', walled, reader);
  END LOOP;
  IF cardinality(readers) > 0 THEN
    EXECUTE format('CREATE POLICY one_company ON %s FOR SELECT TO %s USING (company_id = otto_request_company())', walled,
                   (SELECT string_agg(quote_ident(r), ', ') FROM unnest(readers) r));
  END IF;
END $function$;
REVOKE EXECUTE ON FUNCTION otto_wall(walled regclass, writer name, readers name[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION public.otto_want(of_queue text, of_company text, of_key text, due timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO work AS w (queue, company_id, key, due_at) VALUES (of_queue, of_company, of_key, due)
  ON CONFLICT (queue, company_id, key) DO UPDATE SET due_at = excluded.due_at, wanted = w.wanted + 1, attempt = 0, error = '', given_up_at = NULL;
  IF due <= now() THEN PERFORM pg_notify('work:' || of_queue, ''); END IF;
END $function$;

CREATE OR REPLACE FUNCTION public.pending_leads_added()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO pending_leads (company_id, pending)
  SELECT company_id, count(*) FROM changed WHERE lead_is_pending(status, pool_status) GROUP BY company_id ORDER BY company_id;
  IF random() < 0.02 THEN
    PERFORM pending_leads_fold(company_id) FROM (SELECT DISTINCT company_id FROM changed ORDER BY company_id) c;
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.pending_leads_fold(of_company text)
 RETURNS void
 LANGUAGE sql
AS $function$
WITH gone AS (
  DELETE FROM pending_leads p USING (SELECT company_id, id FROM pending_leads WHERE company_id = of_company FOR UPDATE SKIP LOCKED) mine
   WHERE p.company_id = mine.company_id AND p.id = mine.id RETURNING p.pending)
INSERT INTO pending_leads (company_id, pending) SELECT of_company, sum(pending) FROM gone HAVING count(*) > 0
$function$;

CREATE OR REPLACE FUNCTION public.pending_leads_moved()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO pending_leads (company_id, pending) VALUES (NEW.company_id, CASE WHEN lead_is_pending(NEW.status, NEW.pool_status) THEN 1 ELSE -1 END);
  IF random() < 0.02 THEN PERFORM pending_leads_fold(NEW.company_id); END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.pending_leads_recount()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  LOCK TABLE leads IN SHARE ROW EXCLUSIVE MODE;
  DELETE FROM pending_leads;
  INSERT INTO pending_leads (company_id, pending) SELECT company_id, count(*) FROM leads WHERE lead_is_pending(status, pool_status) GROUP BY company_id;
END $function$;
REVOKE EXECUTE ON FUNCTION pending_leads_recount() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pending_leads_recount() TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.pending_leads_removed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO pending_leads (company_id, pending)
  SELECT company_id, -count(*) FROM changed WHERE lead_is_pending(status, pool_status) GROUP BY company_id ORDER BY company_id;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.retry_analysis(of_company text, of_call bigint)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
DECLARE what text[] := retry_call(of_company, of_call);
BEGIN
  IF what IS NULL THEN RETURN 'there is no recorded call ' || of_call || ' of ' || of_company; END IF;
  RETURN coalesce(nullif(array_to_string(what, '; '), ''), 'nothing was given up: nothing to do');
END $function$;
REVOKE EXECUTE ON FUNCTION retry_analysis(of_company text, of_call bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retry_analysis(of_company text, of_call bigint) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.retry_call(of_company text, of_call bigint)
 RETURNS text[]
 LANGUAGE plpgsql
AS $function$
DECLARE what text[] := '{}';
BEGIN
  PERFORM FROM recorded_calls WHERE company_id = of_company AND call_id = of_call AND folded_into IS NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE recordings SET status = 'pending', attempts = 0, error = NULL, cure = NULL, tried_key = NULL, next_at = NULL, created_at = now(), updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND status IN ('unavailable', 'manual_review');
  IF FOUND THEN what := what || 'the recording is fetched again'::text; END IF;
  UPDATE shunya_jobs SET job_status = 'pending', round = round + 1, posted_at = NULL, started_at = NULL, finished_at = NULL, next_retry_at = NULL, reported_at = NULL, link_until = NULL, asks = 0, asked_at = NULL,
         retry_count = 0, refusals = 0, error_message = NULL, updated_at = now()
   WHERE company_id = of_company AND call_id = of_call AND job_status IN ('failed', 'timeout')
     AND NOT (step = 'transcription' AND EXISTS (SELECT FROM call_transcripts WHERE company_id = of_company AND call_id = of_call))
     AND NOT (step = 'analysis' AND EXISTS (SELECT FROM call_analyses WHERE company_id = of_company AND call_id = of_call AND provider <> 'person'));
  IF FOUND THEN what := what || 'the failed step is posted again'::text; END IF;
  IF what = '{}' THEN RETURN what; END IF;
  UPDATE recorded_calls SET paused_since = NULL, paused_why = NULL, paused_cure = NULL WHERE company_id = of_company AND call_id = of_call AND paused_since IS NOT NULL;
  PERFORM otto_want('shunya-orchestrator', of_company, of_call::text, now());
  RETURN what;
END $function$;
REVOKE EXECUTE ON FUNCTION retry_call(of_company text, of_call bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION retry_call(of_company text, of_call bigint) TO otto_maintenance;
GRANT EXECUTE ON FUNCTION retry_call(of_company text, of_call bigint) TO otto_shunya_orchestrator;

CREATE OR REPLACE FUNCTION public.search_found(list text, words text[], whole text, most integer)
 RETURNS text[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_memoize TO 'off'
 SET enable_nestloop TO 'on'
 SET max_parallel_workers_per_gather TO '0'
 SET work_mem TO '16MB'
AS $function$
DECLARE
  few      CONSTANT integer := 1000;   -- rows whose cards are looked up one by one
  cards    CONSTANT integer := 6000;   -- cards whose rows are, which is as much work as to join two long lists
  company  text := otto_request_company();
  calls    boolean := list = 'calls';
  contacts boolean := list = 'contacts';
  tab      text := CASE WHEN contacts THEN 'contact_cards' ELSE list END;
  key      text := CASE WHEN calls THEN 'call_id' ELSE 'id' END;
  kind     text := CASE WHEN calls THEN 'bigint' ELSE 'uuid' END;
  texts    text := CASE WHEN calls THEN 'phone_number, tracking_number, note, tags' ELSE 'search_text' END || CASE WHEN contacts THEN '' ELSE ', contact_card_id' END;
  -- What the index of the list's own texts holds, of which rows it holds it, and all own texts of a row.
  own      text := CASE WHEN calls THEN 'call_search_text(r.phone_number, r.tracking_number, r.note, r.tags)' ELSE 'r.search_text' END;
  held     text := CASE WHEN calls THEN '(r.note IS NOT NULL OR r.tags <> ''{}'' OR r.phone_number NOT LIKE ''+%'' OR r.tracking_number NOT LIKE ''+%'') AND ' ELSE '' END;
  told     text := own || CASE WHEN calls THEN ' || search_number(r.tracking_number)' ELSE '' END;
  card     text := CASE WHEN contacts THEN '' ELSE 'LEFT JOIN LATERAL (SELECT search_text FROM contact_cards WHERE company_id = r.company_id AND id = r.contact_card_id LIMIT 1) k ON true' END;
  of_own   text := format('SELECT r.%I::text FROM %I r WHERE (r.company_id || '''') = $1 AND ', key, tab) || replace(held, '%', '%%') || '%s LIMIT $3';
  of_cards text := format('SELECT r.%I::text FROM contact_cards k CROSS JOIN LATERAL (SELECT %I, %s FROM %I WHERE company_id = k.company_id AND contact_card_id = k.id LIMIT $3) r
                            WHERE (k.company_id || '''') = $1 AND %%s LIMIT $3', key, key, texts, tab);
  part     text := format('FROM %I WHERE company_id = (SELECT $1) AND (created_at, %I) < ($3, $4::%s) ORDER BY created_at DESC, %I DESC', tab, key, kind, key);
  along    text := format('SELECT ARRAY(SELECT r.%I::text FROM (SELECT company_id, %I, %s %s LIMIT $5) r %s WHERE %s LIKE ALL ($2))', key, key, texts, part, card,
                          CASE WHEN contacts THEN 'r.search_text' WHEN calls THEN 'k.search_text' ELSE '(r.search_text || coalesce(k.search_text, ''''))' END);
  numbers  text[] := '{}';
  common   text[] := words[9:];
  chunk    integer := 40;
  hits     integer;  ids text[] := '{}';  near text[];  word text;
  zero     CONSTANT text := CASE WHEN calls THEN '0' ELSE '00000000-0000-0000-0000-000000000000' END;
  at       timestamptz := 'infinity';  last text := zero;
BEGIN
  WHILE last IS NOT NULL LOOP
    EXECUTE along INTO near USING company, words, at, last, chunk;
    ids := ids || near;
    IF cardinality(ids) >= most THEN RETURN ids[:most]; END IF;
    EXECUTE format('SELECT created_at, %I::text AS last %s OFFSET $5 - 1 LIMIT 1', key, part) INTO at, last USING company, words, at, last, chunk;
    EXIT WHEN last IS NOT NULL AND cardinality(near) < chunk * 0.7;
    chunk := CASE chunk WHEN 40 THEN 400 ELSE 1500 END;
  END LOOP;
  -- The whole list was looked at; of calls not all that is searched.
  IF last IS NULL AND NOT calls THEN RETURN ids; END IF;
  ids := '{}';
  IF contacts THEN
    EXECUTE format('SELECT ARRAY(%s)', format(of_own, search_holds(own, words, ' AND '))) INTO ids USING company, words, most;
    RETURN ids;
  END IF;
  IF calls THEN
    IF EXISTS (SELECT FROM unnest(words) w WHERE w ~ '[0-9]') THEN
      numbers := ARRAY(WITH RECURSIVE each_one (number) AS (
        (SELECT left(c.tracking_number, 20) FROM calls c WHERE (c.company_id || '') = company ORDER BY left(c.tracking_number, 20) LIMIT 1) UNION ALL
        SELECT (SELECT left(c.tracking_number, 20) FROM calls c WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) > e.number ORDER BY left(c.tracking_number, 20) LIMIT 1)
          FROM each_one e WHERE e.number IS NOT NULL)
        SELECT e.number FROM each_one e WHERE EXISTS (SELECT FROM unnest(words) w WHERE search_number(e.number) LIKE w));
    END IF;
    ids := ARRAY(SELECT c.call_id::text FROM calls c WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) = ANY (ARRAY(SELECT n FROM unnest(numbers) n WHERE search_number(n) LIKE ALL (words))) LIMIT most);
    ids := ARRAY(SELECT unnest(ids) UNION
                 SELECT c.call_id::text FROM calls c WHERE c.company_id = company AND c.provider IN ('callrail', 'twilio') AND c.provider_call_id = whole LIMIT most);
    IF cardinality(ids) >= most THEN RETURN ids; END IF;
  END IF;
  IF cardinality(words) = 1 THEN
    EXECUTE format('SELECT ARRAY(%s)', format(of_cards, search_holds('k.search_text', words, ''))) INTO near USING company, words, most;
    IF cardinality(near) >= most THEN RETURN near; END IF;
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION SELECT unnest($5) UNION (%s) LIMIT $3)', format(of_own, search_holds(own, words, ''))) INTO ids USING company, words, most, ids, near;
    RETURN ids;
  END IF;

  -- Some words here, some there: what is found from one of them counts if it holds all.
  FOREACH word IN ARRAY words[:8] LOOP
    EXECUTE format('SELECT ARRAY(%s)', format(of_own, search_holds(own, ARRAY[word], ''))) INTO near USING company, words, few + 1;
    IF numbers <> '{}' AND cardinality(near) <= few THEN
      near := near || ARRAY(SELECT c.call_id::text FROM calls c
                             WHERE (c.company_id || '') = company AND left(c.tracking_number, 20) = ANY (ARRAY(SELECT n FROM unnest(numbers) n WHERE search_number(n) LIKE word)) LIMIT few + 1);
    END IF;
    IF cardinality(near) > few THEN
      common := common || word;
    ELSIF near <> '{}' THEN
      EXECUTE format('SELECT ARRAY(SELECT unnest($3) UNION SELECT r.%I::text FROM %I r %s WHERE r.company_id = $1 AND r.%I = ANY ($4::%s[]) AND (%s || coalesce(k.search_text, '''')) LIKE ALL ($2))',
                     key, tab, card, key, kind, told)
        INTO ids USING company, words, ids, near;
    END IF;
  END LOOP;
  -- What is not found yet holds none of the rare words itself, so its card holds them all.
  near := ARRAY(SELECT w FROM unnest(words) w WHERE w <> ALL (common));
  IF common = '{}' THEN
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_cards, search_holds('k.search_text', words, ' AND '))) INTO ids USING company, words, most, ids;
    RETURN ids;
  END IF;
  -- Without a rare word it holds all itself, or its card holds one of them, or a note and the called number hold all.
  word := CASE near WHEN '{}' THEN search_holds('k.search_text', words, ' OR ') ELSE search_holds('k.search_text', near, ' AND ') END;
  IF near = '{}' THEN
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)',
                   format(of_own, CASE numbers WHEN '{}' THEN search_holds(own, words, ' AND ') ELSE format('%s AND (%s) LIKE ALL ($2)', search_holds(own, words, ' OR '), told) END))
      INTO ids USING company, words, most, ids;
    IF cardinality(ids) >= most THEN RETURN ids; END IF;
  END IF;
  EXECUTE format('SELECT count(*) FROM (SELECT FROM contact_cards k WHERE (k.company_id || '''') = $1 AND %s LIMIT $2) x', word) INTO hits USING company, cards + 1;
  IF hits > cards AND numbers = '{}' THEN
    -- There are many such cards. But a row holds a common word itself, unless its card holds all. Where fewer than a quarter of the newest rows have such a card, all of them are gathered and joined: a card
    -- that is looked up for each row costs six times one that is gathered.
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_cards, search_holds('k.search_text', words, ' AND '))) INTO ids USING company, words, most, ids;
    IF cardinality(ids) >= most THEN RETURN ids; END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT company_id, contact_card_id %s LIMIT $5) r JOIN contact_cards k ON k.company_id = r.company_id AND k.id = r.contact_card_id WHERE %s', part, word)
      INTO hits USING company, words, 'infinity'::timestamptz, zero, 400;
    IF hits < 100 THEN PERFORM set_config('enable_nestloop', 'off', true); END IF;
    EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (SELECT r.%I::text FROM %I r JOIN contact_cards k ON k.company_id = r.company_id AND k.id = r.contact_card_id
                     WHERE (r.company_id || '''') = $1 AND (k.company_id || '''') = $1 AND %s %s AND %s AND (%s || k.search_text) LIKE ALL ($2) LIMIT $3) LIMIT $3)',
                   key, tab, held, search_holds(own, common, ' OR '), word, told)
      INTO ids USING company, words, most, ids;
    RETURN ids;
  END IF;
  EXECUTE format('SELECT ARRAY(SELECT unnest($4) UNION (%s) LIMIT $3)', format(of_cards, format('%s AND (%s || k.search_text) LIKE ALL ($2)', word, told))) INTO ids USING company, words, most, ids;
  RETURN ids;
END $function$;
ALTER FUNCTION search_found(list text, words text[], whole text, most integer) OWNER TO otto_search;
REVOKE EXECUTE ON FUNCTION search_found(list text, words text[], whole text, most integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_found(list text, words text[], whole text, most integer) TO otto_query_service;

CREATE OR REPLACE FUNCTION public.search_holds(told text, words text[], how text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ SELECT '(' || string_agg(format('%s LIKE %L', told, word), how) || ')' FROM unnest(words) word $function$;

CREATE OR REPLACE FUNCTION public.search_number(number text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$ SELECT CASE WHEN number LIKE '+1%' THEN ' ' || substr(number, 2) || ' ' || substr(number, 3) WHEN number LIKE '+%' THEN ' ' || substr(number, 2) ELSE public.search_words(left(number, 200)) END $function$;

CREATE OR REPLACE FUNCTION public.search_words(said text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
AS $function$
DECLARE
  words text := ' ' || public.otto_fold(left(said, 4000));
BEGIN
  IF words ~ E'[\n\r\t''`]' THEN
    words := translate(words, E'\n\r\t''`', '   ');
  END IF;
  IF words ~ '[0-9][-. ()/]+[0-9]' THEN
    words := words || regexp_replace(words, '([0-9])[-. ()/]+(?=[0-9])', '\1', 'g');
  END IF;
  RETURN coalesce(words, '');
END $function$;

CREATE OR REPLACE FUNCTION public.taken_messages(provider_name text, names text[])
 RETURNS SETOF text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
  SELECT provider_call_id FROM provider_calls WHERE provider = provider_name AND provider_call_id = ANY (names)
  UNION
  SELECT name FROM held_events, unnest(concerns) AS name WHERE released_at IS NULL AND provider = provider_name AND concerns && names AND name = ANY (names)
$function$;
REVOKE EXECUTE ON FUNCTION taken_messages(provider_name text, names text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION taken_messages(provider_name text, names text[]) TO otto_company_service;
GRANT EXECUTE ON FUNCTION taken_messages(provider_name text, names text[]) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.task_is_overdue(status text, due_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$ SELECT status = 'overdue' OR (status = 'open' AND due_at IS NOT NULL AND due_at < now()) $function$;

CREATE OR REPLACE FUNCTION public.tasks_due()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF TG_OP <> 'DELETE' AND NEW.status = 'open' AND NEW.due_at IS NOT NULL THEN
    PERFORM otto_want('lead-pipeline/overdue-tasks', NEW.company_id, NEW.id::text, NEW.due_at);
  ELSE
    PERFORM otto_unwant('lead-pipeline/overdue-tasks', OLD.company_id, OLD.id::text);
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION public.twilio_claimants(account_sid text, but_company text)
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$ SELECT count(*) FROM companies WHERE twilio_account_sid = account_sid AND id <> but_company $function$;
ALTER FUNCTION twilio_claimants(account_sid text, but_company text) OWNER TO otto_numbers;
REVOKE EXECUTE ON FUNCTION twilio_claimants(account_sid text, but_company text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION twilio_claimants(account_sid text, but_company text) TO otto_company_service;
GRANT EXECUTE ON FUNCTION twilio_claimants(account_sid text, but_company text) TO otto_maintenance;

CREATE OR REPLACE FUNCTION public.user_phone_numbers_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE number text := e164(NEW.phone_number);
BEGIN
  IF number IS NULL THEN RAISE EXCEPTION 'phone_number "%" is no callable number', NEW.phone_number USING HINT = 'write it in E.164: +15551234567'; END IF;
  INSERT INTO company_numbers (company_id, id, e164, provider, provider_sid, user_id, is_active, voicemail_enabled, valid_from)
  VALUES (NEW.workspace_id, coalesce(NEW.id, gen_random_uuid()), number, 'twilio', NEW.twilio_phone_sid, NEW.user_id,
          coalesce(NEW.is_active, true), coalesce(NEW.voicemail_enabled, true), number_free_since(number))
  RETURNING id, created_at, updated_at INTO NEW.id, NEW.created_at, NEW.updated_at;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION public.zone_or_utc(zone text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN coalesce(zone, 'UTC');
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN 'UTC';
END $function$;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE analysis_corrections_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE audit_log_id_seq TO otto_maintenance;

CREATE SEQUENCE call_id_seq;
GRANT USAGE ON SEQUENCE call_id_seq TO otto_lead_pipeline;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE call_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE list_totals_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE operator_actions_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE outbox_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE parked_id_seq TO otto_maintenance;
GRANT SELECT, UPDATE, USAGE ON SEQUENCE pending_leads_id_seq TO otto_maintenance;

CREATE TABLE analysis_corrections (
  company_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  call_id bigint NOT NULL,
  field text NOT NULL,
  value text,
  former_value text,
  user_id text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT analysis_corrections_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT analysis_corrections_field_check CHECK (field = ANY (ARRAY['booking_status'::text, 'lead_quality'::text, 'call_outcome_category'::text, 'summary'::text, 'appointment_date'::text, 'service_type'::text, 'address'::text]))
);
CREATE INDEX analysis_corrections_call ON analysis_corrections USING btree (company_id, call_id, id);
ALTER TABLE analysis_corrections ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON analysis_corrections TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON analysis_corrections TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON analysis_corrections TO otto_maintenance;
GRANT SELECT ON analysis_corrections TO otto_query_service;
GRANT INSERT, SELECT ON analysis_corrections TO otto_shunya_orchestrator;
GRANT UPDATE (call_id) ON analysis_corrections TO otto_shunya_orchestrator;
CREATE TRIGGER call_facts_on_correction AFTER INSERT OR DELETE OR UPDATE ON analysis_corrections FOR EACH ROW EXECUTE FUNCTION call_facts_on_analysis();

CREATE TABLE appointment_verdicts (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  version bigint NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  folded_into bigint,
  lead_id uuid,
  started_at timestamp with time zone,
  booked boolean,
  starts_at timestamp with time zone,
  remark text,
  location_address text,
  service_type text,
  appointment_type text,
  said_version bigint,
  CONSTRAINT appointment_verdicts_pkey PRIMARY KEY (company_id, call_id)
);
CREATE INDEX appointment_verdicts_lead ON appointment_verdicts USING btree (company_id, lead_id) WHERE lead_id IS NOT NULL;
ALTER TABLE appointment_verdicts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON appointment_verdicts TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON appointment_verdicts TO otto_appointment_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON appointment_verdicts TO otto_maintenance;

CREATE TABLE appointments (
  company_id text NOT NULL,
  id uuid NOT NULL,
  lead_id uuid NOT NULL,
  contact_card_id uuid NOT NULL,
  call_id bigint,
  scheduled_start timestamp with time zone,
  scheduled_end timestamp with time zone,
  status text DEFAULT 'scheduled'::text NOT NULL,
  outcome text DEFAULT 'pending'::text NOT NULL,
  location_address text,
  service_type text,
  appointment_type text,
  assigned_rep_id text,
  needs_time boolean DEFAULT false NOT NULL,
  deal_size_cents bigint,
  notes text,
  touched_by text,
  touched_at timestamp with time zone,
  analysis_version bigint DEFAULT 0 NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  search_text text GENERATED ALWAYS AS (search_words(((((COALESCE("left"(location_address, 400), ''::text) || ' '::text) || COALESCE("left"(service_type, 200), ''::text)) || ' '::text) || COALESCE("left"(notes, 3000), ''::text)))) STORED NOT NULL,
  moved_from timestamp with time zone,
  moved_at timestamp with time zone,
  moved_by_call bigint,
  CONSTRAINT appointments_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT appointments_check CHECK (needs_time = (scheduled_start IS NULL)),
  CONSTRAINT appointments_check1 CHECK (scheduled_end IS NULL OR scheduled_end > scheduled_start),
  CONSTRAINT appointments_outcome_check CHECK (outcome = ANY (ARRAY['pending'::text, 'won'::text, 'lost'::text, 'no_show'::text, 'rescheduled'::text])),
  CONSTRAINT appointments_status_check CHECK (status = ANY (ARRAY['scheduled'::text, 'confirmed'::text, 'completed'::text, 'cancelled'::text, 'no_show'::text]))
);
CREATE UNIQUE INDEX appointments_call ON appointments USING btree (company_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX appointments_contact ON appointments USING btree (company_id, contact_card_id);
CREATE INDEX appointments_lead ON appointments USING btree (company_id, lead_id);
CREATE INDEX appointments_list ON appointments USING btree (company_id, created_at DESC, id DESC);
CREATE INDEX appointments_planned ON appointments USING btree (company_id, COALESCE(scheduled_start, created_at) DESC, id DESC);
CREATE INDEX appointments_rep ON appointments USING btree (company_id, assigned_rep_id, scheduled_start);
CREATE INDEX appointments_search ON appointments USING gin ((company_id || ''::text), search_text gin_trgm_ops) WITH (gin_pending_list_limit='256');
CREATE INDEX appointments_start ON appointments USING btree (company_id, scheduled_start, id);
ALTER TABLE appointments ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON appointments TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON appointments TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY task_appointments ON appointments FOR SELECT TO otto_lead_pipeline USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON appointments TO otto_appointment_service;
GRANT SELECT (company_id, id, assigned_rep_id) ON appointments TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON appointments TO otto_maintenance;
GRANT SELECT ON appointments TO otto_query_service;
GRANT SELECT (company_id, id, contact_card_id, created_at, search_text) ON appointments TO otto_search;

CREATE TABLE audit_log (
  company_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  user_id text,
  action text NOT NULL,
  target text NOT NULL,
  detail jsonb DEFAULT '{}'::jsonb NOT NULL,
  actor text DEFAULT 'user'::text NOT NULL,
  client_address text,
  request_id text,
  before jsonb,
  after jsonb,
  CONSTRAINT audit_log_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT audit_log_actor_check CHECK (actor = ANY (ARRAY['user'::text, 'operator'::text, 'system'::text, 'clerk'::text])) NOT VALID,
  CONSTRAINT audit_log_somebody CHECK (user_id IS NOT NULL OR (actor = ANY (ARRAY['system'::text, 'clerk'::text]))) NOT VALID
);
CREATE INDEX audit_log_list ON audit_log USING btree (company_id, at DESC, id DESC);
CREATE INDEX audit_log_target ON audit_log USING btree (company_id, target, at DESC, id DESC);
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY added_to ON audit_log FOR INSERT TO otto_appointment_service, otto_company_service, otto_lead_pipeline, otto_shunya_orchestrator WITH CHECK (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON audit_log FOR SELECT TO otto_query_service USING ((company_id = otto_request_company()));
GRANT INSERT ON audit_log TO otto_appointment_service;
GRANT INSERT ON audit_log TO otto_company_service;
GRANT INSERT ON audit_log TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON audit_log TO otto_maintenance;
GRANT SELECT ON audit_log TO otto_query_service;
GRANT INSERT ON audit_log TO otto_shunya_orchestrator;

CREATE TABLE background_steps (
  version text NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  cursor text[],
  rows_done bigint DEFAULT 0 NOT NULL,
  rows_total bigint DEFAULT 0 NOT NULL,
  started_at timestamp with time zone DEFAULT now() NOT NULL,
  changed_at timestamp with time zone DEFAULT now() NOT NULL,
  finished_at timestamp with time zone,
  error text DEFAULT ''::text NOT NULL,
  CONSTRAINT background_steps_pkey PRIMARY KEY (version)
);
GRANT SELECT ON background_steps TO PUBLIC;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON background_steps TO otto_maintenance;

CREATE TABLE budgets (
  consumer text NOT NULL,
  name text NOT NULL,
  per_ms bigint NOT NULL,
  remaining double precision NOT NULL,
  at timestamp with time zone NOT NULL,
  CONSTRAINT budgets_pkey PRIMARY KEY (consumer, name, per_ms)
);
ALTER TABLE budgets SET (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
CREATE INDEX budgets_at ON budgets USING btree (at);
ALTER TABLE budgets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON budgets TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON budgets TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON budgets TO otto_workflow_service;

CREATE TABLE call_aliases (
  company_id text NOT NULL,
  provider text NOT NULL,
  alias text NOT NULL,
  call_id bigint NOT NULL,
  CONSTRAINT call_aliases_pkey PRIMARY KEY (company_id, provider, alias)
);
CREATE INDEX call_aliases_call ON call_aliases USING btree (company_id, call_id);
ALTER TABLE call_aliases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_aliases TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON call_aliases TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY swept_company ON call_aliases FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT ON call_aliases TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON call_aliases TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_aliases TO otto_maintenance;
GRANT SELECT ON call_aliases TO otto_query_service;

CREATE TABLE call_analyses (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  booking_status text,
  lead_quality text,
  call_outcome_category text,
  objections jsonb DEFAULT '[]'::jsonb NOT NULL,
  sop_compliance_score double precision,
  sentiment_score double precision,
  entities jsonb DEFAULT '{}'::jsonb NOT NULL,
  summary text,
  provider text DEFAULT 'shunya'::text NOT NULL,
  model_version text,
  raw jsonb NOT NULL,
  unknown_values text[] DEFAULT '{}'::text[] NOT NULL,
  received_at timestamp with time zone NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  machine_values jsonb DEFAULT '{}'::jsonb NOT NULL,
  CONSTRAINT call_analyses_pkey PRIMARY KEY (company_id, call_id)
);
ALTER TABLE call_analyses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_analyses TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON call_analyses TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY words_of_voicemails ON call_analyses FOR SELECT TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT SELECT (company_id, call_id, summary) ON call_analyses TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_analyses TO otto_maintenance;
GRANT SELECT ON call_analyses TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON call_analyses TO otto_shunya_orchestrator;
CREATE TRIGGER call_facts_on_analysis AFTER INSERT OR DELETE OR UPDATE ON call_analyses FOR EACH ROW EXECUTE FUNCTION call_facts_on_analysis();

CREATE TABLE call_facts (
  happened_at timestamp with time zone NOT NULL,
  call_id bigint NOT NULL,
  lead_id uuid NOT NULL,
  kind smallint GENERATED ALWAYS AS (((((((missed)::integer + (2 * (answered)::integer)) + (4 * (analysed)::integer)) +
CASE
    WHEN (lead_quality = ANY (ARRAY['hot'::text, 'warm'::text, 'cold'::text])) THEN 8
    ELSE 0
END) +
CASE booking_status
    WHEN 'booked'::text THEN 16
    WHEN 'not_booked'::text THEN 32
    WHEN 'service_not_offered'::text THEN 48
    ELSE 0
END))::smallint) STORED NOT NULL,
  lead_state smallint DEFAULT 0 NOT NULL,
  objection_count smallint DEFAULT 0 NOT NULL,
  inbound boolean NOT NULL,
  missed boolean NOT NULL,
  answered boolean NOT NULL,
  analysed boolean DEFAULT false NOT NULL,
  sop_compliance_score double precision,
  sentiment_score double precision,
  owner_id text,
  reasons text GENERATED ALWAYS AS (
CASE
    WHEN ((booking_status = 'not_booked'::text) AND (lead_quality = ANY (ARRAY['hot'::text, 'warm'::text, 'cold'::text]))) THEN objections
    ELSE NULL::text
END) STORED,
  objections text,
  company_id text NOT NULL,
  booking_status text,
  lead_quality text,
  unanswered text,
  outcome text,
  CONSTRAINT call_facts_pkey PRIMARY KEY (company_id, call_id)
);
ALTER TABLE call_facts SET (fillfactor=80);
CREATE INDEX call_facts_happened ON call_facts USING btree (company_id, happened_at, call_id) WHERE inbound;
CREATE INDEX call_facts_missed ON call_facts USING btree (company_id, happened_at) INCLUDE (lead_id, lead_state) WHERE inbound AND missed;
CREATE INDEX call_facts_unanswered ON call_facts USING btree (company_id, unanswered, happened_at, call_id) WHERE unanswered IS NOT NULL;
ALTER TABLE call_facts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_facts TO otto_lead_pipeline, otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON call_facts TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON call_facts TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_facts TO otto_maintenance;
GRANT SELECT ON call_facts TO otto_query_service;
GRANT SELECT, UPDATE ON call_facts TO otto_shunya_orchestrator;

CREATE TABLE call_transcripts (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  transcript_text text NOT NULL,
  speaker_labels jsonb DEFAULT '[]'::jsonb NOT NULL,
  confidence_score double precision,
  language text,
  word_count integer,
  received_at timestamp with time zone NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT call_transcripts_pkey PRIMARY KEY (company_id, call_id)
);
ALTER TABLE call_transcripts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_transcripts TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON call_transcripts TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY words_of_voicemails ON call_transcripts FOR SELECT TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT SELECT (company_id, call_id, transcript_text) ON call_transcripts TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_transcripts TO otto_maintenance;
GRANT SELECT ON call_transcripts TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON call_transcripts TO otto_shunya_orchestrator;

CREATE TABLE call_verdicts (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  lead_id uuid NOT NULL,
  booking_status text,
  lead_quality text,
  call_outcome_category text,
  call_started_at timestamp with time zone NOT NULL,
  received_at timestamp with time zone NOT NULL,
  version bigint NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT call_verdicts_pkey PRIMARY KEY (company_id, call_id)
);
CREATE INDEX call_verdicts_lead ON call_verdicts USING btree (company_id, lead_id);
ALTER TABLE call_verdicts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON call_verdicts TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON call_verdicts TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON call_verdicts TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_verdicts TO otto_maintenance;
GRANT SELECT ON call_verdicts TO otto_query_service;

CREATE TABLE callrail_sweeps (
  company_id text NOT NULL,
  account_id text DEFAULT ''::text NOT NULL,
  watermark timestamp with time zone,
  asked_at timestamp with time zone,
  not_before timestamp with time zone,
  hour timestamp with time zone,
  requests integer DEFAULT 0 NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  pages integer DEFAULT 0 NOT NULL,
  seen integer DEFAULT 0 NOT NULL,
  missing integer DEFAULT 0 NOT NULL,
  early integer DEFAULT 0 NOT NULL,
  differing integer DEFAULT 0 NOT NULL,
  unowned integer DEFAULT 0 NOT NULL,
  error text,
  missing_total bigint DEFAULT 0 NOT NULL,
  differing_total bigint DEFAULT 0 NOT NULL,
  CONSTRAINT callrail_sweeps_pkey PRIMARY KEY (company_id)
);
ALTER TABLE callrail_sweeps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_company ON callrail_sweeps TO otto_company_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON callrail_sweeps TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON callrail_sweeps TO otto_maintenance;

CREATE TABLE calls (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  provider text NOT NULL,
  provider_call_id text NOT NULL,
  phone_number text,
  tracking_number text,
  direction text NOT NULL,
  status text NOT NULL,
  missed_call boolean NOT NULL,
  answered boolean NOT NULL,
  duration integer,
  recording_url text,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  contact_card_id uuid NOT NULL,
  lead_id uuid NOT NULL,
  owner_id text,
  source text,
  campaign text,
  keywords text,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  note text,
  value text,
  lead_status text,
  first_call boolean,
  received_at timestamp with time zone NOT NULL,
  merge_state text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  traceparent text,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  happened_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(started_at, created_at)) STORED,
  consent_notice_sha256 text,
  consent_notice_played boolean,
  CONSTRAINT calls_pkey PRIMARY KEY (company_id, call_id),
  CONSTRAINT calls_company_id_contact_card_id_fkey FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards(company_id, id),
  CONSTRAINT calls_company_id_lead_id_fkey FOREIGN KEY (company_id, lead_id) REFERENCES leads(company_id, id),
  CONSTRAINT calls_company_id_provider_provider_call_id_key UNIQUE (company_id, provider, provider_call_id),
  CONSTRAINT calls_direction_check CHECK (direction = ANY (ARRAY['inbound'::text, 'outbound'::text])),
  CONSTRAINT calls_status_check CHECK (status = ANY (ARRAY['ringing'::text, 'in_progress'::text, 'completed'::text, 'missed'::text, 'voicemail'::text, 'failed'::text]))
);
CREATE INDEX calls_contact ON calls USING btree (company_id, contact_card_id);
CREATE INDEX calls_happened ON calls USING btree (company_id, happened_at DESC, call_id DESC);
CREATE INDEX calls_lead ON calls USING btree (company_id, lead_id);
CREATE INDEX calls_list ON calls USING btree (company_id, created_at DESC, call_id DESC);
CREATE INDEX calls_outbound ON calls USING btree (company_id, lead_id, happened_at) WHERE direction = 'outbound'::text;
CREATE INDEX calls_phone ON calls USING btree (company_id, phone_number);
CREATE INDEX calls_search ON calls USING gin ((company_id || ''::text), call_search_text(phone_number, tracking_number, note, tags) gin_trgm_ops) WITH (gin_pending_list_limit='256') WHERE note IS NOT NULL OR tags <> '{}'::text[] OR phone_number !~~ '+%'::text OR tracking_number !~~ '+%'::text;
CREATE INDEX calls_tracking ON calls USING btree ((company_id || ''::text), "left"(tracking_number, 20));
ALTER TABLE calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointments_look ON calls FOR SELECT TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY batch_companies ON calls TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON calls TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY state_of_a_call ON calls FOR SELECT TO otto_shunya_orchestrator USING ((company_id = otto_request_company()));
CREATE POLICY swept_company ON calls FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, call_id, contact_card_id, lead_id) ON calls TO otto_appointment_service;
GRANT SELECT (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, status, duration, recording_url, started_at, owner_id) ON calls TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON calls TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON calls TO otto_maintenance;
GRANT SELECT ON calls TO otto_query_service;
GRANT SELECT (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, contact_card_id, tags, note, created_at) ON calls TO otto_search;
GRANT SELECT (company_id, call_id, provider, status, recording_url, ended_at, happened_at) ON calls TO otto_shunya_orchestrator;
CREATE TRIGGER call_facts_added AFTER INSERT ON calls REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_added();
CREATE TRIGGER call_facts_changed AFTER UPDATE ON calls REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_changed();
CREATE TRIGGER call_facts_removed AFTER DELETE ON calls REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION call_facts_removed();
CREATE TRIGGER list_totals_added AFTER INSERT ON calls REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();
CREATE TRIGGER list_totals_removed AFTER DELETE ON calls REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();

CREATE TABLE clerk_events (
  svix_id text NOT NULL,
  type text NOT NULL,
  taken_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT clerk_events_pkey PRIMARY KEY (svix_id)
);
CREATE INDEX clerk_events_taken_at ON clerk_events USING btree (taken_at);
GRANT DELETE, INSERT, SELECT ON clerk_events TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON clerk_events TO otto_maintenance;

CREATE TABLE clerk_tombstones (
  kind text NOT NULL,
  id text NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT clerk_tombstones_pkey PRIMARY KEY (kind, id),
  CONSTRAINT clerk_tombstones_kind_check CHECK (kind = ANY (ARRAY['organization'::text, 'invitation'::text]))
);
CREATE INDEX clerk_tombstones_at ON clerk_tombstones USING btree (at);
GRANT DELETE, INSERT, SELECT ON clerk_tombstones TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON clerk_tombstones TO otto_maintenance;

CREATE TABLE clerk_users (
  id text NOT NULL,
  email text,
  name text,
  updated_at bigint NOT NULL,
  gone boolean DEFAULT false NOT NULL,
  CONSTRAINT clerk_users_pkey PRIMARY KEY (id)
);
ALTER TABLE clerk_users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY judged ON clerk_users TO otto_numbers USING (true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON clerk_users TO otto_maintenance;
GRANT INSERT, SELECT, UPDATE ON clerk_users TO otto_numbers;

CREATE TABLE companies (
  id text NOT NULL,
  name text NOT NULL,
  phone_number text,
  primary_tracking_number text,
  address text,
  timezone text DEFAULT 'America/New_York'::text NOT NULL,
  call_provider text DEFAULT 'callrail'::text NOT NULL,
  callrail_account_id text,
  callrail_company_id text,
  callrail_api_key text,
  callrail_api_key_last4 text,
  callrail_signing_key text,
  callrail_signing_key_last4 text,
  callrail_signing_key_explicit boolean DEFAULT false NOT NULL,
  callrail_signing_key_former text,
  callrail_signing_key_former_until timestamp with time zone,
  twilio_account_sid text,
  twilio_auth_token text,
  twilio_auth_token_last4 text,
  onboarding_step text DEFAULT 'company_created'::text NOT NULL,
  onboarding_completed boolean DEFAULT false NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  service_area jsonb,
  call_flow jsonb,
  workflow_config jsonb,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  callrail_signing_key_former_explicit boolean DEFAULT true NOT NULL,
  callrail_problem text,
  callrail_problem_cure text,
  held_limited boolean DEFAULT false NOT NULL,
  twilio_auth_token_former text,
  twilio_auth_token_former_until timestamp with time zone,
  twilio_problem text,
  twilio_problem_cure text,
  clerk_name text,
  clerk_updated_at bigint DEFAULT 0 NOT NULL,
  CONSTRAINT companies_pkey PRIMARY KEY (id),
  CONSTRAINT companies_call_provider_check CHECK (call_provider = ANY (ARRAY['callrail'::text, 'twilio'::text])),
  CONSTRAINT companies_callrail_account_id CHECK (callrail_account_id ~ '^[A-Za-z0-9_-]+$'::text),
  CONSTRAINT companies_callrail_company_id CHECK (callrail_company_id ~ '^[A-Za-z0-9_-]+$'::text),
  CONSTRAINT companies_id_check CHECK (id <> ''::text AND id !~ '[,\s]'::text),
  CONSTRAINT companies_status_check CHECK (status = ANY (ARRAY['active'::text, 'suspended'::text])),
  CONSTRAINT companies_twilio_account_sid CHECK (twilio_account_sid ~ '^AC[0-9a-f]{32}$'::text) NOT VALID
);
CREATE INDEX companies_callrail_account_id ON companies USING btree (callrail_account_id) WHERE callrail_account_id IS NOT NULL;
CREATE INDEX companies_callrail_company_id ON companies USING btree (callrail_company_id) WHERE callrail_company_id IS NOT NULL;
CREATE INDEX companies_held_limited ON companies USING btree (id) WHERE held_limited;
CREATE INDEX companies_twilio_account_sid ON companies USING btree (twilio_account_sid) WHERE twilio_account_sid IS NOT NULL;
ALTER TABLE companies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON companies FOR SELECT TO otto_lead_pipeline USING ((POSITION((((','::text || id) || ','::text)) IN (((','::text || current_setting('otto.company_ids'::text, true)) || ','::text))) > 0));
CREATE POLICY judged ON companies TO otto_numbers USING (true);
CREATE POLICY one_company ON companies TO otto_company_service, otto_query_service USING ((id = otto_request_company()));
CREATE POLICY status_of_own ON companies FOR SELECT TO otto_appointment_service, otto_shunya_orchestrator USING ((id = otto_request_company()));
GRANT SELECT (id, status) ON companies TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON companies TO otto_company_service;
GRANT SELECT (id, timezone, status) ON companies TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON companies TO otto_maintenance;
GRANT SELECT (id, phone_number, primary_tracking_number, call_provider, callrail_account_id, callrail_company_id, twilio_account_sid, status, held_limited) ON companies TO otto_numbers;
GRANT UPDATE (phone_number, primary_tracking_number, held_limited) ON companies TO otto_numbers;
GRANT SELECT (id, name, phone_number, primary_tracking_number, address, timezone, call_provider, callrail_account_id, callrail_company_id, callrail_api_key_last4, callrail_signing_key_last4, callrail_signing_key_explicit, callrail_signing_key_former_until, twilio_account_sid, twilio_auth_token_last4, onboarding_step, onboarding_completed, status, service_area, call_flow, workflow_config, created_at, updated_at, callrail_problem, callrail_problem_cure, held_limited, twilio_auth_token_former_until, twilio_problem, twilio_problem_cure) ON companies TO otto_query_service;
GRANT SELECT (id, status) ON companies TO otto_shunya_orchestrator;
CREATE TRIGGER companies_check_callrail AFTER UPDATE OF callrail_api_key, callrail_account_id, callrail_company_id ON companies FOR EACH ROW WHEN (new.callrail_api_key IS DISTINCT FROM old.callrail_api_key OR new.callrail_account_id IS DISTINCT FROM old.callrail_account_id OR new.callrail_company_id IS DISTINCT FROM old.callrail_company_id) EXECUTE FUNCTION companies_check();
CREATE TRIGGER companies_check_new AFTER INSERT ON companies FOR EACH ROW EXECUTE FUNCTION companies_check();
CREATE TRIGGER companies_check_twilio AFTER UPDATE OF twilio_auth_token, twilio_account_sid ON companies FOR EACH ROW WHEN (new.twilio_auth_token IS DISTINCT FROM old.twilio_auth_token OR new.twilio_account_sid IS DISTINCT FROM old.twilio_account_sid) EXECUTE FUNCTION companies_check();
CREATE TRIGGER companies_keep_numbers AFTER INSERT OR UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION companies_keep_numbers();
CREATE TRIGGER companies_status_on_record AFTER UPDATE OF status ON companies FOR EACH ROW WHEN (old.status IS DISTINCT FROM new.status) EXECUTE FUNCTION companies_status_on_record();
CREATE TRIGGER companies_time_zone_new BEFORE INSERT ON companies FOR EACH ROW EXECUTE FUNCTION companies_time_zone();
CREATE TRIGGER companies_time_zone_other BEFORE UPDATE OF timezone ON companies FOR EACH ROW WHEN (new.timezone IS DISTINCT FROM old.timezone) EXECUTE FUNCTION companies_time_zone();
CREATE TRIGGER companies_touch BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION otto_touch();

CREATE TABLE company_creations (
  user_id text NOT NULL,
  at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE INDEX company_creations_at ON company_creations USING btree (at);
CREATE INDEX company_creations_user ON company_creations USING btree (user_id, at);
GRANT DELETE, INSERT, SELECT ON company_creations TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON company_creations TO otto_maintenance;

CREATE TABLE company_numbers (
  company_id text NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  e164 text NOT NULL,
  purposes text[] DEFAULT '{voice,text}'::text[] NOT NULL,
  provider text DEFAULT 'callrail'::text NOT NULL,
  provider_sid text,
  user_id text,
  is_active boolean DEFAULT true NOT NULL,
  voicemail_enabled boolean DEFAULT true NOT NULL,
  from_company boolean DEFAULT false NOT NULL,
  valid_from timestamp with time zone NOT NULL,
  valid_to timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  standing text DEFAULT 'unproven'::text NOT NULL,
  ended_note text,
  kept_note text,
  from_given boolean DEFAULT false NOT NULL,
  webhooks_problem text,
  webhooks_problem_cure text,
  webhooks_former jsonb,
  CONSTRAINT company_numbers_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT company_numbers_callable CHECK (valid_to IS NOT NULL OR NOT e164(e164) IS DISTINCT FROM e164),
  CONSTRAINT company_numbers_check CHECK (valid_to IS NULL OR valid_to >= valid_from),
  CONSTRAINT company_numbers_provider_check CHECK (provider = ANY (ARRAY['callrail'::text, 'twilio'::text])),
  CONSTRAINT company_numbers_purposes_check CHECK (purposes <@ '{voice,text}'::text[] AND cardinality(purposes) > 0),
  CONSTRAINT company_numbers_standing_check CHECK (standing = ANY (ARRAY['unproven'::text, 'proven'::text, 'final'::text])),
  CONSTRAINT company_numbers_text_owner EXCLUDE USING gist (e164 WITH =, tstzrange(valid_from, valid_to) WITH &&) WHERE (is_active AND ('text'::text = ANY (purposes))),
  CONSTRAINT company_numbers_voice_owner EXCLUDE USING gist (e164 WITH =, tstzrange(valid_from, valid_to) WITH &&) WHERE (is_active AND ('voice'::text = ANY (purposes)))
);
CREATE INDEX company_numbers_e164 ON company_numbers USING btree (e164);
ALTER TABLE company_numbers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY judged ON company_numbers TO otto_numbers USING (true);
CREATE POLICY one_company ON company_numbers TO otto_company_service, otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON company_numbers TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON company_numbers TO otto_maintenance;
GRANT INSERT, SELECT, UPDATE ON company_numbers TO otto_numbers;
GRANT SELECT ON company_numbers TO otto_query_service;
CREATE TRIGGER company_numbers_changed AFTER INSERT OR DELETE OR UPDATE ON company_numbers FOR EACH ROW EXECUTE FUNCTION company_numbers_changed();
CREATE TRIGGER company_numbers_check AFTER INSERT ON company_numbers FOR EACH ROW WHEN (new.standing <> 'final'::text AND new.is_active AND new.valid_to IS NULL) EXECUTE FUNCTION company_numbers_check();
CREATE TRIGGER company_numbers_claim BEFORE INSERT OR UPDATE ON company_numbers FOR EACH ROW EXECUTE FUNCTION company_numbers_claim();
CREATE TRIGGER company_numbers_touch BEFORE UPDATE ON company_numbers FOR EACH ROW EXECUTE FUNCTION otto_touch();

CREATE TABLE company_users (
  company_id text NOT NULL,
  id text NOT NULL,
  email text,
  name text,
  role text,
  status text DEFAULT 'active'::text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  at_clerk boolean DEFAULT false NOT NULL,
  role_unknown text,
  clerk_updated_at bigint DEFAULT 0 NOT NULL,
  profile_updated_at bigint DEFAULT 0 NOT NULL,
  removed_at timestamp with time zone,
  changed_at timestamp with time zone DEFAULT now() NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  told_version bigint DEFAULT 0 NOT NULL,
  invitation_id text,
  changing jsonb,
  CONSTRAINT company_users_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT company_users_role_check CHECK (role = ANY (ARRAY['csr'::text, 'sales_rep'::text, 'manager'::text, 'executive'::text])),
  CONSTRAINT company_users_role_or_word CHECK (role IS NOT NULL OR role_unknown IS NOT NULL) NOT VALID,
  CONSTRAINT company_users_role_unknown_check CHECK (length(role_unknown) <= 200),
  CONSTRAINT company_users_status_check CHECK (status = ANY (ARRAY['active'::text, 'invited'::text, 'removed'::text]))
);
CREATE INDEX company_users_untold ON company_users USING btree (company_id) WHERE version > told_version;
CREATE INDEX company_users_user ON company_users USING btree (id);
ALTER TABLE company_users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointment_reps ON company_users FOR SELECT TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY batch_companies ON company_users FOR SELECT TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY judged ON company_users TO otto_numbers USING (true);
CREATE POLICY one_company ON company_users TO otto_company_service, otto_query_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, id, email, name, status) ON company_users TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON company_users TO otto_company_service;
GRANT SELECT (company_id, id, email, name, status) ON company_users TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON company_users TO otto_maintenance;
GRANT SELECT, UPDATE ON company_users TO otto_numbers;
GRANT SELECT ON company_users TO otto_query_service;
CREATE TRIGGER company_users_touch BEFORE UPDATE ON company_users FOR EACH ROW EXECUTE FUNCTION otto_touch();
CREATE TRIGGER company_users_version BEFORE INSERT OR UPDATE ON company_users FOR EACH ROW EXECUTE FUNCTION company_users_version();
CREATE TRIGGER members_untold_changed AFTER UPDATE ON company_users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION members_untold();
CREATE TRIGGER members_untold_new AFTER INSERT ON company_users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION members_untold();

CREATE TABLE contact_cards (
  company_id text NOT NULL,
  id uuid NOT NULL,
  primary_phone text,
  first_name text,
  last_name text,
  address text,
  city text,
  state text,
  merge_state text DEFAULT ''::text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  search_text text GENERATED ALWAYS AS ((search_words(((((((((COALESCE("left"(first_name, 200), ''::text) || ' '::text) || COALESCE("left"(last_name, 200), ''::text)) || ' '::text) || COALESCE("left"(address, 400), ''::text)) || ' '::text) || COALESCE("left"(city, 200), ''::text)) || ' '::text) || COALESCE("left"(state, 200), ''::text))) || search_number(primary_phone))) STORED NOT NULL,
  CONSTRAINT contact_cards_pkey PRIMARY KEY (company_id, id)
);
ALTER TABLE contact_cards SET (fillfactor=50);
CREATE INDEX contact_cards_list ON contact_cards USING btree (company_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX contact_cards_phone ON contact_cards USING btree (company_id, primary_phone) WHERE primary_phone IS NOT NULL;
CREATE INDEX contact_cards_search ON contact_cards USING gin ((company_id || ''::text), search_text gin_trgm_ops) WITH (gin_pending_list_limit='256');
ALTER TABLE contact_cards ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointments_look ON contact_cards FOR SELECT TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY batch_companies ON contact_cards TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON contact_cards TO otto_query_service USING ((company_id = otto_request_company()));
GRANT SELECT ON contact_cards TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON contact_cards TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON contact_cards TO otto_maintenance;
GRANT SELECT ON contact_cards TO otto_query_service;
GRANT SELECT (company_id, id, created_at, search_text) ON contact_cards TO otto_search;
CREATE TRIGGER list_totals_added AFTER INSERT ON contact_cards REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();
CREATE TRIGGER list_totals_removed AFTER DELETE ON contact_cards REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();

CREATE TABLE dead_letters (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  consumer text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint,
  key text NOT NULL,
  event_id uuid,
  company_id text DEFAULT ''::text NOT NULL,
  type text DEFAULT ''::text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL,
  error text NOT NULL,
  history jsonb DEFAULT '[]'::jsonb NOT NULL,
  dead_at timestamp with time zone DEFAULT now() NOT NULL,
  unpublished boolean DEFAULT false NOT NULL,
  CONSTRAINT dead_letters_pkey PRIMARY KEY (id)
);
CREATE INDEX dead_letters_consumer ON dead_letters USING btree (consumer, dead_at);
CREATE INDEX dead_letters_event ON dead_letters USING btree (event_id) WHERE event_id IS NOT NULL;
ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON dead_letters TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON dead_letters TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON dead_letters TO otto_workflow_service;

CREATE TABLE directory_state (
  company_id text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  dirty boolean DEFAULT true NOT NULL,
  CONSTRAINT directory_state_pkey PRIMARY KEY (company_id)
);
CREATE INDEX directory_state_dirty ON directory_state USING btree (company_id) WHERE dirty;
GRANT INSERT, SELECT, UPDATE ON directory_state TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON directory_state TO otto_maintenance;
GRANT INSERT, SELECT, UPDATE ON directory_state TO otto_numbers;

CREATE TABLE finished_companies (
  user_id text NOT NULL,
  company_id text NOT NULL,
  name text NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT finished_companies_pkey PRIMARY KEY (user_id, company_id)
);
CREATE INDEX finished_companies_at ON finished_companies USING btree (at);
GRANT DELETE, INSERT, SELECT ON finished_companies TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON finished_companies TO otto_maintenance;

CREATE TABLE folded_calls (
  company_id text NOT NULL,
  from_id bigint NOT NULL,
  into_id bigint NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT folded_calls_pkey PRIMARY KEY (company_id, from_id),
  CONSTRAINT folded_calls_check CHECK (into_id < from_id)
);
CREATE INDEX folded_calls_into ON folded_calls USING btree (company_id, into_id);
ALTER TABLE folded_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON folded_calls TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON folded_calls TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON folded_calls TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON folded_calls TO otto_maintenance;
GRANT SELECT ON folded_calls TO otto_query_service;

CREATE TABLE folded_rows (
  company_id text NOT NULL,
  kind text NOT NULL,
  from_id uuid NOT NULL,
  into_id uuid NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT folded_rows_pkey PRIMARY KEY (company_id, kind, from_id),
  CONSTRAINT folded_rows_kind_check CHECK (kind = ANY (ARRAY['contact'::text, 'lead'::text]))
);
CREATE INDEX folded_rows_into ON folded_rows USING btree (company_id, kind, into_id);
ALTER TABLE folded_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointments_look ON folded_rows FOR SELECT TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY batch_companies ON folded_rows TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON folded_rows TO otto_query_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, kind, from_id, into_id) ON folded_rows TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON folded_rows TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON folded_rows TO otto_maintenance;
GRANT SELECT ON folded_rows TO otto_query_service;

CREATE TABLE held_events (
  event_id uuid NOT NULL,
  provider text NOT NULL,
  kind text NOT NULL,
  reason text NOT NULL,
  cure text NOT NULL,
  number text,
  verdict text NOT NULL,
  proven_company_id text,
  request_target text NOT NULL,
  content_type text NOT NULL,
  signature_headers jsonb NOT NULL,
  raw_body bytea NOT NULL,
  record bytea NOT NULL,
  traceparent text,
  received_at timestamp with time zone NOT NULL,
  held_at timestamp with time zone DEFAULT now() NOT NULL,
  released_at timestamp with time zone,
  released_to text,
  asked_at timestamp with time zone,
  waits_for text[],
  concerns text[],
  held_for text,
  conflict boolean DEFAULT false NOT NULL,
  CONSTRAINT held_events_pkey PRIMARY KEY (event_id),
  CONSTRAINT held_events_verdict_check CHECK (verdict = ANY (ARRAY['authentic'::text, 'open'::text, 'unsigned'::text]))
);
CREATE INDEX held_events_account ON held_events USING btree (held_for, received_at) WHERE released_at IS NULL AND held_for IS NOT NULL;
CREATE INDEX held_events_asked ON held_events USING btree (received_at, event_id) WHERE asked_at IS NOT NULL AND released_at IS NULL;
CREATE INDEX held_events_concerns ON held_events USING gin (concerns) WHERE released_at IS NULL;
CREATE INDEX held_events_conflicts ON held_events USING btree (held_at) WHERE released_at IS NULL AND verdict <> 'open'::text AND conflict;
CREATE INDEX held_events_fresh ON held_events USING btree (held_at) WHERE released_at IS NULL;
CREATE INDEX held_events_released ON held_events USING btree (released_at) WHERE released_at IS NOT NULL;
CREATE INDEX held_events_unverified ON held_events USING btree (held_at) WHERE released_at IS NULL AND verdict = 'open'::text;
CREATE INDEX held_events_waiting ON held_events USING btree (received_at, event_id) WHERE released_at IS NULL;
CREATE INDEX held_events_waits_for ON held_events USING gin (waits_for) WHERE released_at IS NULL;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON held_events TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON held_events TO otto_tenant_router;

CREATE TABLE idempotency_keys (
  consumer text NOT NULL,
  company_id text NOT NULL,
  issuer text NOT NULL,
  user_id text NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  request_hash text NOT NULL,
  claim uuid NOT NULL,
  claimed_until timestamp with time zone,
  status integer,
  content_type text DEFAULT ''::text NOT NULL,
  body bytea,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (consumer, company_id, issuer, user_id, route, key),
  CONSTRAINT idempotency_keys_check CHECK ((claimed_until IS NULL) = (status IS NOT NULL))
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);
ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_answers ON idempotency_keys TO public USING (((CURRENT_USER = otto_role_of(consumer)) AND ((company_id = COALESCE(otto_request_company(), ''::text)) OR ((COALESCE(otto_request_company(), ''::text) = ''::text) AND (created_at < (now() - '48:00:00'::interval)))))) WITH CHECK (((CURRENT_USER = otto_role_of(consumer)) AND (company_id = COALESCE(otto_request_company(), ''::text))));
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON idempotency_keys TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO otto_workflow_service;

CREATE TABLE inbox (
  consumer text NOT NULL,
  company_id text NOT NULL,
  event_id uuid NOT NULL,
  applied_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT inbox_pkey PRIMARY KEY (consumer, company_id, event_id)
);
CREATE INDEX inbox_applied_at ON inbox USING brin (applied_at);
ALTER TABLE inbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON inbox TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON inbox TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON inbox TO otto_workflow_service;

CREATE TABLE intents (
  consumer text NOT NULL,
  intent_key text NOT NULL,
  event_id uuid NOT NULL,
  company_id text NOT NULL,
  type text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL,
  state text DEFAULT 'pending'::text NOT NULL,
  attempt integer DEFAULT 0 NOT NULL,
  error text DEFAULT ''::text NOT NULL,
  history jsonb DEFAULT '[]'::jsonb NOT NULL,
  next_at timestamp with time zone DEFAULT now() NOT NULL,
  leased_until timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  finished_at timestamp with time zone,
  CONSTRAINT intents_pkey PRIMARY KEY (consumer, intent_key),
  CONSTRAINT intents_state_check CHECK (state = ANY (ARRAY['pending'::text, 'running'::text, 'done'::text, 'failed'::text]))
);
CREATE INDEX intents_due ON intents USING btree (consumer, next_at) WHERE state = ANY (ARRAY['pending'::text, 'running'::text]);
ALTER TABLE intents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON intents TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON intents TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON intents TO otto_workflow_service;

CREATE TABLE invitations_asked (
  company_id text NOT NULL,
  email text NOT NULL,
  role text NOT NULL,
  name text,
  asked_by text NOT NULL,
  asked_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT invitations_asked_pkey PRIMARY KEY (company_id, email),
  CONSTRAINT invitations_asked_email_check CHECK (email = lower(email) AND email ~~ '%@%'::text)
);
ALTER TABLE invitations_asked ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON invitations_asked TO otto_company_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON invitations_asked TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON invitations_asked TO otto_maintenance;

CREATE TABLE lanes (
  consumer text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  epoch bigint DEFAULT 0 NOT NULL,
  next_offset bigint,
  clean boolean DEFAULT true NOT NULL,
  trying_offset bigint,
  trying_count integer DEFAULT 0 NOT NULL,
  backend_pid integer,
  backend_start text,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT lanes_pkey PRIMARY KEY (consumer, topic, partition)
);
ALTER TABLE lanes SET (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE lanes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON lanes TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON lanes TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON lanes TO otto_workflow_service;

CREATE TABLE leads (
  company_id text NOT NULL,
  id uuid NOT NULL,
  contact_card_id uuid NOT NULL,
  status text DEFAULT 'new'::text NOT NULL,
  source text,
  source_at timestamp with time zone,
  source_call text,
  pool_status text DEFAULT 'in_pool'::text NOT NULL,
  assigned_rep_id text,
  last_qualified_at timestamp with time zone,
  last_contacted_at timestamp with time zone,
  closed_at timestamp with time zone,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  edited_status text,
  status_edited_at timestamp with time zone,
  status_edited_by text,
  search_text text GENERATED ALWAYS AS (search_words("left"(source, 200))) STORED NOT NULL,
  CONSTRAINT leads_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT leads_company_id_contact_card_id_fkey FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards(company_id, id),
  CONSTRAINT leads_pool_status_check CHECK (pool_status = ANY (ARRAY['in_pool'::text, 'assigned'::text, 'closed'::text, 'archived'::text])),
  CONSTRAINT leads_status_check CHECK (status = ANY (ARRAY['new'::text, 'warm'::text, 'hot'::text, 'cold'::text, 'qualified_booked'::text, 'qualified_unbooked'::text, 'qualified_service_not_offered'::text, 'nurturing'::text, 'dormant'::text, 'abandoned'::text, 'closed_won'::text, 'closed_lost'::text]))
);
CREATE INDEX leads_contact ON leads USING btree (company_id, contact_card_id);
CREATE INDEX leads_list ON leads USING btree (company_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX leads_one_open ON leads USING btree (company_id, contact_card_id) WHERE status <> ALL (ARRAY['closed_won'::text, 'closed_lost'::text, 'abandoned'::text]);
CREATE INDEX leads_rep ON leads USING btree (company_id, assigned_rep_id, contact_card_id) WHERE assigned_rep_id IS NOT NULL;
CREATE INDEX leads_search ON leads USING gin ((company_id || ''::text), search_text gin_trgm_ops) WITH (gin_pending_list_limit='256');
ALTER TABLE leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointments_look ON leads FOR SELECT TO otto_appointment_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY batch_companies ON leads TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON leads TO otto_query_service USING ((company_id = otto_request_company()));
GRANT SELECT ON leads TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON leads TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON leads TO otto_maintenance;
GRANT SELECT ON leads TO otto_query_service;
GRANT SELECT (company_id, id, contact_card_id, created_at, search_text) ON leads TO otto_search;
CREATE TRIGGER call_facts_of_lead AFTER UPDATE ON leads FOR EACH ROW WHEN (lead_state(old.status) <> lead_state(new.status)) EXECUTE FUNCTION call_facts_of_lead();
CREATE TRIGGER list_totals_added AFTER INSERT ON leads REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();
CREATE TRIGGER list_totals_removed AFTER DELETE ON leads REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION list_totals_changed();
CREATE TRIGGER pending_leads_added AFTER INSERT ON leads REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pending_leads_added();
CREATE TRIGGER pending_leads_moved AFTER UPDATE ON leads FOR EACH ROW WHEN (lead_is_pending(old.status, old.pool_status) IS DISTINCT FROM lead_is_pending(new.status, new.pool_status)) EXECUTE FUNCTION pending_leads_moved();
CREATE TRIGGER pending_leads_removed AFTER DELETE ON leads REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION pending_leads_removed();

CREATE TABLE list_totals (
  company_id text NOT NULL,
  list text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  part bigint NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT list_totals_pkey PRIMARY KEY (company_id, list, id)
);
ALTER TABLE list_totals SET (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE list_totals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON list_totals TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON list_totals TO otto_query_service USING ((company_id = otto_request_company()));
GRANT INSERT, SELECT, UPDATE ON list_totals TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON list_totals TO otto_maintenance;
GRANT SELECT ON list_totals TO otto_query_service;

CREATE TABLE listed_numbers (
  company_id text NOT NULL,
  provider text NOT NULL,
  e164 text NOT NULL,
  listed_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT listed_numbers_pkey PRIMARY KEY (company_id, provider, e164),
  CONSTRAINT listed_numbers_callable CHECK (NOT e164(e164) IS DISTINCT FROM e164),
  CONSTRAINT listed_numbers_provider_check CHECK (provider = ANY (ARRAY['callrail'::text, 'twilio'::text]))
);
CREATE INDEX listed_numbers_e164 ON listed_numbers USING btree (e164);
ALTER TABLE listed_numbers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY judged ON listed_numbers FOR SELECT TO otto_numbers USING (true);
CREATE POLICY one_company ON listed_numbers TO otto_company_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON listed_numbers TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON listed_numbers TO otto_maintenance;
GRANT SELECT ON listed_numbers TO otto_numbers;

CREATE TABLE members_asked (
  company_id text NOT NULL,
  asked_at timestamp with time zone NOT NULL,
  CONSTRAINT members_asked_pkey PRIMARY KEY (company_id)
);
ALTER TABLE members_asked ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON members_asked TO otto_company_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON members_asked TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON members_asked TO otto_maintenance;

CREATE TABLE members_untold (
  company_id text NOT NULL,
  changes bigint DEFAULT 1 NOT NULL,
  CONSTRAINT members_untold_pkey PRIMARY KEY (company_id)
);
GRANT DELETE, INSERT, SELECT, UPDATE ON members_untold TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON members_untold TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON members_untold TO otto_numbers;

CREATE TABLE messages (
  company_id text NOT NULL,
  id uuid NOT NULL,
  provider text NOT NULL,
  provider_message_id text,
  direction text NOT NULL,
  from_number text,
  to_number text,
  body text,
  media jsonb DEFAULT '[]'::jsonb NOT NULL,
  segments integer,
  status text NOT NULL,
  error_code text,
  error_message text,
  contact_card_id uuid NOT NULL,
  lead_id uuid,
  sent_by text,
  sent_at timestamp with time zone NOT NULL,
  merge_state text DEFAULT ''::text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  automatic boolean DEFAULT false NOT NULL,
  reason text,
  scheduled_at timestamp with time zone,
  asked_at timestamp with time zone,
  status_unknown boolean DEFAULT false NOT NULL,
  CONSTRAINT messages_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT messages_company_id_contact_card_id_fkey FOREIGN KEY (company_id, contact_card_id) REFERENCES contact_cards(company_id, id),
  CONSTRAINT messages_direction_check CHECK (direction = ANY (ARRAY['inbound'::text, 'outbound'::text])),
  CONSTRAINT messages_provider_check CHECK (provider = ANY (ARRAY['callrail'::text, 'twilio'::text])),
  CONSTRAINT messages_status_check CHECK (status = ANY (ARRAY['received'::text, 'scheduled'::text, 'queued'::text, 'sending'::text, 'sent'::text, 'canceled'::text, 'failed'::text, 'undelivered'::text, 'delivered'::text, 'read'::text]))
);
CREATE INDEX messages_lead ON messages USING btree (company_id, lead_id);
CREATE INDEX messages_list ON messages USING btree (company_id, sent_at DESC, id DESC);
CREATE INDEX messages_lost ON messages USING btree (company_id, sent_at DESC, id DESC) WHERE status = ANY (ARRAY['failed'::text, 'undelivered'::text]);
CREATE UNIQUE INDEX messages_once ON messages USING btree (company_id, provider, provider_message_id);
CREATE INDEX messages_thread ON messages USING btree (company_id, contact_card_id, sent_at DESC, id DESC);
ALTER TABLE messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON messages TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON messages FOR SELECT TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY swept_company ON messages FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, provider, provider_message_id, body, status) ON messages TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON messages TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON messages TO otto_maintenance;
GRANT SELECT ON messages TO otto_query_service;

CREATE TABLE number_purchases (
  company_id text NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  e164 text NOT NULL,
  state text DEFAULT 'asked'::text NOT NULL,
  account_sid text NOT NULL,
  shared boolean NOT NULL,
  voice_url text NOT NULL,
  asked_by text NOT NULL,
  asks integer DEFAULT 1 NOT NULL,
  asked_at timestamp with time zone DEFAULT now() NOT NULL,
  asking_until timestamp with time zone,
  provider_sid text,
  number_id uuid,
  error_code integer,
  why text,
  settled_at timestamp with time zone,
  CONSTRAINT number_purchases_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT number_purchases_e164_check CHECK (e164 = e164(e164)),
  CONSTRAINT number_purchases_state_check CHECK (state = ANY (ARRAY['asked'::text, 'bought'::text, 'failed'::text]))
);
CREATE INDEX number_purchases_number ON number_purchases USING btree (company_id, e164, asked_at);
CREATE UNIQUE INDEX number_purchases_open ON number_purchases USING btree (e164) WHERE settled_at IS NULL;
ALTER TABLE number_purchases ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON number_purchases TO otto_company_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON number_purchases TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON number_purchases TO otto_maintenance;

CREATE TABLE number_releases (
  e164 text NOT NULL,
  released_at timestamp with time zone NOT NULL,
  CONSTRAINT number_releases_pkey PRIMARY KEY (e164)
);
GRANT INSERT, SELECT, UPDATE ON number_releases TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON number_releases TO otto_maintenance;
GRANT INSERT, SELECT, UPDATE ON number_releases TO otto_numbers;

CREATE TABLE operator_actions (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  login text DEFAULT SESSION_USER NOT NULL,
  operator text NOT NULL,
  action text NOT NULL,
  target uuid NOT NULL,
  event_id uuid,
  company_id text DEFAULT ''::text NOT NULL,
  reason text DEFAULT ''::text NOT NULL,
  detail jsonb DEFAULT '{}'::jsonb NOT NULL,
  CONSTRAINT operator_actions_pkey PRIMARY KEY (id),
  CONSTRAINT operator_actions_action_check CHECK (action = ANY (ARRAY['held.release'::text, 'dead_letter.edit'::text, 'dead_letter.redrive'::text, 'dead_letter.discard'::text, 'text.retry'::text]))
);
CREATE INDEX operator_actions_event ON operator_actions USING btree (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX operator_actions_target ON operator_actions USING btree (target, at);
ALTER TABLE operator_actions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
GRANT INSERT, SELECT ON operator_actions TO otto_maintenance;
CREATE TRIGGER operator_actions_on_record AFTER INSERT ON operator_actions REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION operator_actions_on_record();

CREATE TABLE opt_ins (
  company_id text NOT NULL,
  message_id uuid NOT NULL,
  phone text NOT NULL,
  word text NOT NULL,
  source text NOT NULL,
  at timestamp with time zone NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT opt_ins_pkey PRIMARY KEY (company_id, message_id),
  CONSTRAINT opt_ins_source_check CHECK (source = ANY (ARRAY['keyword'::text, 'provider'::text])),
  CONSTRAINT opt_ins_word_check CHECK (word = ANY (ARRAY['start'::text, 'yes'::text]))
);
CREATE INDEX opt_ins_phone ON opt_ins USING btree (company_id, phone, at);
ALTER TABLE opt_ins ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON opt_ins TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT INSERT, SELECT ON opt_ins TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON opt_ins TO otto_maintenance;

CREATE TABLE opt_outs (
  company_id text NOT NULL,
  id uuid NOT NULL,
  phone text NOT NULL,
  channel text DEFAULT 'sms'::text NOT NULL,
  source text NOT NULL,
  message_id uuid,
  created_by text,
  created_as text,
  reason text,
  opted_out_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone,
  revoked_source text,
  revoked_by text,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT opt_outs_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT opt_outs_channel_check CHECK (channel = 'sms'::text),
  CONSTRAINT opt_outs_check CHECK ((revoked_at IS NULL) = (revoked_source IS NULL)),
  CONSTRAINT opt_outs_check1 CHECK (revoked_at >= opted_out_at),
  CONSTRAINT opt_outs_revoked_source_check CHECK (revoked_source = ANY (ARRAY['keyword'::text, 'provider'::text, 'csr'::text])),
  CONSTRAINT opt_outs_source_check CHECK (source = ANY (ARRAY['keyword'::text, 'provider'::text, 'csr'::text, 'spoken'::text]))
);
CREATE INDEX opt_outs_list ON opt_outs USING btree (company_id, opted_out_at DESC, id DESC);
CREATE UNIQUE INDEX opt_outs_of_message ON opt_outs USING btree (company_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX opt_outs_phone ON opt_outs USING btree (company_id, phone, opted_out_at DESC);
ALTER TABLE opt_outs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON opt_outs TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON opt_outs FOR SELECT TO otto_query_service USING ((company_id = otto_request_company()));
GRANT INSERT, SELECT ON opt_outs TO otto_lead_pipeline;
GRANT UPDATE (revoked_at, revoked_source, revoked_by) ON opt_outs TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON opt_outs TO otto_maintenance;
GRANT SELECT ON opt_outs TO otto_query_service;
CREATE TRIGGER opt_outs_revoked BEFORE UPDATE ON opt_outs FOR EACH ROW EXECUTE FUNCTION opt_outs_revoked();

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  consumer text NOT NULL,
  lane_topic text NOT NULL,
  lane_partition integer NOT NULL,
  topic text NOT NULL,
  key text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL,
  not_before timestamp with time zone,
  replaces text,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT outbox_pkey PRIMARY KEY (id)
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
CREATE UNIQUE INDEX outbox_named ON outbox USING btree (replaces, consumer) WHERE replaces IS NOT NULL;
CREATE INDEX outbox_of_lane ON outbox USING btree (consumer, lane_topic, lane_partition);
CREATE INDEX outbox_shards ON outbox USING btree (id) WHERE lane_topic = 'outbox'::text;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON outbox TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON outbox TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox TO otto_workflow_service;

CREATE TABLE parked (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  consumer text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  key text NOT NULL,
  blocks_key boolean NOT NULL,
  event_id uuid NOT NULL,
  company_id text NOT NULL,
  type text NOT NULL,
  value bytea NOT NULL,
  headers jsonb NOT NULL,
  attempt integer DEFAULT 0 NOT NULL,
  error text DEFAULT ''::text NOT NULL,
  history jsonb DEFAULT '[]'::jsonb NOT NULL,
  next_at timestamp with time zone NOT NULL,
  parked_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT parked_pkey PRIMARY KEY (consumer, topic, partition, id)
);
ALTER TABLE parked ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON parked TO public USING ((CURRENT_USER = otto_role_of(consumer))) WITH CHECK ((CURRENT_USER = otto_role_of(consumer)));
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON parked TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON parked TO otto_workflow_service;

CREATE TABLE pending_leads (
  company_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  pending integer NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT pending_leads_pkey PRIMARY KEY (company_id, id)
);
ALTER TABLE pending_leads SET (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
ALTER TABLE pending_leads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON pending_leads TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON pending_leads TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON pending_leads TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON pending_leads TO otto_maintenance;
GRANT SELECT ON pending_leads TO otto_query_service;

CREATE TABLE provider_calls (
  provider text NOT NULL,
  provider_call_id text NOT NULL,
  company_id text NOT NULL,
  phone text NOT NULL,
  seen_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT provider_calls_pkey PRIMARY KEY (provider, provider_call_id, company_id)
);
CREATE INDEX provider_calls_seen ON provider_calls USING brin (seen_at) WITH (autosummarize='on');
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON provider_calls TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON provider_calls TO otto_tenant_router;

CREATE TABLE provider_tests (
  company_id text NOT NULL,
  at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE INDEX provider_tests_at ON provider_tests USING btree (at);
CREATE INDEX provider_tests_company ON provider_tests USING btree (company_id, at);
ALTER TABLE provider_tests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON provider_tests TO otto_company_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON provider_tests TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON provider_tests TO otto_maintenance;

CREATE TABLE recorded_calls (
  company_id text NOT NULL,
  call_id bigint NOT NULL,
  version bigint NOT NULL,
  provider text NOT NULL,
  provider_call_id text NOT NULL,
  phone text NOT NULL,
  status text NOT NULL,
  contact_card_id uuid,
  lead_id uuid,
  owner_id text,
  recording_url text NOT NULL,
  started_at timestamp with time zone,
  received_at timestamp with time zone NOT NULL,
  paused_since timestamp with time zone,
  paused_why text,
  traceparent text DEFAULT ''::text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  folded_into bigint,
  shunya_call_id bigint,
  paused_cure text,
  recording_sid text DEFAULT ''::text NOT NULL,
  recording_of_deployment boolean DEFAULT false NOT NULL,
  recording_seconds bigint DEFAULT 0 NOT NULL,
  recording_unavailable text DEFAULT ''::text NOT NULL,
  reported_at timestamp with time zone,
  CONSTRAINT recorded_calls_pkey PRIMARY KEY (company_id, call_id)
);
ALTER TABLE recorded_calls ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON recorded_calls TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON recorded_calls TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON recorded_calls TO otto_maintenance;
GRANT SELECT ON recorded_calls TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON recorded_calls TO otto_shunya_orchestrator;

CREATE TABLE recordings (
  company_id text NOT NULL,
  id uuid NOT NULL,
  call_id bigint,
  session_id uuid,
  source_url text,
  object_key text,
  format text,
  bytes bigint,
  sha256 text,
  duration integer,
  status text DEFAULT 'pending'::text NOT NULL,
  attempts integer DEFAULT 0 NOT NULL,
  error text,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  next_at timestamp with time zone,
  cure text,
  tried_key text,
  too_short boolean DEFAULT false NOT NULL,
  CONSTRAINT recordings_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT recordings_status_check CHECK (status = ANY (ARRAY['pending'::text, 'stored'::text, 'unavailable'::text, 'manual_review'::text]))
);
CREATE UNIQUE INDEX recordings_call ON recordings USING btree (company_id, call_id) WHERE call_id IS NOT NULL;
CREATE INDEX recordings_tried_key ON recordings USING btree (company_id) WHERE tried_key IS NOT NULL;
ALTER TABLE recordings ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON recordings TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON recordings TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON recordings TO otto_maintenance;
GRANT SELECT ON recordings TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON recordings TO otto_shunya_orchestrator;

CREATE TABLE renumbering (
  company_id text NOT NULL,
  cards_after uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
  calls_after bigint DEFAULT 0 NOT NULL,
  pass smallint DEFAULT 1 NOT NULL,
  failed boolean DEFAULT false NOT NULL,
  due_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT renumbering_pkey PRIMARY KEY (company_id)
);
CREATE INDEX renumbering_due ON renumbering USING btree (due_at);
GRANT DELETE, INSERT, SELECT, UPDATE ON renumbering TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON renumbering TO otto_maintenance;

CREATE TABLE schema_migrations (
  version text NOT NULL,
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);
GRANT SELECT ON schema_migrations TO PUBLIC;

CREATE TABLE seen_numbers (
  company_id text NOT NULL,
  e164 text NOT NULL,
  provider text NOT NULL,
  first_seen_at timestamp with time zone NOT NULL,
  last_seen_at timestamp with time zone NOT NULL,
  purposes text[] DEFAULT '{voice}'::text[] NOT NULL,
  CONSTRAINT seen_numbers_pkey PRIMARY KEY (company_id, e164)
);
CREATE INDEX seen_numbers_e164 ON seen_numbers USING btree (e164);
ALTER TABLE seen_numbers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON seen_numbers TO otto_tenant_router USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY judged ON seen_numbers FOR SELECT TO otto_numbers USING (true);
CREATE POLICY one_company ON seen_numbers TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY registering_company ON seen_numbers FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, e164, provider) ON seen_numbers TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON seen_numbers TO otto_maintenance;
GRANT SELECT ON seen_numbers TO otto_numbers;
GRANT SELECT ON seen_numbers TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON seen_numbers TO otto_tenant_router;

CREATE TABLE shunya_jobs (
  company_id text NOT NULL,
  id uuid NOT NULL,
  step text NOT NULL,
  job_type text NOT NULL,
  job_status text DEFAULT 'pending'::text NOT NULL,
  shunya_job_id text,
  call_id bigint,
  retry_count integer DEFAULT 0 NOT NULL,
  error_message text,
  processed_output_hash text,
  next_retry_at timestamp with time zone,
  posted_at timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  round integer DEFAULT 0 NOT NULL,
  asks integer DEFAULT 0 NOT NULL,
  asked_at timestamp with time zone,
  reported_at timestamp with time zone,
  link_until timestamp with time zone,
  refusals integer DEFAULT 0 NOT NULL,
  CONSTRAINT shunya_jobs_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT shunya_jobs_job_status_check CHECK (job_status = ANY (ARRAY['pending'::text, 'running'::text, 'succeeded'::text, 'failed'::text, 'timeout'::text])),
  CONSTRAINT shunya_jobs_job_type_check CHECK (job_type = ANY (ARRAY['csr_call'::text, 'sales_visit'::text, 'voicemail'::text, 'document'::text])),
  CONSTRAINT shunya_jobs_step_check CHECK (step = ANY (ARRAY['transcription'::text, 'analysis'::text]))
);
CREATE UNIQUE INDEX shunya_jobs_call ON shunya_jobs USING btree (company_id, call_id, step) WHERE call_id IS NOT NULL;
CREATE INDEX shunya_jobs_theirs ON shunya_jobs USING btree (company_id, shunya_job_id);
ALTER TABLE shunya_jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON shunya_jobs TO otto_shunya_orchestrator USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON shunya_jobs TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON shunya_jobs TO otto_maintenance;
GRANT SELECT ON shunya_jobs TO otto_query_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON shunya_jobs TO otto_shunya_orchestrator;

CREATE TABLE signature_failures (
  company_id text NOT NULL,
  provider text NOT NULL,
  failures bigint NOT NULL,
  last_at timestamp with time zone NOT NULL,
  why text NOT NULL,
  CONSTRAINT signature_failures_pkey PRIMARY KEY (company_id, provider)
);
ALTER TABLE signature_failures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_company ON signature_failures TO otto_company_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON signature_failures TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON signature_failures TO otto_maintenance;

CREATE TABLE tasks (
  company_id text NOT NULL,
  id uuid NOT NULL,
  description text NOT NULL,
  assigned_to text DEFAULT 'csr'::text NOT NULL,
  assignee_id text,
  source text DEFAULT 'manual'::text NOT NULL,
  action_type text,
  due_at timestamp with time zone,
  status text DEFAULT 'open'::text NOT NULL,
  priority text DEFAULT 'medium'::text NOT NULL,
  contact_card_id uuid,
  lead_id uuid,
  call_id bigint,
  appointment_id uuid,
  unique_key text NOT NULL,
  raw_text text,
  contact_method text,
  completed_at timestamp with time zone,
  completed_by text,
  created_by text,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  slot integer,
  analysis_version bigint,
  edited_at timestamp with time zone,
  edited_by text,
  search_text text GENERATED ALWAYS AS (search_words((("left"(description, 2000) || ' '::text) || COALESCE("left"(raw_text, 2000), ''::text)))) STORED NOT NULL,
  message_id uuid,
  CONSTRAINT tasks_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT tasks_assigned_to_check CHECK (assigned_to = ANY (ARRAY['csr'::text, 'rep'::text, 'manager'::text, 'ai'::text])),
  CONSTRAINT tasks_priority_check CHECK (priority = ANY (ARRAY['high'::text, 'medium'::text, 'low'::text])),
  CONSTRAINT tasks_source_check CHECK (source = ANY (ARRAY['otto'::text, 'shunya'::text, 'manual'::text])),
  CONSTRAINT tasks_status_check CHECK (status = ANY (ARRAY['open'::text, 'completed'::text, 'overdue'::text, 'cancelled'::text]))
);
CREATE INDEX tasks_call ON tasks USING btree (company_id, call_id);
CREATE INDEX tasks_contact ON tasks USING btree (company_id, contact_card_id);
CREATE INDEX tasks_due ON tasks USING btree (company_id, due_at, id);
CREATE INDEX tasks_lead ON tasks USING btree (company_id, lead_id);
CREATE INDEX tasks_list ON tasks USING btree (company_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX tasks_once ON tasks USING btree (company_id, unique_key);
CREATE INDEX tasks_open ON tasks USING btree (company_id, assigned_to, due_at) INCLUDE (assignee_id, status) WHERE status = ANY (ARRAY['open'::text, 'overdue'::text]);
CREATE INDEX tasks_planned ON tasks USING btree (company_id, COALESCE(due_at, created_at) DESC, id DESC);
CREATE INDEX tasks_search ON tasks USING gin ((company_id || ''::text), search_text gin_trgm_ops) WITH (gin_pending_list_limit='256');
ALTER TABLE tasks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY appointment_answers ON tasks FOR SELECT TO otto_appointment_service USING ((company_id = otto_request_company()));
CREATE POLICY batch_companies ON tasks TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON tasks TO otto_query_service USING ((company_id = otto_request_company()));
GRANT SELECT ON tasks TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON tasks TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON tasks TO otto_maintenance;
GRANT SELECT ON tasks TO otto_query_service;
GRANT SELECT (company_id, id, contact_card_id, created_at, search_text) ON tasks TO otto_search;
CREATE TRIGGER tasks_due_added AFTER INSERT ON tasks FOR EACH ROW WHEN (new.status = 'open'::text AND new.due_at IS NOT NULL) EXECUTE FUNCTION tasks_due();
CREATE TRIGGER tasks_due_moved AFTER UPDATE OF status, due_at ON tasks FOR EACH ROW WHEN (old.status IS DISTINCT FROM new.status OR old.due_at IS DISTINCT FROM new.due_at) EXECUTE FUNCTION tasks_due();
CREATE TRIGGER tasks_due_removed AFTER DELETE ON tasks FOR EACH ROW WHEN (old.status = 'open'::text AND old.due_at IS NOT NULL) EXECUTE FUNCTION tasks_due();

CREATE TABLE text_backs (
  company_id text NOT NULL,
  contact_card_id uuid NOT NULL,
  day date NOT NULL,
  call_id bigint NOT NULL,
  message_id uuid NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT text_backs_pkey PRIMARY KEY (company_id, contact_card_id, day)
);
CREATE UNIQUE INDEX text_backs_message ON text_backs USING btree (company_id, message_id);
ALTER TABLE text_backs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON text_backs TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON text_backs TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON text_backs TO otto_maintenance;

CREATE TABLE text_paces (
  company_id text NOT NULL,
  from_number text NOT NULL,
  free_at timestamp with time zone NOT NULL,
  CONSTRAINT text_paces_pkey PRIMARY KEY (company_id, from_number)
);
ALTER TABLE text_paces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON text_paces TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON text_paces TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON text_paces TO otto_maintenance;

CREATE TABLE text_pauses (
  company_id text NOT NULL,
  why text NOT NULL,
  credentials text NOT NULL,
  since timestamp with time zone DEFAULT now() NOT NULL,
  until timestamp with time zone NOT NULL,
  CONSTRAINT text_pauses_pkey PRIMARY KEY (company_id)
);
ALTER TABLE text_pauses ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON text_pauses TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON text_pauses FOR SELECT TO otto_query_service USING ((company_id = otto_request_company()));
CREATE POLICY tested_company ON text_pauses FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id, why, until) ON text_pauses TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON text_pauses TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON text_pauses TO otto_maintenance;
GRANT SELECT ON text_pauses TO otto_query_service;

CREATE TABLE text_sends (
  company_id text NOT NULL,
  message_id uuid NOT NULL,
  from_number text NOT NULL,
  to_number text NOT NULL,
  automatic boolean NOT NULL,
  segments integer NOT NULL,
  state text NOT NULL,
  accepted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
  asked_at timestamp with time zone,
  account text,
  looked_at timestamp with time zone,
  not_found integer DEFAULT 0 NOT NULL,
  failures integer DEFAULT 0 NOT NULL,
  why text,
  CONSTRAINT text_sends_pkey PRIMARY KEY (company_id, message_id),
  CONSTRAINT text_sends_check CHECK ((state <> ALL (ARRAY['asked'::text, 'unknown'::text])) OR asked_at IS NOT NULL),
  CONSTRAINT text_sends_segments_check CHECK (segments > 0),
  CONSTRAINT text_sends_state_check CHECK (state = ANY (ARRAY['scheduled'::text, 'behind'::text, 'waiting'::text, 'released'::text, 'asked'::text, 'unknown'::text]))
);
CREATE INDEX text_sends_behind ON text_sends USING btree (company_id, from_number, to_number, automatic, accepted_at, message_id) WHERE state = 'behind'::text;
CREATE UNIQUE INDEX text_sends_head ON text_sends USING btree (company_id, from_number, to_number) WHERE state = ANY (ARRAY['waiting'::text, 'released'::text, 'asked'::text, 'unknown'::text]);
CREATE INDEX text_sends_released ON text_sends USING btree (company_id, from_number) INCLUDE (segments) WHERE state = 'released'::text;
CREATE INDEX text_sends_waiting ON text_sends USING btree (company_id, from_number, automatic, accepted_at, message_id) WHERE state = 'waiting'::text;
ALTER TABLE text_sends ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON text_sends TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY tested_company ON text_sends FOR SELECT TO otto_company_service USING ((company_id = otto_request_company()));
GRANT SELECT (company_id) ON text_sends TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON text_sends TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON text_sends TO otto_maintenance;

CREATE TABLE twilio_sweeps (
  company_id text NOT NULL,
  account_id text NOT NULL,
  watermark timestamp with time zone,
  asked_at timestamp with time zone,
  not_before timestamp with time zone,
  hour timestamp with time zone,
  requests integer DEFAULT 0 NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  pages integer DEFAULT 0 NOT NULL,
  seen integer DEFAULT 0 NOT NULL,
  missing integer DEFAULT 0 NOT NULL,
  early integer DEFAULT 0 NOT NULL,
  differing integer DEFAULT 0 NOT NULL,
  unowned integer DEFAULT 0 NOT NULL,
  error text,
  missing_total bigint DEFAULT 0 NOT NULL,
  differing_total bigint DEFAULT 0 NOT NULL,
  CONSTRAINT twilio_sweeps_pkey PRIMARY KEY (company_id, account_id)
);
ALTER TABLE twilio_sweeps ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON twilio_sweeps TO otto_company_service USING (((company_id || ''::text) = ANY (otto_batch_companies())));
GRANT DELETE, INSERT, SELECT, UPDATE ON twilio_sweeps TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON twilio_sweeps TO otto_maintenance;

CREATE TABLE unused_organisations (
  user_id text NOT NULL,
  organisation_id text NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  asked jsonb,
  CONSTRAINT unused_organisations_pkey PRIMARY KEY (user_id, organisation_id)
);
GRANT DELETE, INSERT, SELECT, UPDATE ON unused_organisations TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON unused_organisations TO otto_maintenance;
CREATE TRIGGER user_phone_numbers_insert INSTEAD OF INSERT ON user_phone_numbers FOR EACH ROW EXECUTE FUNCTION user_phone_numbers_insert();

CREATE TABLE voicemail_messages (
  company_id text NOT NULL,
  id uuid NOT NULL,
  call_id bigint NOT NULL,
  recording_sid text NOT NULL,
  recording_url text,
  duration integer,
  transcript text,
  summary text,
  status text DEFAULT 'new'::text NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT voicemail_messages_pkey PRIMARY KEY (company_id, id),
  CONSTRAINT voicemail_messages_company_id_call_id_fkey FOREIGN KEY (company_id, call_id) REFERENCES calls(company_id, call_id),
  CONSTRAINT voicemail_messages_status_check CHECK (status = ANY (ARRAY['new'::text, 'listened'::text, 'done'::text]))
);
CREATE INDEX voicemail_messages_call ON voicemail_messages USING btree (company_id, call_id);
CREATE INDEX voicemail_messages_list ON voicemail_messages USING btree (company_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX voicemail_messages_once ON voicemail_messages USING btree (company_id, recording_sid);
ALTER TABLE voicemail_messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY batch_companies ON voicemail_messages TO otto_lead_pipeline USING (((company_id || ''::text) = ANY (otto_batch_companies())));
CREATE POLICY one_company ON voicemail_messages FOR SELECT TO otto_query_service USING ((company_id = otto_request_company()));
GRANT DELETE, INSERT, SELECT, UPDATE ON voicemail_messages TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON voicemail_messages TO otto_maintenance;
GRANT SELECT ON voicemail_messages TO otto_query_service;

CREATE TABLE work (
  queue text NOT NULL,
  company_id text NOT NULL,
  key text NOT NULL,
  due_at timestamp with time zone NOT NULL,
  leased_until timestamp with time zone,
  lease uuid,
  wanted bigint DEFAULT 0 NOT NULL,
  attempt integer DEFAULT 0 NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  round integer DEFAULT 0 NOT NULL,
  error text DEFAULT ''::text NOT NULL,
  given_up_at timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT work_pkey PRIMARY KEY (queue, company_id, key)
);
ALTER TABLE work SET (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=0);
CREATE INDEX work_due ON work USING btree (queue, due_at);
CREATE INDEX work_given_up ON work USING btree (given_up_at) WHERE given_up_at IS NOT NULL;
CREATE INDEX work_of_company ON work USING btree (queue, company_id, due_at);
ALTER TABLE work ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_consumers ON work TO public USING ((CURRENT_USER = otto_role_of(queue))) WITH CHECK ((CURRENT_USER = otto_role_of(queue)));
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_appointment_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_company_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_lead_pipeline;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON work TO otto_maintenance;
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_shunya_orchestrator;
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_tenant_router;
GRANT DELETE, INSERT, SELECT, UPDATE ON work TO otto_workflow_service;

CREATE VIEW analyses_as_corrected AS
 SELECT a.company_id,
    a.call_id,
        CASE
            WHEN b.id IS NULL THEN a.booking_status
            ELSE b.value
        END AS booking_status,
        CASE
            WHEN q.id IS NULL THEN a.lead_quality
            ELSE q.value
        END AS lead_quality,
    a.objections,
    a.sop_compliance_score,
    a.sentiment_score,
        CASE
            WHEN o.id IS NULL THEN a.call_outcome_category
            ELSE o.value
        END AS call_outcome_category
   FROM call_analyses a
     LEFT JOIN LATERAL ( SELECT analysis_corrections.id,
            analysis_corrections.value
           FROM analysis_corrections
          WHERE analysis_corrections.company_id = a.company_id AND analysis_corrections.call_id = a.call_id AND analysis_corrections.field = 'booking_status'::text
          ORDER BY analysis_corrections.id DESC
         LIMIT 1) b ON true
     LEFT JOIN LATERAL ( SELECT analysis_corrections.id,
            analysis_corrections.value
           FROM analysis_corrections
          WHERE analysis_corrections.company_id = a.company_id AND analysis_corrections.call_id = a.call_id AND analysis_corrections.field = 'lead_quality'::text
          ORDER BY analysis_corrections.id DESC
         LIMIT 1) q ON true
     LEFT JOIN LATERAL ( SELECT analysis_corrections.id,
            analysis_corrections.value
           FROM analysis_corrections
          WHERE analysis_corrections.company_id = a.company_id AND analysis_corrections.call_id = a.call_id AND analysis_corrections.field = 'call_outcome_category'::text
          ORDER BY analysis_corrections.id DESC
         LIMIT 1) o ON true;
ALTER VIEW analyses_as_corrected SET (security_invoker=true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON analyses_as_corrected TO otto_maintenance;
GRANT SELECT ON analyses_as_corrected TO otto_query_service;
GRANT SELECT ON analyses_as_corrected TO otto_shunya_orchestrator;

CREATE VIEW analysis_states AS
 SELECT c.company_id,
    c.call_id,
    s.state,
    s.since,
    s.why,
    s.cure
   FROM calls c
     LEFT JOIN recorded_calls k ON k.company_id = c.company_id AND k.call_id = c.call_id
     LEFT JOIN recordings r ON r.company_id = c.company_id AND r.call_id = c.call_id
     LEFT JOIN shunya_jobs t ON t.company_id = c.company_id AND t.call_id = c.call_id AND t.step = 'transcription'::text
     LEFT JOIN shunya_jobs a ON a.company_id = c.company_id AND a.call_id = c.call_id AND a.step = 'analysis'::text
     LEFT JOIN call_transcripts x ON x.company_id = c.company_id AND x.call_id = c.call_id
     LEFT JOIN call_analyses n ON n.company_id = c.company_id AND n.call_id = c.call_id
     CROSS JOIN LATERAL ( SELECT 'Otto asks Shunya by itself from time to time (OTTO_SHUNYA_POLL_AFTER). If it lasts: does Shunya post its results to /api/v1/shunya/webhook of this deployment, and is OTTO_SHUNYA_WEBHOOK_SECRET the secret that Shunya signs with?'::text AS text,
            ('POST /api/v1/calls/'::text || c.call_id) || '/analysis/retry (a manager) tries again.'::text AS again) cures
     CROSS JOIN LATERAL ( SELECT
                CASE c.provider
                    WHEN 'twilio'::text THEN 'It is asked for again from time to time. Is the recording there in the console of the Twilio account that the call came by?'::text
                    ELSE 'It is asked for again from time to time. Does the company''s CallRail API key see this call, and has the call a recording there?'::text
                END AS late,
                CASE c.provider
                    WHEN 'twilio'::text THEN 'It comes with Twilio''s report of it. If none ever comes: does Twilio reach OTTO_PUBLIC_URL (its debugger lists what it could not deliver), and does the company''s call_flow '::text ||
                    CASE c.status
                        WHEN 'voicemail'::text THEN 'lead to a voicemail?'::text
                        ELSE 'have `record` on?'::text
                    END
                    ELSE 'It comes with a later report of the call. If none ever comes: is call recording switched on for this number at the provider?'::text
                END AS unsent,
                CASE c.provider
                    WHEN 'twilio'::text THEN
                    CASE c.status
                        WHEN 'voicemail'::text THEN 'Does Twilio reach OTTO_PUBLIC_URL? Its debugger lists what it could not deliver.'::text
                        ELSE ('Calls are recorded while `record` of the company''s call_flow is on (PUT /api/v1/company/'::text || c.company_id) || ').'::text
                    END
                    ELSE 'Is call recording switched on for this number at the provider?'::text
                END AS unrecorded) told
     CROSS JOIN LATERAL ( SELECT v.state,
            v.since,
            v.why,
            v.cure
           FROM ( VALUES (1,n.call_id IS NOT NULL,'done'::text,n.created_at,'The analysis is there.'::text,NULL::text), (2,a.job_status = ANY (ARRAY['failed'::text, 'timeout'::text]),'failed'::text,COALESCE(a.finished_at, a.updated_at),('The analysis failed: '::text || COALESCE(a.error_message, 'Shunya gave no reason'::text)) || '.'::text,
                        CASE a.job_status
                            WHEN 'timeout'::text THEN cures.text || ' '::text
                            ELSE ''::text
                        END || cures.again), (3,x.call_id IS NULL AND (t.job_status = ANY (ARRAY['failed'::text, 'timeout'::text])),'failed'::text,COALESCE(t.finished_at, t.updated_at),('The transcription failed: '::text || COALESCE(t.error_message, 'Shunya gave no reason'::text)) || '.'::text,
                        CASE t.job_status
                            WHEN 'timeout'::text THEN cures.text || ' '::text
                            ELSE 'If Shunya could not fetch the recording: does it reach OTTO_PUBLIC_URL? '::text
                        END || cures.again), (4,r.status = ANY (ARRAY['unavailable'::text, 'manual_review'::text]),'recording_unavailable'::text,r.updated_at,('The recording cannot be had: '::text || COALESCE(r.error, 'the provider does not have it'::text)) || '.'::text,
                        CASE
                            WHEN r.tried_key IS NOT NULL THEN COALESCE(r.cure, ('Give the company''s API key (POST /api/v1/company/set-callrail-api-key/'::text || c.company_id) || ').'::text) || ' It is then fetched by itself.'::text
                            WHEN k.recording_url = ''::text THEN r.cure
                            ELSE concat_ws(' '::text, COALESCE(r.cure,
                            CASE r.status
                                WHEN 'manual_review'::text THEN ('Listen to the call at the provider, if it is there, and enter by hand what it meant (PATCH /api/v1/calls/'::text || c.call_id) || '/analysis).'::text
                                ELSE NULL::text
                            END), cures.again)
                        END), (5,r.status = 'stored'::text AND r.too_short AND t.id IS NULL AND a.id IS NULL,'none'::text,r.updated_at,'The voicemail is under 2 seconds long: it is kept, and not analysed.'::text,('Listen to it (GET /api/v1/calls/'::text || c.call_id) || '/recording).'::text), (6,k.paused_since IS NOT NULL,'paused'::text,k.paused_since,COALESCE(k.paused_why, 'The outside cannot be reached'::text) || '.'::text,COALESCE(k.paused_cure, 'It goes on by itself. If it lasts: is OTTO_SHUNYA_API right, and OTTO_SHUNYA_TOKEN_SECRET the one that Shunya knows?'::text)), (7,a.id IS NOT NULL AND (now() - COALESCE(a.started_at, a.created_at)) > '00:05:00'::interval,'analysing'::text,COALESCE(a.started_at, a.created_at),('Shunya has had the call for over 5 minutes and has not sent its analysis'::text || COALESCE('; last: '::text || a.error_message, ''::text)) || '.'::text,cures.text), (8,a.id IS NOT NULL,'analysing'::text,COALESCE(a.started_at, a.created_at),('Shunya is analysing the call'::text || COALESCE('; last: '::text || a.error_message, ''::text)) || '.'::text,NULL::text), (9,t.id IS NOT NULL AND (now() - COALESCE(t.started_at, t.created_at)) > '00:05:00'::interval,'transcribing'::text,COALESCE(t.started_at, t.created_at),('Shunya has had the recording for over 5 minutes and has not sent the transcript'::text || COALESCE('; last: '::text || t.error_message, ''::text)) || '.'::text,cures.text), (10,t.id IS NOT NULL,'transcribing'::text,COALESCE(t.started_at, t.created_at),('Shunya is transcribing the recording'::text || COALESCE('; last: '::text || t.error_message, ''::text)) || '.'::text,NULL::text), (11,r.id IS NOT NULL,'waiting_for_recording'::text,r.created_at,('The recording is being fetched from the provider'::text || COALESCE('; last: '::text || r.error, ''::text)) || '.'::text,COALESCE(r.cure,
                        CASE
                            WHEN (now() - r.created_at) > '00:05:00'::interval THEN told.late
                            ELSE NULL::text
                        END)), (12,(c.status = ANY (ARRAY['completed'::text, 'voicemail'::text])) AND (c.recording_url IS NOT NULL OR (now() - COALESCE(c.ended_at, c.happened_at)) < '01:00:00'::interval),'waiting_for_recording'::text,COALESCE(c.ended_at, c.happened_at),'The provider has not sent the recording yet.'::text,told.unsent), (13,c.status = ANY (ARRAY['completed'::text, 'voicemail'::text]),'none'::text,COALESCE(c.ended_at, c.happened_at),'The provider sent no recording of this call.'::text,told.unrecorded), (14,c.provider = 'twilio'::text AND c.status = 'missed'::text,'none'::text,c.happened_at,'There is nothing to analyse: the call is missed, and Twilio reported no voicemail.'::text,'If the caller was to leave one: does the company''s call_flow lead to a voicemail, has the number voicemail_enabled (GET /api/v1/numbers), and does Twilio reach OTTO_PUBLIC_URL?'::text), (15,true,'none'::text,c.happened_at,('There is nothing to analyse: the call is '::text || c.status) || '.'::text,NULL::text)) v(rank, applies, state, since, why, cure)
          WHERE v.applies
          ORDER BY v.rank
         LIMIT 1) s;
ALTER VIEW analysis_states SET (security_invoker=true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON analysis_states TO otto_maintenance;
GRANT SELECT ON analysis_states TO otto_query_service;
GRANT SELECT ON analysis_states TO otto_shunya_orchestrator;

CREATE VIEW call_logs AS
 SELECT calls.call_id AS id,
    calls.company_id AS workspace_id,
    calls.provider_call_id AS call_sid,
        CASE calls.direction
            WHEN 'inbound'::text THEN calls.tracking_number
            ELSE calls.phone_number
        END AS to_number,
        CASE calls.direction
            WHEN 'inbound'::text THEN calls.phone_number
            ELSE calls.tracking_number
        END AS from_number,
    calls.direction,
    calls.status,
    calls.started_at,
    calls.ended_at,
    calls.duration AS duration_seconds,
    calls.recording_url,
    calls.missed_call,
    calls.created_at,
    calls.updated_at
   FROM calls;
ALTER VIEW call_logs SET (security_invoker=true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON call_logs TO otto_maintenance;
GRANT SELECT ON call_logs TO otto_query_service;

CREATE VIEW callrail_accounts AS
 SELECT companies.id AS company_id,
    'callrail'::text AS provider,
    companies.callrail_account_id AS account_id,
    companies.callrail_company_id AS provider_company_id,
    companies.callrail_api_key AS api_key,
    'callrail_api_key'::text AS api_key_column,
    companies.callrail_signing_key AS signing_key,
    NOT companies.callrail_signing_key_explicit AS from_provider,
        CASE
            WHEN companies.callrail_signing_key_former_until IS NOT NULL THEN companies.callrail_signing_key_former
            ELSE NULL::text
        END AS former_key,
    NOT companies.callrail_signing_key_former_explicit AS former_from_provider,
    companies.callrail_signing_key_former_until AS former_until,
    'callrail_signing_key'::text AS signing_key_column,
    companies.callrail_problem AS problem,
    companies.callrail_problem_cure AS problem_cure
   FROM companies
  WHERE num_nonnulls(companies.callrail_account_id, companies.callrail_company_id, companies.callrail_api_key, companies.callrail_signing_key, companies.callrail_signing_key_former, companies.callrail_problem) > 0;
ALTER VIEW callrail_accounts SET (security_invoker=true);
GRANT SELECT ON callrail_accounts TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON callrail_accounts TO otto_maintenance;

CREATE VIEW offices AS
 SELECT companies.id AS tenant_id,
    companies.id,
    companies.name,
    companies.phone_number,
    companies.address,
    companies.timezone,
    companies.callrail_company_id,
    companies.callrail_account_id,
    companies.callrail_api_key,
    companies.workflow_config,
    companies.status,
    companies.created_at,
    companies.updated_at
   FROM companies;
ALTER VIEW offices SET (security_invoker=true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON offices TO otto_maintenance;

CREATE VIEW provider_accounts AS
 SELECT callrail_accounts.company_id,
    callrail_accounts.provider,
    callrail_accounts.account_id,
    callrail_accounts.provider_company_id,
    callrail_accounts.api_key,
    callrail_accounts.api_key_column,
    callrail_accounts.signing_key,
    callrail_accounts.from_provider,
    callrail_accounts.former_key,
    callrail_accounts.former_from_provider,
    callrail_accounts.former_until,
    callrail_accounts.signing_key_column,
    callrail_accounts.problem,
    callrail_accounts.problem_cure
   FROM callrail_accounts
UNION ALL
 SELECT twilio_accounts.company_id,
    twilio_accounts.provider,
    twilio_accounts.account_id,
    twilio_accounts.provider_company_id,
    twilio_accounts.api_key,
    twilio_accounts.api_key_column,
    twilio_accounts.signing_key,
    twilio_accounts.from_provider,
    twilio_accounts.former_key,
    twilio_accounts.former_from_provider,
    twilio_accounts.former_until,
    twilio_accounts.signing_key_column,
    twilio_accounts.problem,
    twilio_accounts.problem_cure
   FROM twilio_accounts;
ALTER VIEW provider_accounts SET (security_invoker=true);
GRANT SELECT ON provider_accounts TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON provider_accounts TO otto_maintenance;

CREATE VIEW twilio_accounts AS
 SELECT companies.id AS company_id,
    'twilio'::text AS provider,
    companies.twilio_account_sid AS account_id,
    NULL::text AS provider_company_id,
    companies.twilio_auth_token AS api_key,
    'twilio_auth_token'::text AS api_key_column,
    companies.twilio_auth_token AS signing_key,
    false AS from_provider,
        CASE
            WHEN companies.twilio_auth_token_former_until IS NOT NULL THEN companies.twilio_auth_token_former
            ELSE NULL::text
        END AS former_key,
    false AS former_from_provider,
    companies.twilio_auth_token_former_until AS former_until,
    'twilio_auth_token'::text AS signing_key_column,
    companies.twilio_problem AS problem,
    companies.twilio_problem_cure AS problem_cure
   FROM companies
  WHERE num_nonnulls(companies.twilio_account_sid, companies.twilio_auth_token, companies.twilio_auth_token_former, companies.twilio_problem) > 0;
ALTER VIEW twilio_accounts SET (security_invoker=true);
GRANT SELECT ON twilio_accounts TO otto_company_service;
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON twilio_accounts TO otto_maintenance;

CREATE VIEW user_phone_numbers AS
 SELECT company_numbers.id,
    company_numbers.company_id AS workspace_id,
    company_numbers.user_id,
    company_numbers.e164 AS phone_number,
    company_numbers.provider_sid AS twilio_phone_sid,
    company_numbers.is_active,
    company_numbers.voicemail_enabled,
    company_numbers.created_at,
    company_numbers.updated_at
   FROM company_numbers
  WHERE company_numbers.provider = 'twilio'::text;
ALTER VIEW user_phone_numbers SET (security_invoker=true);
GRANT DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE ON user_phone_numbers TO otto_maintenance;
