-- name: clerk_users_known
-- Held until the transaction ends: what is said of one person at the same moment is taken one after another.
SELECT id FROM clerk_users_known($1::text[])

-- name: take_members
-- People as columns: id, role, Clerk's word where that is none of ours, e-mail, name, removed, when (ms), e-mail and name as of (ms). What is older than what is known has no effect; at the same moment
-- who is removed stays so. Who is gone from Clerk altogether is removed whatever a membership says. `former` locks nothing: a row that this statement has changed already would be passed over; who tells of a person
-- waits at clerk_users_known.
WITH said AS MATERIALIZED (
  SELECT DISTINCT ON (i.id) i.id, i.role, i.word, i.email, i.name, i.removed, i.at, i.profile_at
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::bigint[], $9::bigint[]) AS i (id, role, word, email, name, removed, at, profile_at)
   ORDER BY i.id, i.at DESC, i.removed DESC),
person AS MATERIALIZED (SELECT k.* FROM clerk_users_known(ARRAY(SELECT id FROM said)) k WHERE k.updated_at >= 0),
former AS MATERIALIZED (SELECT u.id, u.role, u.role_unknown, u.status FROM company_users u WHERE u.company_id = $1 AND u.id IN (SELECT id FROM said)),
taken AS (
  INSERT INTO company_users AS u (company_id, id, email, name, role, role_unknown, status, clerk_updated_at, profile_updated_at, at_clerk)
  SELECT $1, s.id, CASE WHEN p.updated_at >= s.profile_at THEN p.email ELSE s.email END, CASE WHEN p.updated_at >= s.profile_at THEN p.name ELSE s.name END, s.role, s.word,
         CASE WHEN s.removed OR p.gone THEN 'removed' ELSE 'active' END, s.at, greatest(p.updated_at, s.profile_at), s.at > 0
    FROM said s LEFT JOIN person p ON p.id = s.id ORDER BY s.id
  ON CONFLICT (company_id, id) DO UPDATE SET
    role = CASE WHEN excluded.clerk_updated_at > u.clerk_updated_at AND coalesce(excluded.role, excluded.role_unknown) <> '' THEN excluded.role ELSE u.role END,
    role_unknown = CASE WHEN excluded.clerk_updated_at > u.clerk_updated_at AND coalesce(excluded.role, excluded.role_unknown) <> '' THEN excluded.role_unknown ELSE u.role_unknown END,
    status = CASE WHEN excluded.clerk_updated_at > u.clerk_updated_at OR (excluded.status = 'removed' AND excluded.clerk_updated_at = u.clerk_updated_at) THEN excluded.status ELSE u.status END,
    email = CASE WHEN excluded.profile_updated_at > u.profile_updated_at OR (excluded.profile_updated_at = u.profile_updated_at AND excluded.clerk_updated_at > u.clerk_updated_at) THEN excluded.email ELSE u.email END,
    name = CASE WHEN excluded.profile_updated_at > u.profile_updated_at OR (excluded.profile_updated_at = u.profile_updated_at AND excluded.clerk_updated_at > u.clerk_updated_at) THEN excluded.name ELSE u.name END,
    profile_updated_at = greatest(excluded.profile_updated_at, u.profile_updated_at),
    clerk_updated_at = greatest(excluded.clerk_updated_at, u.clerk_updated_at),
    at_clerk = u.at_clerk OR excluded.at_clerk
   WHERE excluded.clerk_updated_at > u.clerk_updated_at OR (excluded.status = 'removed' AND u.status <> 'removed' AND excluded.clerk_updated_at = u.clerk_updated_at)
      OR excluded.profile_updated_at > u.profile_updated_at
  RETURNING u.id, u.role, u.role_unknown, u.status, u.email),
-- Who has come is invited no more.
came AS (
  DELETE FROM company_users i USING taken t WHERE i.company_id = $1 AND i.status = 'invited' AND t.status = 'active' AND lower(i.email) = lower(t.email) AND i.id <> t.id RETURNING i.id),
