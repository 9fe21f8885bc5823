-- What comes due by itself, whose hand a task has been in, and what else this service needs to see.
-- Locks: `tasks` exclusively for a moment (columns without a rewrite).
SET LOCAL lock_timeout = '5s';

-- A queue by time: missed calls whose grace ends, open tasks whose time comes. One look by index finds what is due of all companies, however many there are; then
-- the work is done in the scope of those companies. A listed exception from row-level security: no tenant's content stands in it, only ids.
CREATE TABLE due_work (
  company_id text NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('missed_call', 'task')),
  ref        text NOT NULL,                     -- calls.call_id, tasks.id
  due_at     timestamptz NOT NULL,
  PRIMARY KEY (company_id, kind, ref)
);
CREATE INDEX due_work_at ON due_work (due_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON due_work TO otto_lead_pipeline;

ALTER TABLE tasks ADD COLUMN slot integer,                 -- of tasks from an analysis: the how many-th of its call and action type
                  ADD COLUMN analysis_version bigint,      -- the analysis whose words stand here
                  ADD COLUMN edited_at timestamptz,        -- a person had a hand in it: no analysis changes it any more
                  ADD COLUMN edited_by text;

-- Whoever writes a task, also by SQL: an open one with a time is due at it.
CREATE FUNCTION tasks_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' AND NEW.status = 'open' AND NEW.due_at IS NOT NULL THEN
    INSERT INTO due_work (company_id, kind, ref, due_at) VALUES (NEW.company_id, 'task', NEW.id::text, NEW.due_at)
    ON CONFLICT (company_id, kind, ref) DO UPDATE SET due_at = excluded.due_at;
  ELSE
    DELETE FROM due_work WHERE company_id = OLD.company_id AND kind = 'task' AND ref = OLD.id::text;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER tasks_due_added AFTER INSERT ON tasks FOR EACH ROW WHEN (NEW.status = 'open' AND NEW.due_at IS NOT NULL) EXECUTE FUNCTION tasks_due();
CREATE TRIGGER tasks_due_moved AFTER UPDATE OF status, due_at ON tasks FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.due_at IS DISTINCT FROM NEW.due_at) EXECUTE FUNCTION tasks_due();
CREATE TRIGGER tasks_due_removed AFTER DELETE ON tasks FOR EACH ROW WHEN (OLD.status = 'open' AND OLD.due_at IS NOT NULL) EXECUTE FUNCTION tasks_due();

-- Times without a zone, and days, are those of the company.
CREATE POLICY batch_companies ON companies FOR SELECT TO otto_lead_pipeline USING (position(',' || id || ',' IN ',' || current_setting('otto.company_ids', true) || ',') > 0);
GRANT SELECT (id, timezone) ON companies TO otto_lead_pipeline;

-- What people do to leads and tasks is on record beside what they do to companies: added to, never read or changed from here.
CREATE POLICY own_actions ON audit_log FOR INSERT TO otto_lead_pipeline WITH CHECK (company_id = otto_request_company());
GRANT INSERT ON audit_log TO otto_lead_pipeline;
