# shellcheck shell=bash
# What scripts/test does with the scripts that CI calls: what they refuse, what counts as changed, and
# that an image which is not signed does not get through. To be sourced after common.sh and steps.sh.
# Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}" "${tool_cache:?is set by go-tools.sh}" "${go_tools:?is set by go-tools.sh}"

# That of the workflows, too. Building it takes longer than all tests of delivery together, so it is used
# where it is there.
cosign_version=3.1.1

# expect_exit STATUS COMMAND...: fails, and shows what was said, if it ends with another one.
expect_exit() {
    local wanted="$1" status=0 said
    shift
    said="$("$@" 2>&1 </dev/null)" || status=$?
    ((status == wanted)) && return
    complain "${*/#"$repo"\//}: exit code $status, and $wanted is right. It said:"
    complain "$said"
    return 1
}

# expect_refusal WHY COMMAND...: fails unless it ends with 1 and says so, for the reason that is meant.
expect_refusal() {
    local why="$1" status=0 said
    shift
    said="$("$@" 2>&1 </dev/null)" || status=$?
    ((status == 1)) && grep -q "REFUSED.*$why" <<<"$said" && return
    complain "${*/#"$repo"\//}: exit code $status. It should have refused, because: $why. It said:"
    complain "$said"
    return 1
}

digest_of_nothing=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

# Each of these scripts explains itself, and takes no wrong call for a right one.
delivery_arguments() {
    local script image="registry.example.org/gateway@$digest_of_nothing" here
    here="$(mktemp -d)"
    for script in build-image changed-services changelog connect-azure package-release plan push-image sbom \
        scan-image sign-image verify-image; do
        expect_exit 0 "$repo/scripts/$script" --help || return
        expect_exit 2 "$repo/scripts/$script" --no-such-option || return
    done
    expect_exit 2 "$repo/scripts/changed-services" || return
    expect_exit 2 "$repo/scripts/changed-services" --since || return
    expect_exit 2 "$repo/scripts/changed-services" --since --output=x || return
    expect_exit 2 "$repo/scripts/changed-services" --since HEAD --all || return
    expect_exit 2 "$repo/scripts/changed-services" --files "$here/none" || return
    expect_exit 2 "$repo/scripts/sign-image" "$image" || return
    expect_exit 2 "$repo/scripts/sign-image" --sbom "$here" || return
    expect_exit 2 "$repo/scripts/sign-image" --sbom "$here" registry.example.org/gateway:latest || return
    expect_exit 1 "$repo/scripts/sign-image" --sbom "$here" "$image" || return
    expect_exit 2 "$repo/scripts/verify-image" "$image" || return
    expect_exit 2 "$repo/scripts/verify-image" --key a --identity b "$image" || return
    expect_exit 2 "$repo/scripts/verify-image" --key a || return
    expect_exit 2 "$repo/scripts/verify-image" --key a registry.example.org/gateway:latest || return
    expect_exit 2 "$repo/scripts/sbom" || return
    expect_exit 2 "$repo/scripts/sbom" --out "$here" no-such-image || return
    expect_exit 2 "$repo/scripts/scan-image" || return
    expect_exit 2 "$repo/scripts/scan-image" --sbom "$here" || return
    expect_exit 2 "$repo/scripts/package-release" || return
    expect_exit 2 "$repo/scripts/package-release" --out "$here" --release main || return
    expect_exit 1 "$repo/scripts/package-release" --out "$here" --release v987.6.5 || return
    expect_exit 2 "$repo/scripts/changelog" --to no-such-commit || return
    expect_exit 2 "$repo/scripts/changelog" --to --output=x || return
    expect_exit 2 "$repo/scripts/plan" || return
    expect_exit 2 "$repo/scripts/plan" --comment "$here/plan.md" --folder "$here" || return
    touch "$here/gateway.cdx.json"
    expect_exit 2 "$repo/scripts/scan-image" --sbom "$here" --fail-on some || return
    expect_exit 0 "$repo/scripts/sign-image" --sbom "$here" --dry-run "$image" || return
    rm -r "$here"
}

# changes IMAGES FILE...: fails if other images than these change with the files.
changes() {
    local wanted="$1" got
    shift
    got="$(printf '%s\n' "$@" | "$repo/scripts/changed-services" --files - 2>/dev/null | tr '\n' ' ')"
    [[ "${got% }" == "$wanted" ]] && return
    complain "With $* change: ${got:-no images}. Right is: ${wanted:-none}"
    return 1
}

