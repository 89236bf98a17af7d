# shellcheck shell=bash
# What the scripts that work on a cluster share. To be sourced after common.sh, with `repo` set; the
# sourcing script sets `this`, its own name. Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}"

# The one namespace. It is in the manifests, too: whoever wants another one changes both.
namespace=flixtube
# What runs, in the order of the map in docs/ARCHITECTURE.md.
# shellcheck disable=SC2034
services=(gateway video-streaming video-storage metadata history)
# How many releases are kept to go back to.
kept_releases=5
ours=app.kubernetes.io/part-of=flixtube
# And what RabbitMQ's operator makes for ours, under a label of its own.
ours_and_broker='app.kubernetes.io/part-of in (flixtube, rabbitmq)'
# shellcheck disable=SC2034 # the scripts that source this
overlay="" context="" dry_run=no

# take_overlay WORD: the one argument that is no option.
take_overlay() {
    [[ -z "$overlay" ]] || refuse "one overlay is enough"
    overlay="$1"
}

check_seconds() {
    [[ "$1" =~ ^[0-9]+$ ]] || refuse "--timeout takes a number of seconds"
}

check_overlay() {
    [[ -n "$overlay" ]] || refuse "an overlay is needed: $(overlays)"
    [[ "$overlay" != */* && -f "$repo/k8s/overlays/$overlay/kustomization.yaml" ]] ||
        refuse "there is no overlay '$overlay'. There are: $(overlays)"
}

overlays() { (cd "$repo/k8s/overlays" && printf '%s ' */ | tr -d /); }

# Whether the overlay has in it what only terraform/ can tell.
takes_facts() { grep -q '/components/azure$' "$repo/k8s/overlays/$overlay/kustomization.yaml"; }

# check_facts FILE: refuses a file with anything else than facts in it, or of another namespace. That
# one is missing which the overlay needs, kustomize says.
check_facts() {
    local line
    while IFS= read -r line || [[ -n "$line" ]]; do
        [[ -z "$line" || "$line" == '#'* || "$line" =~ ^flixtube-[a-z-]+=[A-Za-z0-9][A-Za-z0-9./_-]*$ ]] ||
            refuse "$1 has a line that is no fact (flixtube-NAME=VALUE): $line"
    done <"$1"
    grep -qx "flixtube-namespace=$namespace" "$1" ||
        refuse "$1 is not of the namespace $namespace (flixtube-namespace)"
}

# needs PROGRAM...: ends here if one of them is missing.
needs() {
    local program missing=0
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            # shellcheck disable=SC2154 # the sourcing script's
            complain "scripts/$this needs $program, which is not installed."
            missing=1
        }
    done
    ((missing == 0)) || exit 1
}

# cluster KUBECTL-ARGUMENT...: in the namespace.
cluster() { kubectl ${context:+--context "$context"} --namespace "$namespace" "$@"; }

check_cluster() {
    local said
    said="$(cluster get --raw /readyz 2>&1 >/dev/null)" || {
        complain "No cluster answers. Try: kubectl ${context:+--context $context }cluster-info"
        complain "$said"
        exit 1
    }
}

# apply FILE KUBECTL-ARGUMENT...: what others own of an object stays (the autoscaler its replicas),
# and what the file no longer says goes.
apply() {
    local file="$1"
    shift
    cluster apply --server-side --force-conflicts --field-manager=flixtube-deploy -f "$file" "$@"
}

# What the release that is applied has no more; nobody waits for it to be well.
left_over=""

# find_left_over FILE: sets it, to KIND/NAME of what is in the cluster and not in the file.
find_left_over() {
    left_over="$(
        {
            awk '/^---/ { kind = "" }
                /^kind: / { kind = tolower($2) }
                /^[a-z]/ { in_metadata = ($1 == "metadata:") }
                in_metadata && /^  name: / { print kind "/" $2 }' "$1"
            echo --
            cluster get deployments,statefulsets,horizontalpodautoscalers,services,networkpolicies \
                -l "$ours" -o name | sed -e 's#\.[^/]*/#/#' -e '/\/keda-hpa-/d' # KEDA's own
        } | awk '/^--$/ { in_cluster = 1; next } in_cluster { if (!($0 in applied)) print; next } { applied[$0] }'
    )"
}

