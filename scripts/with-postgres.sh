#!/bin/sh
# Runs a command beside a PostgreSQL of its own, whose database is named by PELLUCID_TEST_POSTGRES and gone afterwards.
set -eu
if [ -n "${PELLUCID_TEST_POSTGRES:-}" ]; then
    exec "$@"
fi
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
if [ -z "$programs" ] && command -v pg_ctl >/dev/null 2>&1; then
    programs=$(dirname "$(command -v pg_ctl)")
fi
if [ -z "$programs" ]; then
    echo "No PostgreSQL is installed (Debian: apt-get install postgresql); the tests of it are skipped." >&2
    exec "$@"
fi
folder=$(mktemp -d)
chmod 711 "$folder"
as_owner() {
    # The server refuses to run as root.
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}
[ "$(id -u)" = 0 ] && chown postgres:postgres "$folder"
stop() {
    as_owner "$programs/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM
cd_back=$(pwd)
cd "$folder"
as_owner "$programs/initdb" -D "$folder/data" -U pellucid -A trust --no-sync >/dev/null
as_owner "$programs/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off" start >/dev/null
as_owner "$programs/createdb" -h "$folder" -U pellucid pellucid
cd "$cd_back"
PELLUCID_TEST_POSTGRES="postgresql://pellucid@/pellucid"
PGHOST="$folder"
export PELLUCID_TEST_POSTGRES PGHOST
"$@"
