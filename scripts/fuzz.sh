#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET...]: runs the fuzz targets (all of them, unless some are named) one after the other, each for so many seconds,
# the checked-in corpus first. A finding ends it with an error; its input is left in fuzz/artifacts/TARGET.
#
# libFuzzer, without a sanitizer: waltap denies unsafe code, so that there is nothing for one to find, and the stable compiler is enough.
# Overflows and debug assertions panic.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
# shellcheck source=scripts/packages.sh
. ../scripts/packages.sh
PATH="$PWD/../.cache/cargo-fuzz/bin:$PATH"

[ $# -ge 1 ] || fail "how many seconds for each target?"
duration=$1
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
fi

# Long inputs are slow and show nothing that shorter ones do not. The seeds must fit, since libFuzzer cuts what is longer.
input_bytes_max=4096
cargo fuzz build --sanitizer none
for target in "${targets[@]}"; do
    # What is new is kept here from run to run, apart from the seeds.
    found=target/corpus/$target
    mkdir -p "$found"
    say "$target for $duration s"
    cargo fuzz run --sanitizer none "$target" "$found" "corpus/$target" -- \
        -max_total_time="$duration" -max_len="$input_bytes_max" -timeout=10 -print_final_stats=1 -verbosity=0 2>&1 |
        sed -e '/^#* Recommended dictionary/,/^#* End of recommended/d' -e '/^ *\(Compiling\|Finished\|Running\|INFO:\|NEW_FUNC\)/d' |
        tee "target/$target.log"
done
say "no finding: ${targets[*]}"