# The rule, on this repository itself.
what_counts_as_changed() {
    local all="gateway video-streaming video-storage metadata history flixtube"
    # A service's own sources, and those of one that needs another crate.
    changes "history flixtube" history/src/config.rs || return
    changes "history flixtube" history/Cargo.toml || return
    changes "gateway metadata flixtube" gateway/src/lib.rs metadata/src/lib.rs || return
    # Shared crates count for those who use them: the gateway has no events.
    changes "video-streaming video-storage metadata history flixtube" events/src/lib.rs || return
    changes "$all" service-kit/src/lib.rs || return
    # The pages are built into the gateway.
    changes "gateway flixtube" web/src/App.svelte || return
    changes "gateway flixtube" web/package-lock.json || return
    changes "gateway flixtube" gateway/placeholder/index.html || return
    # What all have in common, and what is nobody's.
    changes "$all" Cargo.lock || return
    changes "$all" Dockerfile || return
    changes "$all" .dockerignore || return
    changes "$all" removed-crate/src/lib.rs || return
    # What goes into no image: tests, tools, documents, delivery.
    changes "" history/tests/api/main.rs history/README.md web/e2e/owner.spec.ts || return
    changes "" test-support/src/lib.rs system-tests/src/lib.rs live-reload/src/main.rs || return
    changes "" docs/ARCHITECTURE.md README.md k8s/arrows.yaml terraform/main.tf scripts/deploy || return
    changes "" || return
}

# The same by git, in a copy with commits of its own.
changes_since_a_commit() {
    local copy git got
    copy="$(mktemp -d)"
    git=(git -C "$copy" -c user.name=test -c user.email=test@example.org -c commit.gpgsign=false)
    (cd "$repo" && git ls-files -z | tar --null -T - -cf -) | tar -xf - -C "$copy"
    "${git[@]}" init --quiet
    "${git[@]}" add --all
    "${git[@]}" commit --quiet --message one
    # A file that goes from one service to another changes both.
    "${git[@]}" mv "$("${git[@]}" ls-files 'metadata/src/*.rs' | head -n 1)" history/src/moved.rs
    "${git[@]}" commit --quiet --message two
    got="$("$copy/scripts/changed-services" --since HEAD~1 2>/dev/null | tr '\n' ' ')"
    [[ "$got" == "metadata history flixtube " ]] || {
        complain "A file went from metadata to history, and these changed: $got"
        return 1
    }
    got="$("$copy/scripts/changed-services" --since HEAD 2>/dev/null)"
    [[ -z "$got" ]] || {
        complain "Nothing changed, and these were named: $got"
        return 1
    }
    # The base is gone after a forced push, or was never fetched.
    got="$("$copy/scripts/changed-services" --since 1111111111111111111111111111111111111111 2>/dev/null | wc -l)"
    ((got == 6)) || {
        complain "An unknown commit: $got images in place of all 6."
        return 1
    }
    rm -rf "$copy"
}

