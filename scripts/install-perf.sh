#!/usr/bin/env bash
# perf, which samples what waltap does for `make bench-profile`, from Debian's packages. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

have perf || install_packages linux-perf