# Says what somebody should delete, and does not do it: it may be on its way out, as an engine is while
# its messages are moved.
tell_left_over() {
    [[ -z "$left_over" ]] || complain "Left in the cluster, and in this release no more; delete what nobody needs:
$left_over"
}

# Prints the pods of ours that will not start by waiting: no image, no secret, or three crashes:
# services and engines wait for each other, so none of them crashes for want of another.
stuck_pods() {
    cluster get pods -l "$ours_and_broker" -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.metadata.labels.app\.kubernetes\.io/name}{range .status.containerStatuses[*]}{" "}{.image}{" "}{.restartCount}{" "}{.state.waiting.reason}{end}{"\n"}{end}' |
        awk -v left="$(tr '\n' ' ' <<<"$left_over")" '
            BEGIN { split(left, paths, " "); for (i in paths) { sub(/.*\//, "", paths[i]); nobody_waits[paths[i]] } }
            $2 in nobody_waits { next }
            $5 ~ /^(ErrImagePull|ImagePullBackOff|InvalidImageName|CreateContainerConfigError|CreateContainerError)$/ ||
            ($5 == "CrashLoopBackOff" && $4 >= 3) { print $1 ": " $5 " (" $3 ")" }'
}

# Prints the workloads that are not yet as they were asked to be. What is not known is not finished.
unfinished_workloads() {
    local found workload state
    found="$(cluster get deployments,statefulsets -l "$ours_and_broker" -o name)" || found=""
    [[ -n "$found" ]] || say "the cluster names no workload"
    for workload in $found; do
        ! grep -qxF "${workload/.apps/}" <<<"$left_over" || continue
        state="$(cluster rollout status "$workload" --watch=false)" || state="unknown"
        case "$state" in
            *"successfully rolled out"* | *"roll out complete"* | *"rolling update complete"*) ;;
            *) printf '%s: %s\n' "${workload#*/}" "$(head -n 1 <<<"$state")" ;;
        esac
    done
    # RabbitMQ's operator, where there is one, may not have begun.
    cluster get rabbitmqclusters.rabbitmq.com -l "$ours" \
        -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.metadata.generation}{" "}{.status.observedGeneration}{"\n"}{end}' 2>/dev/null |
        awk 'NF > 0 && $2 != $3 { print $1 ": its operator has not done it yet" }' || true
}

# wait_for_rollout SECONDS [even-if-stuck]: fails, and says why, when the time is over, or earlier when
# a pod has been beyond hope for half a minute.
wait_for_rollout() {
    local deadline=$((SECONDS + $1)) patient="${2:-}" stuck="" stuck_since="" unfinished="" told=""
    while true; do
        unfinished="$(unfinished_workloads)"
        [[ -n "$unfinished" ]] || return 0
        if [[ "$unfinished" != "$told" ]]; then
            say "$unfinished"
            told="$unfinished"
        fi
        stuck="$(stuck_pods)"
        if [[ -z "$stuck" ]]; then
            stuck_since=""
        elif [[ -z "$stuck_since" ]]; then
            stuck_since="$SECONDS"
        elif [[ -z "$patient" ]] && ((SECONDS - stuck_since >= 30)); then
            complain "These pods cannot start:"
            complain "$stuck"
            return 1
        fi
        if ((SECONDS >= deadline)); then
            complain "Not within $1 s:"
            complain "$unfinished"
            return 1
        fi
        sleep 3
    done
}

