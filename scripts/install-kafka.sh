#!/usr/bin/env bash
# A real Apache Kafka for the tests and the demo: Java and Maven from Debian's packages where they are missing, Kafka itself
# from Maven's artifacts (scripts/kafka/pom.xml) into .cache/kafka-VERSION/. Does nothing where it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' scripts/kafka/pom.xml)
home=$PWD/.cache/kafka-$version
# Any id will do, but the tests must find the same one after a restart.
cluster_id=d2FsdGFwLXRlc3RzLWthZg

java_major() { java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }

if ! have java || [ "$(java_major)" -lt 17 ]; then install_packages openjdk-17-jre-headless; fi
if [ "$(java_major)" -lt 17 ]; then
    fail "Kafka $version needs Java 17 or newer, but 'java' on PATH is $(java_major): put a newer one first on PATH."
fi

if [ ! -d "$home/libs" ]; then
    have mvn || install_packages maven
    say "fetching Kafka $version and what it needs (Maven, 45 MB)"
    work=$home.new
    rm -rf "$work"
    mkdir -p "$work"
    mvn -B -q -f scripts/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$work/libs" >"$work/maven.log" 2>&1 || {
        tail -n 20 "$work/maven.log" >&2
        fail "Maven could not fetch Kafka $version: see above."
    }
    rm -rf "$home"
    mv "$work" "$home"
fi

properties() { # PORT CONTROLLER_PORT DATA
    sed -e "s:@PORT@:$1:" -e "s:@CONTROLLER_PORT@:$2:" -e "s:@DATA@:$3:" scripts/kafka/server.properties
}

# Formatting a data folder takes a second of Java: it is done once, and copied for each Kafka that starts.
if [ ! -d "$home/formatted" ]; then
    say "formatting a data folder to copy from"
    rm -rf "$home/formatted.new"
    mkdir -p "$home/formatted.new"
    properties 29092 29093 "$home/formatted.new" >"$home/format.properties"
    java @scripts/kafka/jvm.options -cp "$home/libs/*" kafka.tools.StorageTool format -t "$cluster_id" \
        -c "$home/format.properties" >"$home/format.log" 2>&1 || {
        tail -n 20 "$home/format.log" >&2
        fail "Kafka could not format a data folder: see above."
    }
    mv "$home/formatted.new" "$home/formatted"
fi

# Java's archive of the classes that Kafka loads: it halves the time that a start takes. It belongs to one Java.
archive=$home/classes-$(java -version 2>&1 | head -n 1 | tr -cd '0-9._').jsa
if [ ! -f "$archive" ]; then
    say "making the class archive for this Java (Kafka starts once)"
    work=$(mktemp -d "${TMPDIR:-/tmp}/waltap-kafka.XXXXXX")
    trap 'rm -rf "$work"; [ -z "${kafka:-}" ] || kill -9 "$kafka" 2>/dev/null || true' EXIT
    port=$((20000 + RANDOM % 6000 * 2))
    cp -r "$home/formatted" "$work/data"
    properties "$port" "$((port + 1))" "$work/data" >"$work/server.properties"
    java @scripts/kafka/jvm.options -XX:ArchiveClassesAtExit="$work/classes.jsa" -cp "$home/libs/*" kafka.Kafka \
        "$work/server.properties" >"$work/log" 2>&1 &
    kafka=$!
    for _ in $(seq 300); do
        if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
        kill -0 "$kafka" 2>/dev/null || break
        sleep 0.1
    done
    kill "$kafka" 2>/dev/null || true
    wait "$kafka" 2>/dev/null || true
    kafka=
    if [ -s "$work/classes.jsa" ]; then
        chmod 644 "$work/classes.jsa"
        mv "$work/classes.jsa" "$archive"
    else
        say "no class archive could be made (Kafka will start more slowly); Kafka's last words: $(tail -n 1 "$work/log")"
    fi
fi
if [ -f "$archive" ]; then ln -sfn "$(basename "$archive")" "$home/classes.jsa"; else rm -f "$home/classes.jsa"; fi
ln -sfn "kafka-$version" .cache/kafka
say "ready: Apache Kafka $version in $home, Java $(java_major)"
