-- Services' statements look rows up by key, whatever the keys are: one plan for all of them. Planning each anew with the values at hand cost batches more than running
-- them, and a company that is newer than the statistics was planned for as if it had one row. Services have their sessions plan anew every few seconds (libs/pg), so
-- that a plan made for an empty table does not outlive it; and an index is not priced as on a turning disk, so that no whole table is read for ten keys. No locks.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['otto_company_service', 'otto_tenant_router', 'otto_lead_pipeline', 'otto_query_service', 'otto_shunya_orchestrator', 'otto_appointment_service',
                              'otto_workflow_service'] LOOP
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET plan_cache_mode = force_generic_plan', name, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET random_page_cost = 1.1', name, current_database());
  END LOOP;
END $$;
