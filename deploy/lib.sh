# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is used by the commands that source this file
# What the commands of deploy/ share: where things are, the chosen settings, starting and stopping processes. Sourced, not run.
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run=$(realpath -m "${OTTO_RUN_DIR:-$repo/.run}")
pids="$run/pids" logs="$run/logs"
# Names of services, and of those that log in at the database: services/*/service.json.
services="" database_users="maintenance"
for manifest in "$repo"/services/*/service.json; do
  manifest=${manifest%/service.json}
  services="$services ${manifest##*/}"
  ! grep -q '"database"' "$manifest/service.json" || database_users="$database_users ${manifest##*/}"
done
pg_bin=/usr/lib/postgresql/15/bin

# ---- settings
# .run/env has two parts. `chosen` was chosen once or given by a caller and is kept; `derived` follows from it and is made anew by each
# `up`, so that a changed port also changes the addresses that hold it. The caller's environment beats both, also with an empty value.
declare -A chosen=() derived=()
derived_mark='# Follows from the above; made anew by each deploy/up.'
quoted() { # a value as a shell reads it
  case "$1" in *[!A-Za-z0-9_@%+=:,./-]*) printf "'%s'" "${1//\'/\'\\\'\'}" ;; *) printf '%s' "$1" ;; esac
}
unquoted() {
  local value=$1
  case "$value" in \'*\') value=${value#\'}; value=${value%\'}; value=${value//\'\\\'\'/\'} ;; esac
  printf '%s' "$value"
}
read_env() { # fills chosen and derived from .run/env
  local line name part=chosen
  [ -e "$run/env" ] || return 0
  while IFS= read -r line; do
    [ "$line" != "$derived_mark" ] || part=derived
    name=${line%%=*}
    case "$name" in ''|\#*) continue ;; esac
    if [ $part = chosen ]; then chosen[$name]=$(unquoted "${line#*=}"); else derived[$name]=$(unquoted "${line#*=}"); fi
  done < "$run/env"
}
save_env() {
  local name
  (
    umask 077
    {
      echo "# What deploy/up chose and what its caller gave; kept over deploy/down and deploy/up."
      for name in "${!chosen[@]}"; do printf '%s=%s\n' "$name" "$(quoted "${chosen[$name]}")"; done | sort
      echo "$derived_mark"
      for name in "${!derived[@]}"; do printf '%s=%s\n' "$name" "$(quoted "${derived[$name]}")"; done | sort
    } > "$run/env.new"
  )
  mv "$run/env.new" "$run/env"
}
need_stack() { # for every command but `up`: the settings of the stack that is there
  local name
  [ -e "$run/env" ] || { echo "deploy/${0##*/}: there is no stack in $run yet; start it with deploy/up" >&2; exit 1; }
  read_env
  for name in "${!chosen[@]}"; do [ -n "${!name+set}" ] || export "$name=${chosen[$name]}"; done
  for name in "${!derived[@]}"; do [ -n "${!name+set}" ] || export "$name=${derived[$name]}"; done
}
role_of() { echo "otto_${1//-/_}"; }
upper() { local t=${1//-/_}; echo "${t^^}"; }

# ---- processes
# Beside a process id stands when that process started, so that an id which the system has given to another is not mistaken for ours.
started_at() { local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; stat=${stat##*) }; set -- $stat; [ "$1" != Z ] && echo "${20}"; }
pid_of() { # the process id of a component, if it runs
  local pid
  if [ "$1" = postgres ]; then
    # A file of a Postgres that was killed stays; its number may be another's by now, or that of a process which nobody has buried.
    pid=$(head -n 1 "$run/postgres/postmaster.pid" 2>/dev/null) && started_at "$pid" >/dev/null && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ] && echo "$pid"
  else
    pid=$(cat "$pids/$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(started_at "$pid")" = "$(cat "$pids/.$1.start" 2>/dev/null)" ] && echo "$pid"
  fi
}
launch() { # launch NAME COMMAND…: in the background, apart from this terminal
  local name=$1; shift
  mkdir -p "$pids" "$logs"
  setsid nohup "$@" >> "$logs/$name.log" 2>&1 < /dev/null &
  started_at $! > "$pids/.$name.start" || true
  echo $! > "$pids/$name"
}
orphans() { # orphans NAME: what a killed nginx leaves behind, its workers, who still hold its ports; and a killed Postgres, its children, who still hold its memory
  local leader pid data found=""
  case "$1" in
    nginx) leader=$(cat "$pids/$1" 2>/dev/null) && [ -n "$leader" ] && [ ! -e "/proc/$leader" ] && pgrep -x -g "$leader" nginx ;;
    postgres) # they work in their data's folder
      data=$(readlink -f "$run/postgres" 2>/dev/null) && [ -n "$data" ] && ! pid_of postgres >/dev/null || return 1
      for pid in $(pgrep -x postgres || true); do
        [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" != "$data" ] || ! started_at "$pid" >/dev/null || { echo "$pid"; found=1; }
      done
      [ -n "$found" ] ;;
    *) return 1 ;;
  esac
}
end_orphans() { # end_orphans NAME: waits for their end, which comes by itself; helps after 5 s, and again after 5
  local signal tries
  for signal in 0 QUIT KILL; do
    for tries in $(seq 50); do
      [ -n "$(orphans "$1" || true)" ] || return 0
      [ "$tries" != 1 ] || kill -"$signal" $(orphans "$1" || true) 2>/dev/null || true
      sleep 0.1
    done
  done
}
stop() { # stop NAME SECONDS: politely, then by force
  local pid signal=TERM waited=0
  for pid in $(orphans "$1" || true); do kill -KILL "$pid" 2>/dev/null || true; done
  if pid=$(pid_of "$1"); then
    [ "$1" != nginx ] || signal=QUIT # it answers what it has begun
    kill -$signal "$pid" 2>/dev/null || true
    while pid_of "$1" >/dev/null && [ $waited -lt $(($2 * 10)) ]; do sleep 0.1; waited=$((waited + 1)); done
    if pid_of "$1" >/dev/null; then
      echo "$1 (process $pid) did not end within $2 s and is killed" >&2
      kill -KILL "$pid" 2>/dev/null || true
      while pid_of "$1" >/dev/null; do sleep 0.1; done
    fi
  fi
  rm -f "$pids/$1" "$pids/.$1.start"
}
stop_otto() {
  local name
  for name in nginx $services all-in-one; do
    ! pid_of "$name" >/dev/null || echo "stopping $name"
    stop "$name" 40
  done
}
stop_all() {
  local name
  stop_otto
  for name in grafana prometheus sandbox kafka; do
    ! pid_of "$name" >/dev/null || echo "stopping $name"
    stop "$name" 40
  done
  if pid_of postgres >/dev/null; then
    echo "stopping postgres"
    as_postgres "$pg_bin/pg_ctl" -D "$(readlink -f "$run/postgres")" -m fast -w -t 60 stop >/dev/null
  fi
}
purge_data() { # what `up` made, and nothing else that may lie in the folder
  local data
  data=$(readlink -f "$run/postgres" 2>/dev/null || true)
  case "$data" in /var/lib/postgresql/otto-*|"$run"/pgdata) rm -rf "$data" ;; esac
  rm -rf "$run"/{prometheus,grafana,postgres,kafka,spool,objects,sandbox,nginx,nginx.conf,pids,logs,version} "$run"/members.snapshot* "$run"/*.log
}
lock_stack() { # lock_stack SECONDS: one `up` or `down` at a time; held through file 8, which no child may inherit
  exec 8> "$run/.lock"
  flock -w "$1" 8 || { echo "deploy/${0##*/}: another deploy/up or deploy/down is at work in $run; wait for its end" >&2; exit 1; }
}
as_postgres() { # Postgres refuses to run as root
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# ---- talking
psql_as() { # psql_as URL [ARGS…]: the password stands in the environment, not in the list of processes
  local url=$1 bare password=""; shift
  case "$url" in
    postgres*://*:*@*)
      bare=$(sed -E 's|^([a-z]+://[^:/@]*):[^@]*@|\1@|' <<< "$url")
      password=$(sed -E 's|^[a-z]+://[^:/@]*:([^@]*)@.*|\1|' <<< "$url")
      case "$password" in *%*) ;; *) PGPASSWORD=$password exec psql "$bare" "$@" ;; esac ;;
  esac
  exec psql "$url" "$@"
}
json_get() { # json_get a.b.0: that member of the JSON on standard input; nothing if there is none
  python3 -c 'import json, sys
try: v = json.load(sys.stdin)
except ValueError: v = None
for k in sys.argv[1].split("."):
    v = v[int(k)] if isinstance(v, list) and k.isdigit() and int(k) < len(v) else v.get(k) if isinstance(v, dict) else None
print("" if v is None else v if isinstance(v, str) else json.dumps(v))' "$1"
}
sandbox_post() { # sandbox_post PATH JSON: prints the answer; what is refused is said with its reason
  local answer status
  answer=$(curl -s --noproxy '*' -m 120 -w '\n%{http_code}' -H 'Content-Type: application/json' -d "$2" "http://127.0.0.1:$OTTO_SANDBOX_PORT$1") || {
    echo "deploy/${0##*/}: the sandbox does not answer on port $OTTO_SANDBOX_PORT; deploy/status says what runs, deploy/up brings back what does not" >&2
    return 1
  }
  status=${answer##*$'\n'} answer=${answer%$'\n'*}
  case "$status" in 2*) printf '%s\n' "$answer" ;; *) echo "deploy/${0##*/}: the sandbox refused ($status): $answer" >&2; return 1 ;; esac
}
