# shellcheck shell=bash
# What scripts/start and scripts/test share: messages, the tools that a build needs, and the build
# of the front end. To be sourced, with `repo` set to the repository's folder. Works with the bash
# 3.2 of macOS.

: "${repo:?must be set before this file is sourced}"

say() { printf '%s\n' "$*"; }
complain() { printf '%s\n' "$*" >&2; }

# Prints the system's package manager, or nothing.
package_manager() {
    local manager
    for manager in apt-get dnf pacman zypper apk brew; do
        if command -v "$manager" >/dev/null; then
            printf '%s' "$manager"
            return
        fi
    done
}

# how_to_get TOOL: one line that says how to get cc or node on this system.
how_to_get() {
    local cc node
    case "$(package_manager)" in
        apt-get) cc="sudo apt-get install gcc libc6-dev" node="sudo apt-get install nodejs npm" ;;
        dnf) cc="sudo dnf install gcc" node="sudo dnf install nodejs npm" ;;
        pacman) cc="sudo pacman -S gcc" node="sudo pacman -S nodejs npm" ;;
        zypper) cc="sudo zypper install gcc" node="sudo zypper install nodejs npm" ;;
        apk) cc="sudo apk add gcc musl-dev" node="sudo apk add nodejs npm" ;;
        brew) cc="xcode-select --install" node="brew install node" ;;
        *) cc="your system's package manager (gcc or clang)" node="https://nodejs.org" ;;
    esac
    case "$1" in
        cc) say "$cc" ;;
        node) say "$node (a system whose package is older: https://nodejs.org)" ;;
        *) say "your system's package manager" ;;
    esac
}

# version_at_least HAVE NEEDED, of two or three numbers each.
version_at_least() {
    local have="$1" needed="$2" h n i
    for i in 1 2 3; do
        h="$(printf '%s.0.0' "$have" | cut -d. -f"$i")"
        n="$(printf '%s.0.0' "$needed" | cut -d. -f"$i")"
        if ((h != n)); then
            ((h > n))
            return
        fi
    done
}

# Says everything that is missing for a build, at once, and how to get it. Fails if something is.
check_build_tools() {
    local missing=0 have needed
    needed="$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$repo/Cargo.toml")"
    if ! command -v cargo >/dev/null; then
        complain "Missing: Rust $needed or later (cargo).
  Get it:  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh    (https://rustup.rs)"
        missing=1
    else
        have="$(cargo --version | sed -n 's/^cargo \([0-9.]*\).*/\1/p')"
        if ! version_at_least "$have" "$needed"; then
            complain "Too old: Rust $have, and $needed or later is needed.
  Get it:  rustup update stable    (https://rustup.rs if there is no rustup)"
            missing=1
        fi
    fi
    # SQLite is compiled from its C source, and Rust links with the C compiler's help.
    if ! command -v "${CC:-cc}" >/dev/null && ! command -v gcc >/dev/null && ! command -v clang >/dev/null; then
        complain "Missing: a C compiler (SQLite is built from source).
  Get it:  $(how_to_get cc)"
        missing=1
    fi
    needed="$(sed -n 's/.*"node": *"[^0-9]*\([0-9.]*\).*/\1/p' "$repo/web/package.json" | head -n 1)"
    needed="${needed:-20}"
    if ! command -v node >/dev/null; then
        complain "Missing: Node.js $needed or later.
  Get it:  $(how_to_get node)"
        missing=1
    else
        have="$(node --version | sed 's/^v//')"
        if ! version_at_least "${have%%-*}" "$needed"; then
            complain "Too old: Node.js $have, and $needed or later is needed.
  Get it:  $(how_to_get node)"
            missing=1
        fi
    fi
    if ! command -v npm >/dev/null; then
        complain "Missing: npm, which comes with Node.js or in a package of its own.
  Get it:  $(how_to_get node)"
        missing=1
    fi
    return "$missing"
}

# Prints the SHA-256 of its input.
digest() {
    if command -v sha256sum >/dev/null; then
        sha256sum | cut -d' ' -f1
    else
        shasum -a 256 | cut -d' ' -f1
    fi
}

# Prints a hash over the names and contents of what the front end is built from.
web_sources_digest() {
    (
        cd "$repo/web" || exit
        find . \( -name node_modules -o -name dist -o -name e2e -o -name test-results \
            -o -name playwright-report \) -prune -o -type f -print |
            LC_ALL=C sort | while IFS= read -r file; do
            printf '%s\n' "$file"
            cat "$file"
        done | digest
    )
}

# quietly COMMAND...: shows what the command writes only if it fails.
quietly() {
    local log status=0
    log="$(mktemp)"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    ((status == 0)) || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# Installs the front end's packages, unless they are those of the lock file already. The stamp is
# kept inside node_modules, so that it goes when that goes.
install_web_packages() {
    local wanted stamp="$repo/web/node_modules/.flixtube-packages"
    wanted="$(digest <"$repo/web/package-lock.json")"
    [[ -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]] && return
    say "Installing the front end's packages ..."
    quietly npm --prefix "$repo/web" ci --no-audit --no-fund || return
    printf '%s' "$wanted" >"$stamp"
}

# Builds the front end into web/dist, unless its sources are those of the last build.
build_web() {
    local wanted stamp="$repo/web/node_modules/.flixtube-build"
    wanted="$(web_sources_digest)"
    if [[ -f "$repo/web/dist/index.html" && -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]; then
        return
    fi
    rm -f "$stamp"
    install_web_packages || return
    say "Building the front end ..."
    quietly npm --prefix "$repo/web" run build || return
    printf '%s' "$wanted" >"$stamp"
}

# refuse SENTENCE: says what is wrong with the arguments of the script, whose name is in `this`, and ends it.
refuse() {
    # shellcheck disable=SC2154
    complain "scripts/$this: $1"
    complain "Try: scripts/$this --help"
    exit 2
}

# value_of OPTION [VALUE]: refuses an option without its value.
value_of() {
    if (($# < 2)) || [[ -z "$2" ]]; then refuse "$1 needs a value"; fi
}

# run COMMAND...: or only says it, with --dry-run.
run() {
    # shellcheck disable=SC2154
    if [[ "$dry_run" == yes ]]; then
        printf '%q ' "$@"
        printf '\n'
    else
        "$@"
    fi
}
