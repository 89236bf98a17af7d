# shellcheck shell=bash
# The real engines of the tests (RabbitMQ, MongoDB, Azurite, an S3 server): installed as far as the
# system lets it. Which one a test then uses is decided in test-support. To be sourced after
# test-tools.sh and steps.sh. Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}" "${step_logs:?is set by steps.sh}" "${tool_cache:?is set by go-tools.sh}"

# What is not a package of the system is kept where test-support looks for it.
engine_cache="$tool_cache"

versitygw_version=1.8.0

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

# list_engines FLIXTUBE_BIN: starts each engine as the tests will, and says what it is, also in the
# summary. Needs the finished build.
list_engines() {
    # Here a missing engine is only told; the tests that need it are those that fail.
    REQUIRE_LIVE="" "$(dirname "$1")/examples/engines" | tee "$step_logs/engines"
}

# engines_not_found ENGINE...: prints those of them that list_engines has not found.
engines_not_found() {
    local engine missing=""
    for engine in "$@"; do
        if grep -q "^$engine: .*NOT FOUND" "$step_logs/engines" 2>/dev/null; then
            missing+="${missing:+, }$engine"
        fi
    done
    printf '%s' "$missing"
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
