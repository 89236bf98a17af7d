# shellcheck shell=bash
# The step of scripts/test that needs a cluster: brings images into it, and runs scripts/test-cluster.
# To be sourced after steps.sh and engines.sh, with `repo` set, by a script that makes the images:
# test_images_are_there. Works with the bash 3.2 of macOS.
#
# In the environment:
#   CLUSTER_UP         a command that starts a cluster, or leaves a running one alone, and prints lines
#                      such as `export KUBECONFIG=...`; default: the cluster of the current kubeconfig
#   CLUSTER_LOAD       a command that gives images of this Docker engine to the cluster's nodes; kind,
#                      minikube and Docker Desktop are known
#   CLUSTER_REGISTRY   a registry from which the nodes pull, and to which `docker login` was done
#   CLUSTER_SCENARIOS  those of scripts/test-cluster to run; default: all
#   CLUSTER_OPTIONAL=1 what cannot be had here is left out, and said, in place of failing
#   CLUSTER_DEADLINE   seconds since 1970, after which no more is begun, and what runs is stopped

: "${repo:?must be set before this file is sourced}" "${step_logs:?is set by steps.sh}"

cluster_services=(gateway video-streaming video-storage metadata history)
# As k8s/ names them.
cluster_engines=(mongo:8 rabbitmq:4-management mcr.microsoft.com/azure-storage/azurite:3.35.0)

# cannot REASON: the cluster's step cannot be done here.
cannot() {
    if [[ "${CLUSTER_OPTIONAL:-}" == 1 ]]; then
        left_out "cluster" "$1"
    else
        step "cluster" complain_and_fail "$1"
    fi
}

complain_and_fail() {
    complain "$1"
    return 1
}

seconds_left() {
    if [[ -z "${CLUSTER_DEADLINE:-}" ]]; then
        printf 86400
    else
        printf '%s' $((CLUSTER_DEADLINE - $(date +%s)))
    fi
}

# within_time COMMAND...: ends with 124 when the time is over.
within_time() {
    local left
    left="$(seconds_left)"
    ((left > 0)) || return 124
    if command -v timeout >/dev/null; then
        timeout --kill-after=30 "$left" "$@"
    else
        "$@"
    fi
}

# load_command: how images of this engine come to the cluster's nodes, or nothing if they are there.
load_command() {
    local context
    context="$(kubectl config current-context 2>/dev/null)" || context=""
    case "$context" in
        kind-*) printf 'kind load docker-image --name %s' "${context#kind-}" ;;
        minikube) printf 'minikube image load' ;;
        docker-desktop | rancher-desktop) printf 'true' ;;
        *) printf '%s' "${CLUSTER_LOAD:-}" ;;
    esac
}

# A registry with a password on a free port of this machine, for a cluster whose nodes are this machine.
start_registry() {
    local port password folder="$step_logs/registry"
    command -v docker-registry >/dev/null && command -v htpasswd >/dev/null ||
        apt_install_without_service docker-registry docker-registry apache2-utils || return
    mkdir -p "$folder/docker"
    port="$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); });')"
    password="$(node -e 'console.log(require("crypto").randomBytes(16).toString("hex"))')"
    printf '%s' "$password" | htpasswd -inB flixtube >"$folder/htpasswd" 2>/dev/null || return
    cat >"$folder/config.yml" <<REGISTRY
version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: $folder/images } }
http: { addr: 127.0.0.1:$port }
auth: { htpasswd: { realm: flixtube, path: $folder/htpasswd } }
REGISTRY
    docker-registry serve "$folder/config.yml" >"$folder/log" 2>&1 &
    # shellcheck disable=SC2064 # now
    trap "kill $! 2>/dev/null || true" EXIT
    export DOCKER_CONFIG="$folder/docker"
    for _ in $(seq 50); do
        if printf '%s' "$password" | docker login --username flixtube --password-stdin "127.0.0.1:$port" >/dev/null 2>&1; then
            registry="127.0.0.1:$port/flixtube"
            return
        fi
        sleep 0.2
    done
    return 1
}

