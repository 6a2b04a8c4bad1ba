#!/bin/sh
# Installs what the tests need from the system: a Chromium for the browser tests, a PostgreSQL for those of the store.
set -eu
missing=""
if ! command -v chromium >/dev/null 2>&1 && ! command -v chromium-browser >/dev/null 2>&1 && [ -z "${PELLUCID_CHROMIUM:-}" ]; then
    missing="$missing chromium"
fi
if ! command -v pg_ctl >/dev/null 2>&1 && [ -z "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] && [ -z "${PELLUCID_TEST_POSTGRES:-}" ]; then
    missing="$missing postgresql"
fi
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "Installing$missing for the tests ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "The tests need$missing: install it (Debian: sudo apt-get install$missing)," >&2
    echo "or name yours in PELLUCID_CHROMIUM (a path) or PELLUCID_TEST_POSTGRES (the URL of an empty database)." >&2
    exit 2
fi
