# Honours POSTGRES_PASSWORD, POSTGRES_USER and POSTGRES_DB (each also as ..._FILE), POSTGRES_INITDB_ARGS, PGDATA, a command
# line `postgres -c ...`, and /docker-entrypoint-initdb.d at the first start.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --clear-groups bash "$0" "$@"
fi

given() { # given NAME DEFAULT
  local file="${1}_FILE"
  if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-$2}"; fi
}

if [ "${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$(given POSTGRES_PASSWORD "")
  [ -n "$password" ] || { echo "POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE has to say the superuser's password" >&2; exit 1; }
  user=$(given POSTGRES_USER postgres)
  database=$(given POSTGRES_DB "$user")
  mkdir -p "$PGDATA" && chmod 700 "$PGDATA"
  read -ra asked <<<"${POSTGRES_INITDB_ARGS:-}"
  initdb --pgdata "$PGDATA" --username "$user" --pwfile=<(printf '%s' "$password") --encoding UTF8 --locale C "${asked[@]}"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --pgdata "$PGDATA" --wait --options "-c listen_addresses='' -c unix_socket_directories=/tmp" start
  psql=(psql --no-psqlrc --set ON_ERROR_STOP=1 --host /tmp --username "$user" --quiet)
  [ "$database" = postgres ] || "${psql[@]}" --dbname postgres --command "create database \"$database\""
  for each in /docker-entrypoint-initdb.d/*; do
    case $each in
      *.sh) bash "$each" ;;
      *.sql) "${psql[@]}" --dbname "$database" --file "$each" ;;
    esac
  done
  pg_ctl --pgdata "$PGDATA" --wait --mode fast stop
fi
if [ "${1:-}" = postgres ]; then
  shift
  exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
fi
exec "$@"
