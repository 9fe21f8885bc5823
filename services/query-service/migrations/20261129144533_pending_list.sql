-- "Pending" is what the pending list shows: leads that somebody has to call (status=qualified_unbooked,warm,hot), whosever they are. It was every open lead in the pool, booked ones too, which no
-- list gave. Its triggers ask this function; what they kept is counted anew.
-- Locks: `leads` against writers for as long as it takes to count it once.
SET LOCAL lock_timeout = '30s';
CREATE OR REPLACE FUNCTION lead_is_pending(status text, pool_status text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT status IN ('qualified_unbooked', 'warm', 'hot') $$;
SELECT pending_leads_recount();
