#!/usr/bin/env bash
# PgBouncer, from Debian's packages, for the tests of what a pooler does between waltap and PostgreSQL. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

program=/usr/sbin/pgbouncer
if [ ! -x $program ]; then
    install_packages pgbouncer
    # The package starts one of its own.
    if have service; then $(as_root_prefix) service pgbouncer stop >/dev/null 2>&1 || true; fi
fi
say "ready: $($program --version | head -n 1) in $program"
