#!/usr/bin/env bash
# Runs a private Kafka on 127.0.0.1 until ctrl-C, and leaves nothing behind. Usage: scripts/run-kafka.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
scripts/install-kafka.sh

port=${1:-9092}
controller_port=$((port + 1))
home=$PWD/.cache/kafka
work=$(mktemp -d "${TMPDIR:-/tmp}/waltap-kafka.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'if [ -n "${kafka:-}" ]; then kill "$kafka" 2>/dev/null || true; else exit 1; fi' INT TERM
cp -r "$home/formatted" "$work/data"
sed -e "s:@PORT@:$port:" -e "s:@CONTROLLER_PORT@:$controller_port:" -e "s:@DATA@:$work/data:" \
    scripts/kafka/server.properties >"$work/server.properties"
options=()
[ ! -f "$home/classes.jsa" ] || options+=("-XX:SharedArchiveFile=$home/classes.jsa")
java @scripts/kafka/jvm.options "${options[@]}" -cp "$home/libs/*" kafka.Kafka "$work/server.properties" &
kafka=$!
say "Kafka on 127.0.0.1:$port (ready in a second or two), data in $work; ctrl-C stops and removes it"
wait "$kafka" || true
# A signal ends the first wait at once, before Kafka itself has ended.
wait "$kafka" 2>/dev/null || true
