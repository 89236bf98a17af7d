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
