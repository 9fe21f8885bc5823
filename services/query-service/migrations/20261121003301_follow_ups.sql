-- How appointments and tasks are asked for. Locks: each table against writers while its rows are read once; both are new.
SET LOCAL lock_timeout = '30s';

-- Ordered by what is planned; what has no time yet stands where it was made.
CREATE INDEX appointments_planned ON appointments (company_id, (coalesce(scheduled_start, created_at)) DESC, id DESC);
CREATE INDEX tasks_planned ON tasks (company_id, (coalesce(due_at, created_at)) DESC, id DESC);
-- The dashboards' follow-ups: what is still to be done.
CREATE INDEX tasks_open ON tasks (company_id, assigned_to, due_at) INCLUDE (assignee_id, status) WHERE status IN ('open', 'overdue');

-- Past its time, whether the schedule has said so already or not.
CREATE FUNCTION task_is_overdue(status text, due_at timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT status = 'overdue' OR (status = 'open' AND due_at IS NOT NULL AND due_at < now()) $$;
