#!/usr/bin/env bash
# Debezium as people run it, for `make bench`: Kafka Connect standalone from Maven's artifacts (bench/peers/connect/pom.xml) with Debezium's
# PostgreSQL connector as a plugin (scripts/install-debezium.sh), in .cache/connect-VERSION/. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

# Java and Maven come with it too.
scripts/install-debezium.sh

version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' bench/peers/connect/pom.xml)
debezium=$(readlink .cache/debezium)
home=$PWD/.cache/connect-$version-$debezium

if [ ! -d "$home/libs" ]; then
    have mvn || install_packages maven
    say "fetching Kafka Connect $version and what it needs (Maven, 35 MB)"
    work=$home.new
    rm -rf "$work"
    mkdir -p "$work/plugins/debezium-connector-postgres"
    mvn -B -q -f bench/peers/connect/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$work/libs" >"$work/maven.log" 2>&1 || {
        tail -n 20 "$work/maven.log" >&2
        fail "Maven could not fetch Kafka Connect $version: see above."
    }
    # As Debezium packs its plugin: what Connect has itself is left out.
    for jar in .cache/debezium/libs/*.jar; do
        name=$(basename "$jar")
        case $name in
            connect-* | kafka-clients-* | slf4j-* | lz4-java-* | snappy-java-* | zstd-jni-* | jakarta.*) ;;
            *) cp "$jar" "$work/plugins/debezium-connector-postgres/" ;;
        esac
    done
    rm -rf "$home"
    mv "$work" "$home"
fi
ln -sfn "$(basename "$home")" .cache/connect
say "ready: Kafka Connect $version with $debezium in $home"
