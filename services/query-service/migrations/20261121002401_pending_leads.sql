-- A company's rows here are folded now and then, so most of what was ever written is dead: cleared away early, each look at the dashboard reads the living only. No locks
-- that anybody waits for.
ALTER TABLE pending_leads SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
