#!/usr/bin/env bash
# Runs a private PostgreSQL with wal_level=logical on 127.0.0.1 until ctrl-C, and leaves nothing behind.
# Usage: scripts/run-postgres.sh [PORT] [SETTING=VALUE...]       superuser: postgres, no password
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
scripts/install-postgres.sh

port=${1:-5499}
[ $# = 0 ] || shift
major=${E2E_PG_MAJOR:-15}
bin=${E2E_PG_BIN:-/usr/lib/postgresql/$major/bin}
[ -x "$bin/postgres" ] || bin=$PWD/.cache/postgres-$major/bin

work=$(mktemp -d "${TMPDIR:-/tmp}/waltap-pg.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'if [ -n "${server:-}" ]; then kill -INT "$server" 2>/dev/null || true; else exit 1; fi' INT TERM
# PostgreSQL refuses to run as root.
as_server=()
if [ "$(id -u)" = 0 ]; then
    owner=postgres
    id "$owner" >/dev/null 2>&1 || owner=nobody
    chown "$owner" "$work"
    as_server=(setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups)
fi
settings=(-c "port=$port" -c listen_addresses=127.0.0.1 -c "unix_socket_directories=$work" -c wal_level=logical
    -c max_replication_slots=20 -c max_wal_senders=20 -c fsync=off)
for setting in "$@"; do settings+=(-c "$setting"); done
"${as_server[@]}" "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$work/initdb.log" ||
    fail "initdb failed: $(cat "$work/initdb.log")"
"${as_server[@]}" "$bin/postgres" -D "$work/data" "${settings[@]}" &
server=$!
say "PostgreSQL on postgres://postgres@127.0.0.1:$port/postgres, socket and data in $work; ctrl-C stops and removes it"
wait "$server" || true
wait "$server" 2>/dev/null || true
