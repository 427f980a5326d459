#!/usr/bin/env bash
# mq-bridge, a free program with a route from PostgreSQL's logical replication to Kafka, for `make bench`: from Python's package registry, in
# .cache/mq-bridge-VERSION/. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=1.2.0
home=$PWD/.cache/mq-bridge-$version

if [ ! -d "$home" ]; then
    # Debian has the module that makes environments in a package of its own.
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
    say "fetching mq-bridge $version (pip, 35 MB)"
    rm -rf "$home.new"
    python3 -m venv "$home.new"
    "$home.new/bin/pip" install --quiet "mq-bridge==$version" || fail "pip could not install mq-bridge $version: see above."
    mv "$home.new" "$home"
fi
ln -sfn "mq-bridge-$version" .cache/mq-bridge
say "ready: mq-bridge $version in $home"
