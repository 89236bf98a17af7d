# shellcheck shell=bash
# What scripts/test does with k8s/: schemas of two versions of Kubernetes and of the add-ons' own kinds,
# a policy scan, and the alerts' queries. What every pod and every arrow must be is a Rust test
# (system-tests/tests/manifests), for which this finds or installs a kustomize. Nothing here needs a
# cluster. To be sourced after go-tools.sh, steps.sh, terraform.sh and engines.sh. Works with the bash 3.2
# of macOS.

: "${repo:?must be set before this file is sourced}" "${tool_cache:?is set by go-tools.sh}"

# The oldest and the newest version that AKS runs.
kubernetes_versions=1.34,1.36
# It brings the schemas of Kubernetes 1.25 to 1.37.
kubernetes_validate_version=1.37.0

# Whose custom resource definitions are taken, from where in its Go module. The versions are those that
# scripts/bootstrap-cluster installs; the two that it does not name itself are here: that of the chart
# kube-prometheus-stack, and that of KEDA in AKS.
prometheus_operator_version=v0.85.0
keda_version=v2.18.1

# pinned NAME: prints a version from scripts/bootstrap-cluster.
pinned() { sed -n "s/^$1_version=//p" "$repo/scripts/bootstrap-cluster"; }

definition_sources() {
    cat <<SOURCES
github.com/envoyproxy/gateway@$(pinned envoy_gateway) charts/gateway-helm/charts/crds/crds
github.com/cert-manager/cert-manager@$(pinned cert_manager) deploy/crds
github.com/rabbitmq/cluster-operator/v2@$(pinned rabbitmq_operator) config/crd/bases
github.com/prometheus-operator/prometheus-operator@$prometheus_operator_version example/prometheus-operator-crd
github.com/kedacore/keda/v2@$keda_version config/crd/bases
SOURCES
}

# Puts a kustomize into the search path, unless kubectl or one is there. Called before the Rust tests.
install_kustomize() {
    if command -v kubectl >/dev/null; then return; fi
    PATH="$PATH:$(dirname "$(go_tool kustomize)")"
}

# render FOLDER
render() {
    if command -v kubectl >/dev/null; then kubectl kustomize "$1"; else kustomize build "$1"; fi
}

