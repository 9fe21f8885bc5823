# Run once by the image of Postgres, when its volume is empty: the database, its owner, who has no right to make roles, and a
# login for each service, with the password of its Secret.
(
set -eu
create() { # create ROLE PASSWORD ATTRIBUTES
  psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -q -v role="$1" -v password="$2" <<SQL
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE $3 PASSWORD :'password';
SQL
}
create otto_owner "$(cat /run/otto/roles/owner)" NOBYPASSRLS
create otto_maintenance "$(cat /run/otto/roles/maintenance)" BYPASSRLS
for file in /run/otto/roles/*; do
  case "${file##*/}" in owner|maintenance) continue ;; esac
  create "otto_$(basename "$file" | tr - _)" "$(cat "$file")" NOBYPASSRLS
done
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -q -c 'CREATE DATABASE otto OWNER otto_owner'
)