# Prints what a person looks at first after a failed rollout.
tell_about_pods() {
    local pod
    cluster get pods -l "$ours_and_broker" -o wide >&2 || true
    for pod in $(cluster get pods -l "$ours_and_broker" -o jsonpath='{range .items[?(@.status.containerStatuses[0].ready==false)]}{.metadata.name}{"\n"}{end}'); do
        complain "--- the last lines of $pod"
        cluster logs "$pod" --tail=10 >&2 2>&1 || true
    done
}

# wait_for_answer URL SECONDS: until it answers at all. A new address has to be spread, and a certificate made.
wait_for_answer() {
    local deadline=$((SECONDS + $2))
    until curl --silent --output /dev/null --max-time 10 "$1/api/videos?limit=1"; do
        ((SECONDS < deadline)) || return 1
        sleep 5
    done
}

# smoke URL: runs scripts/smoke with the owner's token; without a URL through a forwarded port.
smoke() {
    local url="$1" token log status=0 forward=""
    token="$(cluster get secret flixtube-keys -o jsonpath='{.data.owner-token}' | base64 -d)"
    if [[ -z "$url" ]]; then
        log="$(mktemp)"
        # Not by the function: what is ended below would be the shell around it.
        kubectl ${context:+--context "$context"} --namespace "$namespace" \
            port-forward --address 127.0.0.1 service/gateway :8080 >"$log" 2>&1 &
        forward=$!
        for _ in $(seq 50); do
            url="$(sed -n 's#^Forwarding from \(127\.0\.0\.1:[0-9]*\) .*#http://\1#p' "$log" | head -n 1)"
            [[ -z "$url" ]] || break
            sleep 0.2
        done
    fi
    if [[ -n "$url" ]]; then
        OWNER_TOKEN="$token" "$repo/scripts/smoke" "$url" --timeout 60 || status=$?
    else
        complain "No port could be forwarded to the gateway: $(cat "$log")"
        status=1
    fi
    if [[ -n "$forward" ]]; then
        kill "$forward" 2>/dev/null || true
        wait "$forward" 2>/dev/null || true
        rm -f "$log"
    fi
    return "$status"
}

# releases good|any: prints the names of those that are kept, the newest first.
releases() {
    local label=flixtube/release
    [[ "$1" == any ]] || label="$label=$1"
    cluster get configmaps -l "$ours,$label" -o name | sed 's#^configmap/##' | LC_ALL=C sort -r
}

# Prints `good`, `withdrawn` (a rollback went behind it), or nothing if there is no such release.
state_of_release() {
    cluster get configmap "$1" --ignore-not-found -o jsonpath='{.metadata.labels.flixtube/release}'
}

label_release() { cluster label configmap "$1" --overwrite "$ours" "flixtube/release=$2" >/dev/null; }

# keep_release FILE: remembers what runs now, and forgets the oldest.
keep_release() {
    local name old folder
    name="release-$(date -u +%Y%m%d%H%M%S)"
    folder="$(mktemp -d)"
    gzip -9 -c "$1" >"$folder/manifests.yaml.gz"
    cluster create configmap "$name" --from-file="$folder/manifests.yaml.gz" >/dev/null
    label_release "$name" good
    rm -r "$folder"
    for old in $(releases any | tail -n "+$((kept_releases + 1))"); do
        cluster delete configmap "$old" >/dev/null
    done
    forget_settings
    say "kept as $name"
}

# Deletes the ConfigMaps with hashed names that none of the kept releases has: each change of a setting
# makes another one.
forget_settings() {
    local release name folder
    folder="$(mktemp -d)"
    for release in $(releases any); do take_release "$release" "$folder/$release"; done
    for name in $(cluster get configmaps -l "$ours,!flixtube/release" -o name | grep -E -- '-[0-9a-z]{10}$'); do
        grep -qwrF -- "${name#configmap/}" "$folder" || cluster delete "$name" >/dev/null
    done
    rm -r "$folder"
}

# take_release NAME FILE: writes the manifests of a release into a file.
take_release() {
    cluster get configmap "$1" -o jsonpath='{.binaryData.manifests\.yaml\.gz}' | base64 -d | gunzip >"$2"
}
