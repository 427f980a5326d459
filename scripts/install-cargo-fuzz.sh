#!/usr/bin/env bash
# cargo-fuzz for 'make fuzz': the one on PATH, or built by cargo into .cache/cargo-fuzz (a minute, once).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=0.13.2
if cargo fuzz --version >/dev/null 2>&1; then
    say "ready: $(cargo fuzz --version) on PATH"
    exit 0
fi
if [ ! -x .cache/cargo-fuzz/bin/cargo-fuzz ]; then
    say "building cargo-fuzz $version into .cache/cargo-fuzz (a minute, once)"
    log=.cache/cargo-fuzz.log
    mkdir -p .cache
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet --locked --root .cache/cargo-fuzz \
        --target-dir .cache/cargo-fuzz/target "cargo-fuzz@$version" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "cargo could not build cargo-fuzz: see above."
    }
    rm -rf .cache/cargo-fuzz/target
fi
say "ready: $(.cache/cargo-fuzz/bin/cargo-fuzz --version) in .cache/cargo-fuzz"
