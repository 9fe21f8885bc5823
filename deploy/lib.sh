# What the commands of deploy/ share: where things are, the chosen settings, starting and stopping processes. Sourced, not run.
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run=${OTTO_RUN_DIR:-$repo/.run}
mkdir -p "$run"
run=$(cd "$run" && pwd)
pids="$run/pids" logs="$run/logs"
services="company-service callrail-ingress tenant-router lead-pipeline query-service"

# Settings: what the caller's environment says (also an empty value), else what an earlier `up` chose, else a default.
declare -A chosen=()
load_env() {
  local line name
  [ -e "$run/env" ] || return 0
  while IFS= read -r line; do
    name=${line%%=*}
    case "$name" in ''|\#*) continue ;; esac
    chosen[$name]=${line#*=}
    [ -n "${!name+set}" ] || export "$name=${line#*=}"
  done < "$run/env"
}
choose() { # choose NAME DEFAULT…: the default is computed only if it is needed
  local name=$1; shift
  if [ -z "${!name+set}" ]; then export "$name=$("$@")"; fi
  chosen[$name]=${!name}
}
save_env() {
  local name
  (umask 077; for name in "${!chosen[@]}"; do printf '%s=%s\n' "$name" "${chosen[$name]}"; done | sort > "$run/env.new")
  mv "$run/env.new" "$run/env"
}
need_stack() {
  load_env
  [ -e "$run/env" ] || { echo "${0##*/}: there is no stack in $run yet; start it with deploy/up" >&2; exit 1; }
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
password() { openssl rand -hex 16; }

pid_of() { # the process id of a component, if it runs
  local pid
  if [ "$1" = postgres ]; then pid=$(head -n 1 "$run/postgres/postmaster.pid" 2>/dev/null) || return 1
  else pid=$(cat "$pids/$1" 2>/dev/null) || return 1
  fi
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null && [ "$(ps -o stat= -p "$pid" | cut -c1)" != Z ] && echo "$pid"
}
launch() { # launch NAME COMMAND…: in the background, apart from this terminal
  local name=$1; shift
  mkdir -p "$pids" "$logs"
  setsid nohup "$@" >> "$logs/$name.log" 2>&1 < /dev/null &
  echo $! > "$pids/$name"
}
stop() { # stop NAME SECONDS
  local pid waited=0
  pid=$(pid_of "$1") || { rm -f "$pids/$1"; return 0; }
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && [ $waited -lt $(($2 * 10)) ]; do sleep 0.1; waited=$((waited + 1)); done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$pids/$1"
}
as_postgres() { # Postgres refuses to run as root
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}
pg_bin=/usr/lib/postgresql/15/bin
role_of() { echo "otto_${1//-/_}"; }
upper() { local t=${1//-/_}; echo "${t^^}"; }
json_get() { python3 -c 'import json, sys
v = json.load(sys.stdin)
for k in sys.argv[1].split("."): v = v[int(k)] if isinstance(v, list) else v.get(k) if v is not None else None
print("" if v is None else v if isinstance(v, str) else json.dumps(v))' "$1"; }
sandbox_post() { curl -sS --fail-with-body -H 'Content-Type: application/json' -d "$2" "http://127.0.0.1:$OTTO_SANDBOX_PORT$1"; }
