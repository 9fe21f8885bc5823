-- What comes due by itself stands in the queue of all services (20261129220000_work.sql): missed calls whose grace ends, open tasks whose
-- time comes. What waits goes there, and whoever writes a task, also by SQL, puts it there.
-- Locks: due_work exclusively, until it is gone.
SET LOCAL lock_timeout = '5s';

INSERT INTO work (queue, company_id, key, due_at)
SELECT CASE kind WHEN 'task' THEN 'lead-pipeline/overdue-tasks' ELSE 'lead-pipeline/missed-calls' END, company_id, ref, due_at FROM due_work;
DROP TABLE due_work;

CREATE OR REPLACE FUNCTION tasks_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' AND NEW.status = 'open' AND NEW.due_at IS NOT NULL THEN
    PERFORM otto_want('lead-pipeline/overdue-tasks', NEW.company_id, NEW.id::text, NEW.due_at);
  ELSE
    PERFORM otto_unwant('lead-pipeline/overdue-tasks', OLD.company_id, OLD.id::text);
  END IF;
  RETURN NULL;
END $$;
