# shellcheck shell=bash
# What scripts/test does with terraform/: formatting, the provider's own validation, the tests on
# mocked answers, what a destroy may and may not take, and a policy scan. Nothing here reaches Azure.
# To be sourced after common.sh and steps.sh. Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}"

# Resources that outlive a destroy. The tests demand prevent_destroy of each, and that nothing of
# theirs hangs on the resource group that scripts/destroy may take.
terraform_protected=(
    azurerm_resource_group.kept
    module.storage.azurerm_storage_account.this
    module.storage.azurerm_storage_container.videos
    module.vault.azurerm_key_vault.this
    module.database.azurerm_mongo_cluster.this
)
terraform_disposable=azurerm_resource_group.platform

# Everything happens in a copy: `init` writes a lock file, and one that was made with a provider of
# one's own build must never be committed.
terraform_copy=""

terraform_here() { terraform -chdir="$terraform_copy" "$@"; }

terraform_format() { terraform -chdir="$repo/terraform" fmt -check -recursive -diff; }

# Makes the copy and gets the provider. Fails with 3 if the provider cannot be had from here.
terraform_prepare() {
    local log status=0
    terraform_copy="$(mktemp -d)"
    # Without what somebody's own `init` and `bootstrap-state` have left there.
    (cd "$repo/terraform" && tar -cf - --exclude='.terraform*' --exclude='*.tfstate*' \
        --exclude='*.tfvars' --exclude='backend.hcl' .) | tar -xf - -C "$terraform_copy"
    log="$terraform_copy/init.log"
    terraform_here init -backend=false -input=false -no-color >"$log" 2>&1 </dev/null || status=$?
    ((status == 0)) && return
    if grep -qE 'Failed to (query available provider packages|install provider)|Could not connect to registry' "$log"; then
        return 3
    fi
    cat "$log" >&2
    return 1
}

terraform_validate() { terraform_here validate -no-color; }

terraform_tests() { terraform_here test -no-color; }

# What bootstrap-state writes must be accepted, and what it is asked must be checked.
terraform_bootstrap() {
    local bootstrap="$repo/scripts/bootstrap-state" vars="$terraform_copy/bootstrap.tfvars" arguments status
    "$bootstrap" --name acme --location westeurope --variant production --dry-run |
        sed -n '/^subscription_id/,/^$/p' >"$vars"
    grep -q '^state_container_id' "$vars" || {
        complain "bootstrap-state --dry-run prints no terraform.tfvars."
        return 1
    }
    terraform_here test -no-color -test-directory=tests/bootstrap -var-file="$vars" || return
    for arguments in "" "--name acme" "--location westeurope" "--name Acme --location westeurope" \
        "--name acme --location Europe" "--name acme --location westeurope --variant huge" "--name" "--force"; do
        status=0
        # Words on purpose.
        # shellcheck disable=SC2086
        "$bootstrap" $arguments >/dev/null 2>&1 </dev/null || status=$?
        ((status == 2)) || {
            complain "bootstrap-state $arguments: exit code $status, and 2 is right for a wrong call."
            return 1
        }
    done
}

