#!/usr/bin/env bash
# PostgreSQL's own regression tests for `make regression`: Debian's source of the PostgreSQL that is installed from Debian's packages,
# of which only pg_regress and the tests' C functions are compiled, into .cache/postgres-regression/. Does nothing where they are there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

major=15
programs=/usr/lib/postgresql/$major/bin
home=$PWD/.cache/postgres-regression

[ -x "$programs/postgres" ] || scripts/install-postgres.sh $major
[ -x "$programs/postgres" ] ||
    fail "the tests are taken from Debian's source package postgresql-$major, and go with Debian's server: this machine has none in $programs."
wanted=$("$programs/postgres" --version)

if [ -e "$home/ready" ] && [ "$(cat "$home/ready")" = "$wanted" ]; then
    say "ready: the regression tests of $wanted in $home"
    exit
fi

have apt-get || fail "apt-get is missing: the tests come from Debian's source package postgresql-$major."
for program in gcc make perl tar bzip2; do
    have $program || install_packages build-essential perl bzip2
done

# A configuration of its own, so that the machine's is left as it is: the same archives, but their sources. The folder is one that
# the user of the downloads may enter.
work=$(mktemp -d /var/tmp/waltap-regression.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,fetched}
chmod -R go+rX "$work"
for list in /etc/apt/sources.list.d/*.sources; do
    [ ! -e "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ ! -e "$list" ] || sed -n 's/^deb /deb-src /p' "$list" >"$work/sources/$(basename "$list" .list).list"
done
# Archives that hold no sources make the update fail, and the others are there all the same.
apt() {
    apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists" \
        -o Dir::Cache="$work/cache" "$@"
}
say "taking the source of $wanted from Debian's package"
apt update >"$work/log" 2>&1 || true

# The source of the very package, and where the archive has moved on, of the nearest that it has: tests of another minor version do as well.
version=$(dpkg-query -W -f '${source:Version}' "postgresql-$major" 2>/dev/null || true)
others=$(apt-cache -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists" \
    -o Dir::Cache="$work/cache" showsrc "postgresql-$major" 2>/dev/null | sed -n 's/^Version: //p')
for candidate in $version $others; do
    if (cd "$work/fetched" && apt source --download-only "postgresql-$major=$candidate") >>"$work/log" 2>&1; then break; fi
    rm -f "$work"/fetched/*
done
archive=$(find "$work/fetched" -name '*.orig.tar.*' | head -n 1)
if [ -z "$archive" ]; then
    tail -n 20 "$work/log" >&2
    fail "apt-get could not fetch the source of postgresql-$major: see above."
fi

say "compiling pg_regress and the tests' functions (a minute or two)"
tar -xf "$archive" -C "$work"
source=$(echo "$work"/postgresql-$major.*/)
(cd "$source" && ./configure --without-readline --without-zlib --without-icu && make -s -j"$(nproc)" -C src/test/regress) \
    >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    fail "the regression tests do not compile: see above."
}

# PostgreSQL refuses to run as root, and the user that it runs as must be able to read them.
mkdir -p .cache
rm -rf "$home"
if [ "$(id -u)" = 0 ] && ! setpriv --reuid postgres --regid "$(id -g postgres)" --clear-groups test -x "$PWD/.cache"; then
    reached=/var/tmp/waltap-postgres-regression
    rm -rf "$reached"
    mv "$source/src/test/regress" "$reached"
    ln -s "$reached" "$home"
else
    mv "$source/src/test/regress" "$home"
fi
chmod -R go+rX "$home/"
echo "$wanted" >"$home/ready"
say "ready: the regression tests of $wanted in $home"