# What a release tells, from a repository of two of them.
changelog_of_a_release() {
    local copy git got
    copy="$(mktemp -d)"
    git=(git -C "$copy" -c user.name=test -c user.email=test@example.org -c commit.gpgsign=false)
    mkdir -p "$copy/scripts/lib"
    cp "$repo/scripts/changelog" "$copy/scripts/"
    cp "$repo/scripts/lib/common.sh" "$copy/scripts/lib/"
    "${git[@]}" init --quiet
    commit() { "${git[@]}" commit --quiet --allow-empty --message "$1"; }
    commit "history: Be there"
    "${git[@]}" tag v0.1.0
    commit "web: Show <b> as it is"
    commit "history, metadata: Count better"
    commit "Merge nothing"
    commit "history: Forget faster"
    "${git[@]}" tag v0.2.0
    commit "web: Come later"
    got="$("$copy/scripts/changelog" --to v0.2.0)"
    rm -rf "$copy"
    [[ "$got" == "Since v0.1.0:

### history

- Count better
- Forget faster

### web

- Show &lt;b> as it is

### other

- Merge nothing" ]] && return
    complain "The changelog is not as it should be:"
    complain "$got"
    return 1
}

# An az that answers `aks list` with the file that AZ_CLUSTERS names, and remembers the rest.
stand_in_az() {
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nif [ "$1 $2" = "aks list" ]; then cat "$AZ_CLUSTERS"; else echo "$*" >>"$AZ_CALLS"; fi\n' >"$1/az"
    chmod +x "$1/az"
}

# What the tags of a cluster become: the facts that scripts/deploy takes.
facts_of_a_cluster() {
    local here ours other wanted
    here="$(mktemp -d)"
    stand_in_az "$here"
    export AZ_CLUSTERS="$here/clusters" AZ_CALLS="$here/calls" PATH="$here:$PATH"
    ours='{"name":"aks-acme","resourceGroup":"rg-acme","tags":{"installation":"acme","flixtube-registry":"cracme.azurecr.io","flixtube-public-host":"acme.example.org"}}'
    other='{"name":"else","resourceGroup":"rg-else","tags":null}'
    echo "[$other,$ours]" >"$AZ_CLUSTERS"
    expect_exit 0 "$repo/scripts/connect-azure" --facts "$here/facts" --registry || return
    wanted="flixtube-public-host=acme.example.org
flixtube-registry=cracme.azurecr.io"
    [[ "$(cat "$here/facts")" == "$wanted" && "$(cat "$AZ_CALLS")" == "acr login --name cracme" ]] || {
        complain "Wrong facts or a wrong login: $(cat "$here/facts" "$AZ_CALLS")"
        return 1
    }
    # None, two without a choice, and a value that no file of NAME=VALUE lines could hold.
    echo "[$other]" >"$AZ_CLUSTERS"
    expect_exit 1 "$repo/scripts/connect-azure" || return
    echo "[$ours,${ours//acme/next}]" >"$AZ_CLUSTERS"
    expect_exit 1 "$repo/scripts/connect-azure" || return
    expect_exit 0 "$repo/scripts/connect-azure" --installation next || return
    echo "[${ours//acme.example.org/a\\nb}]" >"$AZ_CLUSTERS"
    expect_exit 1 "$repo/scripts/connect-azure" || return
    rm -rf "$here"
}

# kubectl enters by a kubelogin that is not in the search path.
kubectl_of_a_cluster() {
    local here
    here="$(mktemp -d)"
    export AZ_CLUSTERS="$here/clusters" AZ_CALLS="$here/calls" KUBECONFIG="$here/kubeconfig" XDG_CACHE_HOME="$here/cache"
    mkdir -p "$here/bin" "$here/cache/flixtube/bin"
    stand_in_az "$here/bin"
    echo '[{"name":"aks-acme","resourceGroup":"rg-acme","tags":{"flixtube-registry":"cracme.azurecr.io"}}]' >"$AZ_CLUSTERS"
    # What `az aks get-credentials` and `kubelogin convert-kubeconfig` leave behind.
    cat >"$KUBECONFIG" <<'YAML'
apiVersion: v1
kind: Config
clusters: [{ name: aks-acme, cluster: { server: "https://127.0.0.1:1" } }]
contexts: [{ name: aks-acme, context: { cluster: aks-acme, user: somebody } }]
current-context: aks-acme
users:
  - name: somebody
    user:
      exec: { apiVersion: client.authentication.k8s.io/v1beta1, command: kubelogin, args: [get-token, --login, azurecli] }
YAML
    # shellcheck disable=SC2016
    printf '#!/bin/sh\necho "$0 $*" >>"$AZ_CALLS"\n' >"$here/cache/flixtube/bin/kubelogin"
    chmod +x "$here/cache/flixtube/bin/kubelogin"
    awk '$1 == "kubelogin" { print $2 }' <<<"$go_tools" >"$here/cache/flixtube/bin/kubelogin.version"
    # Without one that is installed somewhere else.
    ln -s "$(command -v node)" "$(command -v kubectl)" "$here/bin/"
    PATH="$here/bin:/usr/bin:/bin" expect_exit 0 "$repo/scripts/connect-azure" --prepare || return
    # Nobody is at that address, which it says after it has asked for a token, as kubectl does each time.
    PATH="$here/bin:/usr/bin:/bin" expect_exit 1 "$repo/scripts/connect-azure" --cluster || return
    grep -q "^$here/cache/flixtube/bin/kubelogin get-token --login azurecli$" "$AZ_CALLS" || {
        complain "kubectl did not call kubelogin as it should: $(cat "$AZ_CALLS")"
        return 1
    }
    rm -rf "$here"
}

# A comment is written of a plan, of one that fails, and of one that is too long, by Terraform itself with a
# state in a folder. Nothing is changed by it.
comment_of_a_plan() {
    local here
    here="$(mktemp -d)"
    cat >"$here/main.tf" <<'HCL'
terraform {
  backend "local" {}
}
variable "size" {
  default = 1
}
resource "terraform_data" "this" {
  input = join("", [for i in range(var.size) : format("`````` %0100d", i)])
}
HCL
    echo 'path = "state"' >"$here/backend.hcl"
    (cd "$here" && terraform init -backend-config=backend.hcl >/dev/null) || return
    expect_exit 0 "$repo/scripts/plan" --folder "$here" --comment "$here/comment" || return
    grep -q '^### Terraform: Plan: 1 to add, 0 to change, 0 to destroy.$' "$here/comment" || {
        complain "The comment has not the headline: $(cat "$here/comment")"
        return 1
    }
    # Nothing in the plan ends the block that it is in.
    (($(grep -c '``````' "$here/comment") == 2)) || {
        complain "The plan gets out of its block: $(cat "$here/comment")"
        return 1
    }
    [[ ! -e "$here/state" ]] || {
        complain "A plan wrote the state."
        return 1
    }
    TF_VAR_size=1000 expect_exit 0 "$repo/scripts/plan" --folder "$here" --comment "$here/comment" || return
    if (($(wc -c <"$here/comment") > 65536)) || ! grep -q 'It is cut here' "$here/comment"; then
        complain "A long plan was not cut."
        return 1
    fi
    TF_VAR_size=many expect_exit 1 "$repo/scripts/plan" --folder "$here" --comment "$here/comment" || return
    grep -q '^### Terraform: The plan failed.$' "$here/comment" || {
        complain "A failed plan was not told: $(cat "$here/comment")"
        return 1
    }
    rm -rf "$here"
}

# What the documents say of scripts and of each other.
documents_are_true() {
    local here files=() file
    while IFS= read -r file; do files+=("$repo/$file"); done < <(git -C "$repo" ls-files '*.md')
    node "$repo/scripts/lib/documents.mjs" "$repo" "${files[@]}" || return
    # And it would be seen if they did not.
    here="$(mktemp -d)"
    # shellcheck disable=SC2016
    printf '# A page\n[no file](none.md) [no heading](page.md#b-page)\n`scripts/none` `scripts/deploy --no-such`\n' >"$here/page.md"
    if node "$repo/scripts/lib/documents.mjs" "$repo" "$here/page.md" 2>"$here/faults" || (($(wc -l <"$here/faults") != 4)); then
        complain "Four faults in a page, and these were seen: $(cat "$here/faults")"
        return 1
    fi
    rm -rf "$here"
    say "${#files[@]} documents: links, headings, scripts and their options"
}

# The version of cosign in the workflows is the one that is tried here.
cosign_is_the_same_everywhere() {
    local there
    there="$(sed -n 's/^ *cosign-release: *v//p' "$repo"/.github/workflows/*.yml | LC_ALL=C sort -u)"
    [[ "$there" == "$cosign_version" ]] && return
    complain "cosign is $cosign_version in scripts/lib/delivery.sh, and in the workflows: $there"
    return 1
}

# Whether a registry can be had here to try signatures in: its program, and an engine to push with that
# is on this machine and not in a virtual one.
can_try_signatures() {
    [[ "$(uname)" == Linux ]] && command -v docker-registry >/dev/null && docker info >/dev/null 2>&1
}

# small_image REFERENCE SOURCE REVISION VERSION: builds and pushes one, and prints it by digest. Each is different.
small_image() {
    local folder
    folder="$(mktemp -d)"
    head -c 16 /dev/urandom >"$folder/content"
    printf 'FROM scratch\nCOPY content /\nLABEL org.opencontainers.image.source="%s" org.opencontainers.image.revision="%s" org.opencontainers.image.version="%s"\n' \
        "$2" "$3" "$4" >"$folder/Dockerfile"
    quietly docker build --tag "$1" "$folder" >&2 && quietly docker push "$1" >&2 || return
    docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$1" | grep "^${1%:*}@" | tail -n 1
    quietly docker rmi "$1" || true
    rm -r "$folder"
}

# Images in a registry: one that is signed goes through, and nothing else does.
signatures_are_asked_for() {
    local here port registry commit=1111111111111111111111111111111111111111 good other bare dirty
    local source=https://git.example.org/owner/name
    here="$(mktemp -d)"
    export COSIGN_PASSWORD=for-this-test PATH="$1:$PATH" DOCKER_CONFIG="$here/docker"
    mkdir "$DOCKER_CONFIG"
    port="$(node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')"
    printf 'version: 0.1\nstorage: { filesystem: { rootdirectory: %s } }\nhttp: { addr: "127.0.0.1:%s" }\n' "$here/data" "$port" >"$here/config.yml"
    docker-registry serve "$here/config.yml" >"$here/registry.log" 2>&1 &
    registry_process=$!
    # Also when something fails in between; this runs in a subshell of its own. Signing pulls what it looks at.
    # shellcheck disable=SC2064
    trap "kill $registry_process 2>/dev/null; rm -rf '$here'
        docker image ls --quiet --filter 'reference=127.0.0.1:$port/flixtube/*' | sort -u | xargs -r docker rmi --force >/dev/null" EXIT
    for _ in $(seq 50); do
        if curl --silent --fail "http://127.0.0.1:$port/v2/" >/dev/null; then break; fi
        sleep 0.2
    done
    registry="127.0.0.1:$port/flixtube"
    (cd "$here" && quietly cosign generate-key-pair && mkdir else && cd else && quietly cosign generate-key-pair) || return
    mkdir "$here/sbom"
    echo '{"bomFormat":"CycloneDX","specVersion":"1.5","version":1}' | tee "$here/sbom/gateway.cdx.json" >"$here/sbom/history.cdx.json"
    sign=("$repo/scripts/sign-image" --sbom "$here/sbom" --key "$here/cosign.key")
    verify=("$repo/scripts/verify-image" --key "$here/cosign.pub")

    good="$(small_image "$registry/gateway:good" "$source" "$commit" 1.0.0)" || return
    other="$(small_image "$registry/gateway:other" "$source" "$commit" 1.0.0)" || return
    bare="$(small_image "$registry/history:bare" "" unknown 0.0.0)" || return
    dirty="$(small_image "$registry/history:dirty" "$source" "$commit" 1.0.0-dirty)" || return
    expect_exit 0 "${sign[@]}" "$good" || return
    expect_exit 0 "${verify[@]}" --source "$source" "$good" || return
    # Another image under the same name; one that is not there; another signer; another repository.
    expect_refusal "no valid signature" "${verify[@]}" "$other" || return
    expect_refusal "no valid signature" "${verify[@]}" "$good" "$other" || return
    expect_refusal "no valid signature" "${verify[@]}" "$registry/gateway@$digest_of_nothing" || return
    expect_refusal "no valid signature" "$repo/scripts/verify-image" --key "$here/else/cosign.pub" "$good" || return
    expect_refusal "and not from" "${verify[@]}" --source https://git.example.org/other/name "$good" || return
    # Nothing is signed of which nobody could say what is in it.
    expect_refusal "does not say which commit" "${sign[@]}" "$bare" || return
    expect_refusal "not committed" "${sign[@]}" "$dirty" || return
    expect_refusal "it says that it comes from" "${sign[@]}" --source https://git.example.org/other/name "$other" || return
    # A bill of materials alone, signed by the right one, is no signature, and a signature alone is not enough.
    quietly cosign signing-config create --out "$here/nobody.json" || return
    quietly cosign attest --yes --key "$here/cosign.key" --signing-config "$here/nobody.json" --type cyclonedx \
        --predicate "$here/sbom/gateway.cdx.json" "$other" || return
    expect_refusal "no valid signature" "${verify[@]}" "$other" || return
    quietly cosign sign --yes --key "$here/cosign.key" --signing-config "$here/nobody.json" "$other" || return
    expect_refusal "no statement of where it comes from" "${verify[@]}" "$other" || return
    # And a deploy goes no further.
    if command -v kubectl >/dev/null; then
        VERIFY_KEY="$here/cosign.pub" expect_refusal "Nothing was changed" "$repo/scripts/deploy" local --verify --image "$other" || return
    fi
    say "one image was taken, and all others were refused"
}

# Runs all of it as steps, and says what was left out.
check_delivery() {
    local cosign
    step "delivery: arguments" delivery_arguments
    step "delivery: what counts as changed" what_counts_as_changed
    step "delivery: changes since a commit" changes_since_a_commit
    step "delivery: changelog" changelog_of_a_release
    step "delivery: facts of a cluster" facts_of_a_cluster
    if command -v kubectl >/dev/null; then
        step "delivery: kubectl of a cluster" kubectl_of_a_cluster
    else
        left_out "delivery: kubectl of a cluster" "kubectl is not installed (https://kubernetes.io/docs/tasks/tools/)"
    fi
    step "documents" documents_are_true
    step "delivery: one cosign" cosign_is_the_same_everywhere
    if ! can_try_signatures; then
        left_out "delivery: signatures" "it needs Linux, a Docker engine and the program docker-registry (Debian, Ubuntu: apt-get install docker-registry)"
    elif cosign="$(PATH="$PATH:$tool_cache/bin" command -v cosign)"; then
        step "delivery: signatures" signatures_are_asked_for "$(dirname "$cosign")"
    else
        left_out "delivery: signatures" "cosign is not installed (GOBIN=$tool_cache/bin go install github.com/sigstore/cosign/v3/cmd/cosign@v$cosign_version)"
    fi
    if command -v terraform >/dev/null; then
        step "delivery: comment of a plan" comment_of_a_plan
    else
        left_out "delivery: comment of a plan" "terraform is not installed (https://developer.hashicorp.com/terraform/install)"
    fi
}
