#!/usr/bin/env bash
# What a bare machine needs to build waltap: cargo, a C compiler, make, pkg-config and the headers of OpenSSL and zlib
# (librdkafka is built from source by its own configure script). Does nothing where all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    fail "cargo is in ~/.cargo/bin but not on PATH: run '. ~/.cargo/env' first."
fi
have cargo || fail "cargo is missing: install Rust 1.95 or newer with rustup (https://rustup.rs), then run this again."

missing=()
have cc || missing+=(gcc libc6-dev)
have c++ || missing+=(g++)
have make || missing+=(make)
have pkg-config || missing+=(pkg-config)
have perl || missing+=(perl)
# Debian's util-linux; the tests start servers through it so that no server outlives a killed test run.
have setpriv || missing+=(util-linux)
if ! have pkg-config || ! pkg-config --exists openssl; then missing+=(libssl-dev); fi
if ! have pkg-config || ! pkg-config --exists zlib; then missing+=(zlib1g-dev); fi
if [ ${#missing[@]} -gt 0 ]; then
    install_packages "${missing[@]}"
fi
say "ready: $(cargo --version), $(cc --version | head -n 1)"
