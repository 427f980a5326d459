# shellcheck shell=bash
# Sourced by the install scripts: how they speak, and how they get Debian packages.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Prints the prefix that gives a command root's rights (nothing for root itself); fails where there are none.
as_root_prefix() {
    if [ "$(id -u)" = 0 ]; then
        return 0
    fi
    if have sudo && sudo -n true 2>/dev/null; then
        echo "sudo -n"
        return 0
    fi
    return 1
}

can_install_packages() { have apt-get && as_root_prefix >/dev/null; }

# install_packages NAME...: by apt-get; fails with a sentence when it may not or cannot.
install_packages() {
    local prefix
    if ! have apt-get; then
        fail "missing: $*. This machine has no apt-get: install them (or what your system calls them) by its own package manager."
    fi
    if ! prefix=$(as_root_prefix); then
        fail "missing: $*. No rights to install them: ask an administrator for 'apt-get install $*'."
    fi
    say "installing $* (apt-get)"
    # shellcheck disable=SC2086 # the prefix is two words or none
    if ! DEBIAN_FRONTEND=noninteractive $prefix apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1; then
        # The package lists may be old or empty on a new machine.
        $prefix apt-get update -q >/dev/null 2>&1 || fail "apt-get update failed: run it by hand to see why."
        DEBIAN_FRONTEND=noninteractive $prefix apt-get install -y -q --no-install-recommends "$@" >/dev/null ||
            fail "apt-get could not install $*: see above."
    fi
}
