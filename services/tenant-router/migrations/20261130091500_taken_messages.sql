-- Company-service holds a provider's list of texts against what is here. A text to a number that is none of the account's companies' is in no company's messages: it waits among the held events, or went
-- to another company. Both have no wall, for most rows are nobody's or are looked up to find whose they are: so a function that says which of the texts it is asked about have been taken in, and nothing
-- else of them. Texts that were held before they were named there enter once more, and end in the same row.
-- Locks: none.
CREATE FUNCTION taken_messages(provider_name text, names text[]) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT provider_call_id FROM provider_calls WHERE provider = provider_name AND provider_call_id = ANY (names)
  UNION
  SELECT name FROM held_events, unnest(concerns) AS name WHERE released_at IS NULL AND provider = provider_name AND concerns && names AND name = ANY (names)
$$;
REVOKE EXECUTE ON FUNCTION taken_messages(text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION taken_messages(text, text[]) TO otto_company_service, otto_maintenance;