over AS (INSERT INTO clerk_tombstones (kind, id) SELECT 'invitation', id FROM came ON CONFLICT DO NOTHING)
SELECT t.id, CASE WHEN f.id IS NULL THEN '' ELSE coalesce(f.role, f.role_unknown || '?') || CASE f.status WHEN 'active' THEN '' ELSE ' ' || f.status END END AS was,
       coalesce(t.role, t.role_unknown || '?') || CASE t.status WHEN 'active' THEN '' ELSE ' ' || t.status END AS is
  FROM taken t LEFT JOIN former f ON f.id = t.id
 WHERE (f.role, f.role_unknown, f.status) IS DISTINCT FROM (t.role, t.role_unknown, t.status) ORDER BY t.id

-- name: untold_companies
SELECT company_id, changes FROM members_untold ORDER BY company_id LIMIT 500

-- name: told
-- After the members, whose rows who changes them holds first. What came meanwhile leaves the mark.
DELETE FROM members_untold WHERE company_id = $1 AND changes = $2::bigint

-- name: tell_members
UPDATE company_users SET told_version = version WHERE company_id = $1 AND version > told_version
RETURNING id, status, role, role_unknown, version, removed_at, changed_at

-- name: keep_invitation
INSERT INTO company_users AS u (company_id, id, email, name, role, role_unknown, status, clerk_updated_at, invitation_id, at_clerk)
SELECT $1, $2, $3, $4, $5, $6, 'invited', $7::bigint, $2, true
 WHERE NOT EXISTS (SELECT FROM clerk_tombstones WHERE kind = 'invitation' AND id = $2)
   AND NOT EXISTS (SELECT FROM company_users m WHERE m.company_id = $1 AND m.status = 'active' AND lower(m.email) = lower($3))
ON CONFLICT (company_id, id) DO UPDATE SET role = excluded.role, role_unknown = excluded.role_unknown, email = excluded.email, name = coalesce(excluded.name, u.name), clerk_updated_at = excluded.clerk_updated_at
 WHERE u.status = 'invited' AND excluded.clerk_updated_at > u.clerk_updated_at

-- name: note_tombstone
INSERT INTO clerk_tombstones (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: revoke_invitation
UPDATE company_users SET status = 'removed', changing = NULL WHERE company_id = $1 AND id = $2 AND status = 'invited'

-- name: drop_invitation
DELETE FROM company_users WHERE company_id = $1 AND id = $2 AND status = 'invited'

-- name: note_clerk_event
INSERT INTO clerk_events (svix_id, type) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: clerk_user_changed
SELECT clerk_user_changed($1, $2, $3, $4, $5) AS company_id

-- name: name_organisation
-- A company is called as its organisation until somebody calls it otherwise here.
UPDATE companies SET name = CASE WHEN name = clerk_name THEN $2 ELSE name END, clerk_name = $2, clerk_updated_at = $3::bigint
 WHERE id = $1 AND clerk_updated_at < $3::bigint AND NOT EXISTS (SELECT FROM clerk_tombstones WHERE kind = 'organization' AND id = $1)

-- name: suspend_organisation
UPDATE companies SET status = 'suspended' WHERE id = $1 AND status = 'active'

-- name: look_at_members
SELECT check_company($1, 'members') WHERE EXISTS (SELECT FROM companies WHERE id = $1)

-- name: members_of
SELECT id, email, name, role, role_unknown, status, clerk_updated_at, at_clerk FROM company_users WHERE company_id = $1 AND status <> 'invited'

-- name: member_sums
SELECT company_id, members, versions FROM member_sums()

-- name: told_members
-- What changed a moment ago may be on its way still.
SELECT id, version FROM company_users WHERE company_id = $1 AND status <> 'invited' AND told_version = version AND updated_at < now() - interval '30 seconds'

-- name: tell_members_again
-- Above what the topic has and above what the table has.
UPDATE company_users u SET version = greatest(u.version, i.there) + 1 FROM unnest($2::text[], $3::bigint[]) AS i (id, there)
 WHERE u.company_id = $1 AND u.id = i.id AND u.told_version = u.version

-- name: organisation_is_over
SELECT id FROM clerk_tombstones WHERE kind = 'organization' AND id = $1
