#!/usr/bin/env bash
# cargo-deny for 'make lint': the one on PATH, or built by cargo into .cache/cargo-deny (minutes, once).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=0.20.2
if cargo deny --version >/dev/null 2>&1; then
    say "ready: $(cargo deny --version) on PATH"
    exit 0
fi
if [ ! -x .cache/cargo-deny/bin/cargo-deny ]; then
    say "building cargo-deny $version into .cache/cargo-deny (some minutes, once)"
    log=.cache/cargo-deny.log
    mkdir -p .cache
    # What it checks is not run: a quick build is enough.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off cargo install --quiet --locked --root .cache/cargo-deny \
        --target-dir .cache/cargo-deny/target "cargo-deny@$version" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "cargo could not build cargo-deny: see above."
    }
    rm -rf .cache/cargo-deny/target
fi
say "ready: $(.cache/cargo-deny/bin/cargo-deny --version) in .cache/cargo-deny"
