# shellcheck shell=bash
# The real engines of the tests (RabbitMQ, MongoDB, Azurite, an S3 server): installed as far as the
# system lets it. Which one a test then uses is decided in test-support. To be sourced after
# test-tools.sh and steps.sh. Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}" "${step_logs:?is set by steps.sh}"

# What is not a package of the system is kept here, where test-support looks for it.
engine_cache="${XDG_CACHE_HOME:-$HOME/.cache}/flixtube"

versitygw_version=1.8.0
# For machines whose own Go is too old to get a newer one by itself.
go_toolchain=1.26.8

# A pull that hangs must not hold up the tests.
docker_limit=()
if command -v timeout >/dev/null; then docker_limit=(timeout 600); fi

# install_engines: gets what is missing; what cannot be had is left to the tests to complain of.
install_engines() {
    [[ "${LIVE_ENGINES:-}" != none ]] || return 0
    mkdir -p "$engine_cache"
    install_rabbitmq || complain "RabbitMQ could not be installed."
    install_mongodb || complain "Neither MongoDB nor its stand-in could be installed."
    install_azurite || complain "Azurite could not be installed."
    install_versitygw || complain "No S3 server could be installed."
}

# has_image IMAGE: it is there, or can be pulled.
has_image() {
    command -v docker >/dev/null && docker info >/dev/null 2>&1 || return
    docker image inspect "$1" >/dev/null 2>&1 && return
    say "Pulling $1 ..."
    ${docker_limit[@]+"${docker_limit[@]}"} docker pull --quiet "$1" >/dev/null 2>&1
}

has_rabbitmq() {
    local folder
    # Where test-support looks. What Debian has in the search path only its own user may run.
    for folder in /usr/lib/rabbitmq/bin /opt/rabbitmq/sbin /opt/homebrew/opt/rabbitmq/sbin; do
        [[ ! -x "$folder/rabbitmq-server" ]] || return 0
    done
    command -v rabbitmq-server >/dev/null
}

install_rabbitmq() {
    if has_rabbitmq; then return; fi
    if command -v apt-get >/dev/null && apt_install_without_service rabbitmq-server rabbitmq-server; then
        return
    fi
    has_image rabbitmq:4-management
}

# apt_install_without_service SERVICE PACKAGE...: tests start brokers of their own, and the system's
# would take the well-known ports and stay. All as one command of root, so that it also cleans up
# when it is interrupted.
apt_install_without_service() {
    local service="$1"
    shift
    say "Installing with apt-get: $* ..."
    # shellcheck disable=SC2016
    as_root env DEBIAN_FRONTEND=noninteractive sh -c '
        policy=/usr/sbin/policy-rc.d service="$1"
        shift
        # Packages ask it whether they may start what they bring; 101 is no.
        if [ ! -e "$policy" ]; then
            trap "rm -f $policy" EXIT
            trap "exit 1" HUP INT TERM
            printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy" || exit
        fi
        apt-get -qq update || true
        apt-get -qq install -y --no-install-recommends "$@" || exit
        # Nor at the next start of the machine.
        ! command -v systemctl >/dev/null || systemctl --quiet disable "$service" || true
    ' sh "$service" "$@" </dev/null >/dev/null
}

