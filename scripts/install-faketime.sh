#!/usr/bin/env bash
# libfaketime, from Debian's packages, for the tests of clocks that step. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

library=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1
[ -e "$library" ] || install_packages libfaketime
say "ready: $library"
