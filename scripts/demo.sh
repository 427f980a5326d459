#!/usr/bin/env bash
# The demo: on a real Kafka, or, where Java or Maven cannot be had, on an embedded Kafka-compatible broker.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

target=${CARGO_TARGET_DIR:-target}
if ! scripts/install-kafka.sh; then
    say "no Apache Kafka on this machine (see above): the demo runs on an embedded Kafka-compatible broker, noida-db, instead"
    say "building it (a few minutes, once)"
    cargo build --quiet --locked --manifest-path tests/embedded-broker/Cargo.toml --target-dir "$target/embedded-broker"
    export E2E_EMBEDDED_BROKER="$target/embedded-broker/debug/waltap-embedded-broker"
fi
say "building waltap (some minutes from nothing, seconds after that)"
cargo build --quiet --locked -p waltap -p waltap-tests
export E2E_WALTAP="$target/debug/waltap"
exec "$target/debug/demo"