# A real server if Docker can have one; and else, or for the tests that need a password and cannot
# have one from a mongod on its own, the project's stand-in, which Maven's packages are built to.
install_mongodb() {
    local wanted=()
    if has_image mongo:8 && docker run --rm --network=none --entrypoint mongod mongo:8 --version >/dev/null 2>&1; then
        return
    fi
    if command -v apt-get >/dev/null; then
        command -v javac >/dev/null || wanted+=(default-jdk-headless)
        command -v mvn >/dev/null || wanted+=(maven)
        ((${#wanted[@]} == 0)) || apt_install "${wanted[@]}" || true
    fi
    if ! command -v javac >/dev/null || ! command -v mvn >/dev/null; then
        command -v mongod >/dev/null
        return
    fi
    quietly "$repo/test-support/mongo-server/build"
}

install_azurite() {
    local wanted folder="$engine_cache/azurite" aside
    if command -v azurite-blob >/dev/null; then return; fi
    wanted="$(digest <"$repo/test-support/azurite/package-lock.json")"
    if [[ -f "$folder/packages" && "$(cat "$folder/packages")" == "$wanted" ]]; then return; fi
    say "Installing Azurite into $folder ..."
    # Made aside and moved into place: another run never sees half of it.
    aside="$(mktemp -d "$folder.XXXXXX")"
    cp "$repo"/test-support/azurite/{package.json,package-lock.json,.npmrc} "$aside"
    if quietly npm --prefix "$aside" ci --ignore-scripts --omit=optional; then
        printf '%s' "$wanted" >"$aside/packages"
        rm -rf "$folder"
        mv "$aside" "$folder"
    else
        rm -rf "$aside"
        has_image mcr.microsoft.com/azure-storage/azurite
    fi
}

install_versitygw() {
    install_with_go versitygw "$versitygw_version" github.com/versity/versitygw/cmd/versitygw
}

# install_with_go PROGRAM VERSION PACKAGE
install_with_go() {
    local program="$1" version="$2" package="$3" folder="$engine_cache/bin" aside go status=0
    if command -v "$program" >/dev/null; then return; fi
    if [[ -x "$folder/$program" && "$(cat "$folder/$program.version" 2>/dev/null)" == "$version" ]]; then
        return
    fi
    go="$(find_go)" || return
    say "Building $program $version into $folder (a minute or two, once) ..."
    mkdir -p "$folder"
    aside="$(mktemp -d "$engine_cache/$program.XXXXXX")"
    # The sources may ask for a newer Go, which Go then gets by itself.
    quietly env GOTOOLCHAIN=auto GOBIN="$aside" "$go" install "$package@v$version" || status=$?
    if ((status == 0)); then
        mv "$aside/$program" "$folder/$program"
        # A program that is built like this does not know its own version.
        printf '%s\n' "$version" >"$folder/$program.version"
    fi
    rm -rf "$aside"
    return "$status"
}

# Prints a Go that is new enough, or can get one that is.
find_go() {
    local go candidate
    for candidate in go /usr/local/go/bin/go /usr/lib/go/bin/go; do
        if go="$(command -v "$candidate")"; then break; fi
    done
    if [[ -z "$go" ]]; then
        command -v apt-get >/dev/null || return
        apt_install golang-go >&2 || return
        go="$(command -v go)" || return
    fi
    # `go version go1.19.8 linux/amd64`
    if version_at_least "$("$go" version | sed -n 's/^go version go\([0-9.]*\).*/\1/p')" 1.21; then
        printf '%s' "$go"
    else
        newer_go "$go"
    fi
}

# newer_go GO: prints a Go that an old one has fetched. Releases are modules since Go 1.21, checked
# against Go's own list of hashes; an old Go only does not know that they are programs.
newer_go() {
    local go="$1" modules="$engine_cache/go" folder version
    version="v0.0.1-go$go_toolchain.$("$go" env GOOS)-$("$go" env GOARCH)"
    folder="$modules/golang.org/toolchain@$version"
    if [[ ! -x "$folder/bin/go" ]]; then
        quietly env GOMODCACHE="$modules" GOFLAGS=-modcacherw "$go" mod download "golang.org/toolchain@$version" || return
        find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod +x {} + || return
    fi
    printf '%s' "$folder/bin/go"
}

# list_engines FLIXTUBE_BIN: starts each engine as the tests will, and says what it is, also in the
# summary. Needs the finished build.
list_engines() {
    # Here a missing engine is only told; the tests that need it are those that fail.
    REQUIRE_LIVE="" "$(dirname "$1")/examples/engines" | tee "$step_logs/engines"
}

# note_engines: has the summary tell the engines, and name each test that did not run for want of one.
# To be called right after the step that ran the tests.
note_engines() {
    local line
    if [[ -s "$step_logs/engines" ]]; then
        while IFS= read -r line; do note "$line"; done <"$step_logs/engines"
    fi
    # NAME needs ENGINE. HOW TO GET IT
    sed -n 's/.*!! LIVE TEST NOT RUN: \(.*\) needs \(.*\)/\2|\1/p' "$step_logs/step" | LC_ALL=C sort -u >"$step_logs/missing"
    while IFS= read -r line; do
        left_out "LIVE TEST ${line##*|}" "needs ${line%%|*}"
    done <"$step_logs/missing"
}
