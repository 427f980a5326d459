#!/usr/bin/env bash
# What waltap does while it drains a backlog: bench/profiles/WORKLOAD.txt, one for each of WORKLOADS (k1; names with commas). SIZE as in `make bench`.
#
# E2E_WALTAP is the waltap that is looked at. It runs as it is: perf looks on from beside it.
set -euo pipefail
cd "$(dirname "$0")/.."

: "${E2E_WALTAP:?the waltap to look at}"
# Samples a second of processor time.
frequency=999
# What takes less is left out.
least_percent=0.5

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# In the place of waltap: perf looks at this process, which becomes waltap.
cat > "$work/waltap" <<WRAPPER
#!/bin/sh
if [ "\$1" = capture ]; then
    perf record --quiet --freq $frequency --pid \$\$ --output "$work/perf.\$\$" &
    perf=\$!
    while [ ! -s "$work/perf.\$\$" ]; do
        kill -0 \$perf || { echo "perf cannot look at it: see above" > "$work/refused"; exit 1; }
        sleep 0.01
    done
fi
exec "$E2E_WALTAP" "\$@"
WRAPPER
chmod +x "$work/waltap"

mkdir -p bench/profiles
IFS=, read -ra workloads <<< "${WORKLOADS:-k1}"
for workload in "${workloads[@]}"; do
    E2E_WALTAP="$work/waltap" RESULTS="$work/results.jsonl" ROUNDS=1 WORKLOADS="$workload" \
        CONTENDERS="waltap at-least-once native" "${CARGO_TARGET_DIR:-target}/release/drain" ||
        { cat "$work/refused" 2> /dev/null; exit 1; }
    # Each ends by itself, once waltap has.
    while pgrep -f "perf record .*$work/" > /dev/null; do sleep 0.1; done
    # The drain itself, and not the short run that made the slot.
    recorded=$(find "$work" -name 'perf.*' -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2)
    {
        echo "# $workload, at least once, native, TCP: of waltap's processor time, percent by function, from ${least_percent} on."
        echo "# make bench-profile WORKLOADS=$workload${SIZE:+ SIZE=$SIZE}"
        perf report --input "$recorded" --sort symbol --percent-limit "$least_percent" --stdio |
            sed -e '/^#/d' -e '/^$/d' -e 's/ *- *- *$//'
    } > "$work/profile.txt"
    mv "$work/profile.txt" "bench/profiles/$workload.txt"
    rm -f "$work"/perf.*
done
