-- name: is_removed
SELECT id FROM company_users WHERE company_id = $1 AND id = $2 AND status = 'removed'

-- name: removed_among
SELECT u.company_id, u.id FROM unnest($1::text[], $2::text[]) AS i (company_id, id) JOIN company_users u ON u.company_id = i.company_id AND u.id = i.id WHERE u.status = 'removed'

-- name: open_leads_of_rep
SELECT id, contact_card_id FROM leads WHERE company_id = $1 AND assigned_rep_id = $2 AND status NOT IN ('closed_won', 'closed_lost', 'abandoned')

-- name: tasks_to_their_role
UPDATE tasks t SET assignee_id = NULL, version = t.version + 1, updated_at = now()
  FROM (SELECT id FROM tasks WHERE company_id = $1 AND assignee_id = $2 AND status IN ('open', 'overdue') ORDER BY id FOR UPDATE) o
 WHERE t.company_id = $1 AND t.id = o.id
RETURNING t.id, t.version
