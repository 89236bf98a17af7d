# shellcheck shell=bash
# Finding Docker Compose. To be sourced after common.sh.

# find_compose: sets `compose`, the command of Compose v2, or else of docker-compose 1.29. COMPOSE in the
# environment says which to take.
# shellcheck disable=SC2034
find_compose() {
    docker info >/dev/null 2>&1 || {
        complain "No Docker engine answers. Is it running, and may you use it? Try: docker info"
        return 1
    }
    if [[ -n "${COMPOSE:-}" ]]; then
        read -r -a compose <<<"$COMPOSE"
    elif docker compose version >/dev/null 2>&1; then
        compose=(docker compose)
    elif command -v docker-compose >/dev/null; then
        compose=(docker-compose)
    else
        complain "Neither 'docker compose' nor docker-compose is installed: https://docs.docker.com/compose/install/"
        return 1
    fi
}

# run_copy SERVICE: runs `flixtube copy` as backup or restore. One that failed goes on where it stopped, and
# an engine that has just been started may be too slow for the first.
run_copy() {
    local attempt status
    for attempt in 1 2 3 4 5; do
        status=0
        "${compose[@]}" --profile tools run --rm "$1" || status=$?
        # 1 is a failure; other codes would be the same again.
        ((status == 1 && attempt < 5)) || return "$status"
        complain "It failed; once more in 10 seconds."
        sleep 10
    done
}
