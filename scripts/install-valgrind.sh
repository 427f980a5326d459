#!/usr/bin/env bash
# Valgrind, whose callgrind counts the instructions of `make bench-instructions`, from Debian's packages. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

have valgrind || install_packages valgrind
