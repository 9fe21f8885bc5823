-- The wall around a table of tenants' rows, in one place: forced row-level security, its two policies, and the grants of who writes and who reads. Every new table with a company_id
-- asks for it once:
--
--   SELECT otto_wall('documents', writer => 'otto_document_service');
--
-- The writer reaches the companies of its transaction, be it a batch of events or one request (the scope of one company is a batch of one); a reader reaches the company of its request. The writer's
-- condition is written so that no index is chosen for it (batch_policies says why). A table that somebody else must reach has a policy of its own beside it, under a name of its own.
-- Locks: none here; a table that is walled when it is made is nobody's yet.
CREATE FUNCTION otto_wall(walled regclass, writer name, readers name[] DEFAULT '{otto_query_service}') RETURNS void LANGUAGE plpgsql AS $$
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
END $$;
REVOKE EXECUTE ON FUNCTION otto_wall(regclass, name, name[]) FROM PUBLIC;
