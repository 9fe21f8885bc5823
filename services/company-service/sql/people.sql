-- name: hold_people
-- Commands that take a manager away from a company look one after another at who else is one.
SELECT id FROM companies WHERE id = $1 FOR NO KEY UPDATE

-- name: person
-- $3: for how long a request may wait for Clerk, ms.
SELECT id, email, role, status, clerk_updated_at, changing ->> 'role' AS to_role, changing ->> 'status' AS to_status, changing ->> 'by' AS asked_by, changing ->> 'since' AS since,
       (changing ->> 'since')::timestamptz AS asked_at, coalesce((changing ->> 'since')::timestamptz > now() - $3::bigint * interval '1 millisecond', false) AS asking
  FROM company_users WHERE company_id = $1 AND id = $2 FOR UPDATE

-- name: other_managers
-- Those who stay: nobody who is being demoted or removed.
SELECT count(*) AS n FROM company_users WHERE company_id = $1 AND id <> $2 AND role = 'manager' AND status = 'active'
   AND coalesce(changing ->> 'role', 'manager') = 'manager' AND coalesce(changing ->> 'status', 'active') = 'active'

-- name: ask_of_person
UPDATE company_users SET changing = jsonb_strip_nulls(jsonb_build_object('role', $3::text, 'status', $4::text, 'by', $5::text, 'since', now()::text))
 WHERE company_id = $1 AND id = $2 RETURNING changing ->> 'since' AS since

-- name: asked_no_more
-- $3: what it says of when; what was asked since is somebody else's.
UPDATE company_users SET changing = NULL WHERE company_id = $1 AND id = $2 AND changing ->> 'since' = $3

-- name: user
/*one_user*/

-- name: person_of_address
SELECT id, role, status FROM company_users WHERE company_id = $1 AND lower(email) = $2 AND status <> 'removed' ORDER BY status LIMIT 1

-- name: ask_invitation
-- No row: another request asks for it at the moment.
INSERT INTO invitations_asked AS a (company_id, email, role, name, asked_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (company_id, email) DO UPDATE SET role = excluded.role, name = excluded.name, asked_by = excluded.asked_by, asked_at = now() WHERE a.asked_at < now() - $6::bigint * interval '1 millisecond'
RETURNING email, role, name, asked_by, asked_at, true AS asking

-- name: invitation_asked
SELECT email, role, name, asked_by, asked_at, asked_at > now() - $3::bigint * interval '1 millisecond' AS asking FROM invitations_asked WHERE company_id = $1 AND email = $2 FOR UPDATE

-- name: invitation_settled
DELETE FROM invitations_asked WHERE company_id = $1 AND email = $2 AND asked_at = $3

-- name: without_manager
SELECT companies_without_manager() AS n
