#!/bin/bash
# What the scripts have in common: where the repository is, its packages, its builds. To be sourced.
# shellcheck disable=SC2034 # some of it is used only by those who source it

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The packages are Debian's, and so are their Python modules: another python3 may be first in PATH.
python=/usr/bin/python3

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' plain=''
fi

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The Debian packages, and what each is for.
packages_build=(
    meson ninja-build gcc libc6-dev pkg-config
    libmariadb-dev   # Connector/C: asking the database without waiting for it
    libconfig-dev    # lookupd.conf
    libbsd-dev       # setproctitle
    libevent-dev     # the event loop of the workers
    libidn2-dev      # domain names to A-labels
    libcdb-dev       # the snapshot
    libssl-dev       # digests; and to clear the error queue of OpenSSL, which Connector/C uses
    libunistring-dev # folding text as Postfix does
    libcriterion-dev # unit tests
    libldns-dev      # lookupd-import: zone files in text
)
packages_run=(
    mariadb-server mariadb-client   # a private one in each sandbox
    postfix                         # a private one in tests and demo; postmap and smtp-sink
    python3 python3-pymysql         # the sandbox
    python3-pytest python3-pytest-xdist # system tests
    galera-4 rsync lsof             # tests: a private cluster
    bind9 bind9-utils               # lookupd-import: private primaries and secondaries, named-checkconf
)
packages_bench=(
    postfix-mysql # what lookupd is measured against
)
packages_fuzz=(
    clang libclang-rt-dev # libFuzzer
    llvm                  # names of functions in its reports
)
packages_check=(
    clang-format clang-tidy
    man-db groff-base # the manual pages
    shellcheck python3-pyflakes
)

# packages_install PACKAGE…: installs those that are missing, and asks nothing of the network when
# none is. Services of what gets installed are not started: the scripts use servers of their own.
packages_install() {
    local package log missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "packages are missing; as root: apt-get install --no-install-recommends ${missing[*]}"
    printf 'installing %s\n' "${missing[*]}" >&2
    log=$(mktemp /tmp/lookupd-apt.XXXXXX)
    apt_install "${missing[@]}" >"$log" 2>&1 </dev/null || {
        tail -n 40 "$log" >&2
        die "could not install ${missing[*]}; all of what apt said is in $log"
    }
    rm -f "$log"
}

apt_install() (
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d # what keeps Debian's packages from starting their services
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    case " $* " in *' postfix '*)
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
        ;;
    esac
    options=(-q -y -o DPkg::Lock::Timeout=300)
    apt-get "${options[@]}" update || exit
    # --no-remove: a machine's own mail server must not make room for the Postfix of a test
    apt-get "${options[@]}" --no-install-recommends --no-remove install "$@"
)

# Sets BUILD to the build folder to use: that of the environment, or the usual one.
build_folder() {
    BUILD=${BUILD:-$root/.build/plain}
    # an env file's BUILD is the folder with the programs
    if [ ! -f "$BUILD/build.ninja" ] && [ -f "$BUILD/../build.ninja" ]; then BUILD=$BUILD/..; fi
    export BUILD
}

# build_in DIR TARGET [OPTION…]: builds there: all, or only the programs. With options, a folder that
# was made with others gets these; without, it keeps what it has.
build_in() {
    local dir target=$2
    mkdir -p "$1"
    dir=$(cd "$1" && pwd -P)
    shift 2
    (
        flock 9
        if [ ! -f "$dir/build.ninja" ]; then
            meson setup "$@" "$dir" "$root" || exit
        elif [ $# -gt 0 ] && [ "$*" != "$(cat "$dir.options" 2>/dev/null)" ]; then
            meson configure "$@" "$dir" || exit
        fi
        [ $# -eq 0 ] || printf '%s\n' "$*" >"$dir.options"
        ninja -C "$dir" "$target"
    ) 9>"$dir.lock" >"$dir.log" 2>&1 || {
        tail -n 60 "$dir.log" >&2
        die "the build failed; all of what it said is in $dir.log"
    }
}