# Everything from images to scenarios; the first argument is a file for the references. In a subshell,
# whose end takes the registry along.
deploy_and_test() {
    local references="$1" image load tags=() scenarios=() login=() status registry="${CLUSTER_REGISTRY:-}"
    load="$(load_command)"
    # Engines that cannot be pulled from where they are public are loaded.
    for image in "${cluster_engines[@]}"; do
        # shellcheck disable=SC2086 # a command and its arguments
        [[ -z "$load" ]] || $load "$image" || return
    done
    if [[ -z "$registry" && -n "${CLUSTER_LOAD:-}" ]]; then start_registry || say "There is no registry here: images go by their tags."; fi
    if [[ -n "$registry" ]]; then
        "$repo/scripts/push-image" --registry "$registry" --tag "$IMAGE_TAG" "${cluster_services[@]}" >"$references" || return
        login=(--registry-login "${DOCKER_CONFIG:-$HOME/.docker}/config.json")
    elif [[ -n "$load" ]]; then
        tags=(--allow-tags)
        for image in "${cluster_services[@]}"; do
            # shellcheck disable=SC2086
            $load "$IMAGE_PREFIX/$image:$IMAGE_TAG" || return
            printf '%s/%s:%s\n' "$IMAGE_PREFIX" "$image" "$IMAGE_TAG" >>"$references"
        done
    else
        complain "How do images come into this cluster? Say CLUSTER_REGISTRY or CLUSTER_LOAD."
        return 1
    fi
    "$repo/scripts/bootstrap-cluster" local ${login[@]+"${login[@]}"} || return
    # shellcheck disable=SC2206 # words
    scenarios=(${CLUSTER_SCENARIOS:-})
    status=0
    within_time "$repo/scripts/test-cluster" --images "$references" ${tags[@]+"${tags[@]}"} \
        ${scenarios[@]+"${scenarios[@]}"} 2>&1 | tee "$step_logs/scenarios" || status=$?
    if ((status == 124)) && [[ "${CLUSTER_OPTIONAL:-}" == 1 ]] && ! grep -q '^test result: FAILED' "$step_logs/scenarios"; then
        # What was begun is no failure, when only the time was over; the summary tells it.
        : >"$step_logs/cluster-ran-out"
        return 0
    fi
    return "$status"
}

# Runs it all in one step, or says why not.
test_on_cluster() {
    local image exports
    docker info >/dev/null 2>&1 || {
        cannot "no Docker engine answers, and images are needed (docker info)"
        return
    }
    # The base of ours (as the Dockerfile names it), and the engines in the cluster.
    for image in "${RUNTIME_IMAGE:-gcr.io/distroless/cc-debian12:nonroot}" "${cluster_engines[@]}"; do
        has_image "$image" || {
            cannot "the image $image is not here and cannot be pulled"
            return
        }
    done
    if [[ -n "${CLUSTER_UP:-}" ]]; then
        # shellcheck disable=SC2086 # a command and its arguments
        exports="$(within_time $CLUSTER_UP)" || {
            cannot "no cluster came of: $CLUSTER_UP"
            return
        }
        eval "$(grep '^export ' <<<"$exports")"
    fi
    kubectl get --raw /readyz >/dev/null 2>&1 || {
        cannot "no cluster answers (kubectl cluster-info)"
        return
    }
    test_images_are_there || return 0
    : >"$step_logs/references"
    step "cluster" deploy_and_test "$step_logs/references"
    [[ -z "${CLUSTER_SCENARIOS:-}" ]] || left_out "cluster" "all scenarios of scripts/test-cluster but: $CLUSTER_SCENARIOS"
    [[ ! -f "$step_logs/cluster-ran-out" ]] || left_out "cluster" "the time was over before all scenarios were run"
}
