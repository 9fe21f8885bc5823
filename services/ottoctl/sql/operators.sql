-- name: who
SELECT current_user AS role, rolsuper OR rolbypassrls AS sees_all FROM pg_roles WHERE rolname = current_user

-- name: actions_on
-- What operators did to one held event or dead letter.
SELECT json_build_object('at', at, 'operator', operator, 'login', login, 'action', action, 'reason', reason) AS j FROM operator_actions WHERE target = $1 ORDER BY at, id
