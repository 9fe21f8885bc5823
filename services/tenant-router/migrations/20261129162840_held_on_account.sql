-- A company's manager sees what waits on its account, and why; until now operators alone did, and a company whose webhooks went into the hold saw fewer calls and nothing else.
-- held_events has no wall, for most of its rows are nobody's: so a function that tells of the asking company's, and of nothing else. It looks at the 10,000 oldest, so that a flood costs
-- a bounded moment.
-- Locks: held_events against writers while the index is made over what waits, which is little.
SET LOCAL lock_timeout = '5s';
CREATE INDEX held_events_account ON held_events (held_for, received_at) WHERE released_at IS NULL AND held_for IS NOT NULL;
CREATE FUNCTION held_on_account() RETURNS json LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH waiting AS MATERIALIZED (
    SELECT reason, cure, octet_length(raw_body) AS bytes, received_at FROM held_events
     WHERE held_for = otto_request_company() AND released_at IS NULL ORDER BY received_at LIMIT 10000),
  reasons AS (SELECT reason, cure, count(*) AS events FROM waiting GROUP BY reason, cure ORDER BY events DESC, reason, cure LIMIT 5)
  SELECT json_build_object('events', count(*), 'bytes', sum(bytes), 'oldest_at', to_char(min(received_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                           'reasons', (SELECT json_agg(json_build_object('reason', reason, 'cure', cure, 'events', events) ORDER BY events DESC, reason, cure) FROM reasons))
    FROM waiting HAVING count(*) > 0
$$;
REVOKE EXECUTE ON FUNCTION held_on_account() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION held_on_account() TO otto_query_service;
