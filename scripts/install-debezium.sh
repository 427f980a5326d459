#!/usr/bin/env bash
# A running Debezium for the tests of parity: a JDK and Maven from Debian's packages where they are missing, Debezium's PostgreSQL
# connector from Maven's artifacts (tests/parity/pom.xml) and the program that runs it, in .cache/debezium/. Does nothing where
# all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

version=$(sed -n 's:.*<debezium.version>\(.*\)</debezium.version>.*:\1:p' tests/parity/pom.xml)
home=$PWD/.cache/debezium-$version

javac_major() { javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p'; }

if ! have javac || ! have java || [ "$(javac_major)" -lt 17 ]; then install_packages openjdk-17-jdk-headless; fi
if [ "$(javac_major)" -lt 17 ]; then
    fail "Debezium $version needs Java 17 or newer, but 'javac' on PATH is $(javac_major): put a newer one first on PATH."
fi

if [ ! -d "$home/libs" ]; then
    have mvn || install_packages maven
    say "fetching Debezium $version and what it needs (Maven, 35 MB)"
    work=$home.new
    rm -rf "$work"
    mkdir -p "$work"
    mvn -B -q -f tests/parity/pom.xml dependency:copy-dependencies -DincludeScope=runtime \
        -DoutputDirectory="$work/libs" >"$work/maven.log" 2>&1 || {
        tail -n 20 "$work/maven.log" >&2
        fail "Maven could not fetch Debezium $version: see above."
    }
    rm -rf "$home"
    mv "$work" "$home"
fi

if [ ! tests/parity/DebeziumToLines.java -ot "$home/classes" ]; then
    rm -rf "$home/classes"
    javac -d "$home/classes" -cp "$home/libs/*" tests/parity/DebeziumToLines.java || fail "the program that runs Debezium does not compile."
fi
ln -sfn "debezium-$version" .cache/debezium
say "ready: Debezium $version in $home, Java $(javac_major)"