# render_all FOLDER: every overlay as a file, with services by digest as scripts/deploy has them.
render_all() {
    local overlay zeros
    zeros="$(printf '0%.0s' $(seq 64))"
    for overlay in "$repo"/k8s/overlays/*/; do
        render "$overlay" | sed -E "s#image: flixtube/[a-z-]+\$#&@sha256:$zeros#" \
            >"$1/$(basename "$overlay").yaml" || return
    done
    cp "$repo/k8s/namespace.yaml" "$repo/k8s/gateway-class.yaml" "$1"
}

# Prints the Python to use, or nothing. Installed into a folder of its own (30 MB) where that works.
find_validator() {
    local home="$tool_cache/kubernetes-validate-$kubernetes_validate_version"
    if [[ ! -x "$home/bin/kubernetes-validate" ]]; then
        command -v python3 >/dev/null || return 0
        complain "Installing kubernetes-validate $kubernetes_validate_version into $home ..."
        if ! python3 -m venv "$home" >/dev/null 2>&1 ||
            ! "$home/bin/pip" install --quiet --disable-pip-version-check \
                "kubernetes-validate==$kubernetes_validate_version" >/dev/null 2>&1; then
            rm -rf "$home"
            return 0
        fi
    fi
    printf '%s' "$home/bin/python"
}

# Prints a folder with the add-ons' definitions, as many as can be had.
find_definitions() {
    local folder go source path module got
    folder="$tool_cache/crds-$(definition_sources | digest | cut -c1-16)"
    mkdir -p "$folder"
    go="$(find_go)" || go=""
    while read -r source path; do
        module="$folder/$(basename "${source%%@*}")-$(basename "$(dirname "${source%%@*}")")"
        if [[ -n "$go" && ! -d "$module" ]]; then
            complain "Fetching the definitions of $source ..."
            got="$("$go" mod download -json "$source" 2>/dev/null | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')" || got=""
            if [[ -n "$got" && -d "$got/$path" ]]; then
                mkdir "$module.new"
                find "$got/$path" -name '*.yaml' -exec cp {} "$module.new" \;
                chmod -R u+w "$module.new"
                mv "$module.new" "$module"
            fi
        fi
    done < <(definition_sources)
    printf '%s' "$folder"
}

# validate_manifests PYTHON DEFINITIONS FOLDER
validate_manifests() {
    "$1" "$repo/scripts/lib/validate_manifests.py" "$kubernetes_versions" "$2" "$3"/*.yaml
}

# A check that lets everything pass would look the same: each of these must be found.
validation_finds_mistakes() {
    local python="$1" definitions="$2" folder="$3" wrong="$3/wrong" mistake said number=0 missed=0
    local mistakes='revisionHistoryLimits|s/revisionHistoryLimit:/revisionHistoryLimits:/
is not valid under|s/maxSurge: 1/maxSurge: [1]/
there is no such kind|s/^kind: PodDisruptionBudget/kind: PodDisruption/'
    # Of the kinds of the add-ons, where these are there.
    [[ -z "$(ls -A "$definitions")" ]] || mistakes="$mistakes
maxReplicas|s/maxReplicaCount:/maxReplicas:/"
    mkdir -p "$wrong"
    while IFS='|' read -r said mistake; do
        number=$((number + 1))
        sed -E "$mistake" "$folder/azure.yaml" >"$wrong/$number.yaml"
    done <<<"$mistakes"
    validate_manifests "$python" "$definitions" "$wrong" >"$wrong/log" 2>&1 || true
    number=0
    while IFS='|' read -r said mistake; do
        number=$((number + 1))
        grep -q "/$number\.yaml: .*$said" "$wrong/log" || {
            complain "Not found: $mistake"
            missed=1
        }
    done <<<"$mistakes"
    ((missed == 0)) || {
        cat "$wrong/log" >&2
        return 1
    }
    say "all $number mistakes were found"
}

scan_manifests() {
    # Without the guidelines of its maker's service, which need the Internet.
    "$1" --directory "$2" --framework kubernetes --config-file "$repo/k8s/checkov.yaml" \
        --skip-download --compact --quiet
}

# The alerts as Prometheus itself reads them: what stands below `spec`.
check_alerts() {
    local rules="$1/rules"
    mkdir -p "$rules"
    sed -n '/^spec:/,$p' "$repo/k8s/components/monitoring/alerts.yaml" | sed -e 1d -e 's/^  //' >"$rules/alerts.yaml"
    cp "$repo/k8s/components/monitoring/alerts.test.yaml" "$rules/"
    promtool check rules "$rules/alerts.yaml" && promtool test rules "$rules/alerts.test.yaml"
}

# Runs all of it as steps, and says what was left out.
check_manifests() {
    local folder python checkov definitions
    install_kustomize || complain "No kustomize could be installed."
    if ! command -v kubectl >/dev/null && ! command -v kustomize >/dev/null; then
        left_out "manifests" "neither kubectl nor kustomize can be had (https://kubectl.docs.kubernetes.io/installation/kustomize)"
        return
    fi
    folder="$(mktemp -d)"
    step "manifests: every overlay is built" render_all "$folder"
    if last_step_passed; then
        python="$(find_validator)"
        if [[ -n "$python" ]]; then
            definitions="$(find_definitions)"
            step "manifests: schemas of Kubernetes $kubernetes_versions and of the add-ons" \
                validate_manifests_or_part "$python" "$definitions" "$folder"
            step "manifests: the schemas find mistakes" validation_finds_mistakes "$python" "$definitions" "$folder"
            if [[ -s "$folder/left-out" ]]; then
                left_out "manifests: schemas of the add-ons" "no definitions of $(tr '\n' ';' <"$folder/left-out") (they come from Go modules)"
            fi
        else
            left_out "manifests: schemas" "kubernetes-validate cannot be installed (it needs python3 with venv, and PyPI)"
        fi
        checkov="$(find_checkov)"
        if [[ -n "$checkov" ]]; then
            step "manifests: policy scan" scan_manifests "$checkov" "$folder"
        else
            left_out "manifests: policy scan" "checkov cannot be installed (it needs python3 with venv, and PyPI)"
        fi
    fi
    if ! command -v promtool >/dev/null && command -v apt-get >/dev/null; then
        apt_install_without_service prometheus prometheus || complain "promtool could not be installed."
    fi
    if command -v promtool >/dev/null; then
        step "manifests: alerts" check_alerts "$folder"
    else
        left_out "manifests: alerts" "promtool is not installed (Debian, Ubuntu: it is in the package prometheus)"
    fi
    rm -rf "$folder"
}

# The same as validate_manifests, but for custom kinds without definitions, which are only written down.
validate_manifests_or_part() {
    local status=0
    validate_manifests "$@" >"$3/validated" || status=$?
    cat "$3/validated"
    sed -n 's/^left out: //p' "$3/validated" >"$3/left-out"
    ((status == 0 || status == 3))
}