# terraform_has_prevent_destroy ADDRESS, such as module.storage.azurerm_storage_account.this
terraform_has_prevent_destroy() {
    local address="$1" folder="$terraform_copy" resource
    if [[ "$address" == module.* ]]; then
        address="${address#module.}"
        folder="$folder/modules/${address%%.*}"
        address="${address#*.}"
    fi
    resource="resource \"${address%%.*}\" \"${address#*.}\" {"
    cat "$folder"/*.tf | awk -v first="$resource" '
        $0 == first { inside = 1 }
        inside && /^    prevent_destroy = true$/ { found = 1 }
        /^}/ { inside = 0 }
        END { exit !found }'
}

# When a test has ended Terraform destroys what the test made: of all that there is, on mocks, this
# one applies everything, and the end must be refused.
terraform_destroy_is_refused() {
    local log="$terraform_copy/destroy.log" one missing=0
    if terraform_here test -no-color -test-directory=tests/destroy >"$log" 2>&1; then
        complain "A destroy of everything was not refused."
        return 1
    fi
    # The rest of the log speaks of the failure that is wanted here.
    if ! grep -q '1 passed, 0 failed' "$log" || ! grep -q 'Instance cannot be destroyed' "$log"; then
        cat "$log" >&2
        return 1
    fi
    # It stops at those on which no other one depends, so these are named, and the rest is read.
    for one in module.storage.azurerm_storage_container.videos 'module.vault[0].azurerm_key_vault.this' \
        'module.database[0].azurerm_mongo_cluster.this'; do
        if ! grep -qF "Resource $one has" "$log"; then
            complain "A destroy does not refuse to take $one."
            missing=1
        fi
    done
    for one in "${terraform_protected[@]}"; do
        if ! terraform_has_prevent_destroy "$one"; then
            complain "$one has no prevent_destroy."
            missing=1
        fi
    done
    ((missing == 0)) || return 1
    say "refused: a destroy of everything, for the sake of"
    printf '  %s\n' "${terraform_protected[@]}"
}

# `terraform destroy -target` takes what depends on its target. So nothing that is kept may.
terraform_kept_hangs_on_nothing() {
    local graph="$terraform_copy/graph" one missing=0
    # A graph wants a backend that is there.
    printf 'terraform {\n  backend "local" {}\n}\n' >"$terraform_copy/backend_override.tf"
    terraform_here init -input=false -no-color >/dev/null || return
    # Lines such as:  "module.a.azurerm_x.y" -> "azurerm_z.w";
    terraform_here graph | sed -nE 's/^ *"([^"]+)" -> "([^"]+)".*/\1 \2/p' | sed 's/\[root\] //g' >"$graph"
    rm "$terraform_copy/backend_override.tf"
    # All that depends on the target, by going from each edge's end to its beginning until no more join.
    awk -v target="$terraform_disposable" '
        { from[NR] = $1; to[NR] = $2 }
        END {
            taken[target] = 1
            do {
                more = 0
                for (i = 1; i <= NR; i++) if ((to[i] in taken) && !(from[i] in taken)) { taken[from[i]] = 1; more = 1 }
            } while (more)
            for (name in taken) print name
        }' "$graph" | LC_ALL=C sort >"$graph.taken"
    if ! grep -qx 'module.cluster.azurerm_kubernetes_cluster.this' "$graph.taken"; then
        complain "The cluster does not depend on $terraform_disposable: then this test sees nothing."
        return 1
    fi
    for one in "${terraform_protected[@]}" module.network.azurerm_public_ip.viewers module.network.azurerm_virtual_network.this; do
        if grep -qxF "$one" "$graph.taken"; then
            complain "$one depends on $terraform_disposable, and would have to go with it."
            missing=1
        fi
    done
    ((missing == 0)) || return 1
    say "destroy -target=$terraform_disposable takes:"
    sed 's/^/  /' "$graph.taken"
}

# The version that the exceptions in the files were written for; others may know other rules.
checkov_version=3.3.30

# Prints the checkov to use, or nothing. Installs it into a folder of its own (290 MB) where it can.
find_checkov() {
    local home="${XDG_CACHE_HOME:-$HOME/.cache}/flixtube/checkov-$checkov_version"
    if [[ ! -x "$home/bin/checkov" ]]; then
        command -v python3 >/dev/null || return 0
        complain "Installing checkov $checkov_version into $home ..."
        if ! python3 -m venv "$home" >/dev/null 2>&1 ||
            ! "$home/bin/pip" install --quiet --disable-pip-version-check "checkov==$checkov_version" >/dev/null 2>&1; then
            rm -rf "$home"
            return 0
        fi
    fi
    printf '%s' "$home/bin/checkov"
}

run_checkov() {
    # Without the guidelines of its maker's service, which need the Internet.
    "$1" --directory "$repo/terraform" --framework terraform --skip-download --compact --quiet
}

# Runs all of it as steps, and says what was left out.
check_terraform() {
    local status=0 checkov
    if ! command -v terraform >/dev/null; then
        left_out "terraform: all but the policy scan" "it is not installed (https://developer.hashicorp.com/terraform/install, 1.11 or later)"
    elif ! version_at_least "$(terraform version | sed -n 's/^Terraform v\([0-9.]*\).*/\1/p')" 1.11; then
        left_out "terraform: all but the policy scan" "this one is older than 1.11 (https://developer.hashicorp.com/terraform/install)"
    else
        step "terraform: formatting" terraform_format
        terraform_prepare || status=$?
        if ((status == 3)); then
            left_out "terraform: validation, tests, what a destroy takes" "the provider azurerm cannot be had from here (the registry is not reached, and TF_CLI_CONFIG_FILE names no mirror that has it)"
        elif ((status != 0)); then
            step "terraform: init" false
        else
            step "terraform: validation" terraform_validate
            step "terraform: tests" terraform_tests
            step "terraform: bootstrap" terraform_bootstrap
            step "terraform: a destroy of everything is refused" terraform_destroy_is_refused
            step "terraform: what is kept hangs on nothing that goes" terraform_kept_hangs_on_nothing
        fi
        rm -rf "$terraform_copy"
    fi
    checkov="$(find_checkov)"
    if [[ -n "$checkov" ]]; then
        step "terraform: policy scan" run_checkov "$checkov"
    else
        left_out "terraform: policy scan" "checkov cannot be installed (it needs python3 with venv, and PyPI)"
    fi
}
