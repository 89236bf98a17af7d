# shellcheck shell=bash
# What scripts/test does with .github/: the syntax and the expressions of the workflows (actionlint), their
# security (zizmor), and the schemas that GitHub publishes. To be sourced after go-tools.sh and steps.sh.
# Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}" "${tool_cache:?is set by go-tools.sh}"

zizmor_version=1.32.0
check_jsonschema_version=0.39.0

# python_tool PROGRAM VERSION: prints where a program of PyPI is, in a folder of its own, or fails.
python_tool() {
    local home="$tool_cache/$1-$2"
    if [[ ! -x "$home/bin/$1" ]]; then
        command -v python3 >/dev/null || return
        if ! python3 -m venv "$home" >/dev/null 2>&1 ||
            ! "$home/bin/pip" install --quiet --disable-pip-version-check "$1==$2" >/dev/null 2>&1; then
            rm -rf "$home"
            return 1
        fi
    fi
    printf '%s\n' "$home/bin/$1"
}

workflow_files() { find "$repo/.github/workflows" -name '*.yml' | LC_ALL=C sort; }

run_actionlint() {
    # With shellcheck, if it is there, on what the steps run.
    workflow_files | xargs "$1" -no-color -shellcheck "${SHELLCHECK:-}"
}

# Without the Internet, where it would look up whether an action's version is known to be bad.
run_zizmor() { "$1" --offline --no-progress --collect=all "$repo/.github"; }

run_check_jsonschema() {
    workflow_files | xargs "$1" --builtin-schema vendor.github-workflows
    "$1" --builtin-schema vendor.dependabot "$repo/.github/dependabot.yml"
}

# Whoever can move a tag could run what they like: actions are named by commit, with the version beside
# it, the same one everywhere.
actions_are_pinned() {
    local loose twice
    loose="$(workflow_files | xargs grep -nE '^ *(- )?uses: ' |
        grep -vE 'uses: (\./[a-z./-]+ |[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$)')" || true
    if [[ -n "$loose" ]]; then
        complain "Not by commit with the version beside it:"
        complain "$loose"
        return 1
    fi
    twice="$(workflow_files | xargs sed -n 's/^ *\(- \)\{0,1\}uses: \([a-z].*\)$/\2/p' | LC_ALL=C sort -u |
        cut -d@ -f1 | uniq -d)"
    if [[ -n "$twice" ]]; then
        complain "In more than one version: $twice"
        return 1
    fi
    workflow_files | xargs sed -n 's/^ *\(- \)\{0,1\}uses: \([a-z].*\)$/\2/p' | LC_ALL=C sort -u
}

# Runs all of it as steps, and says what was left out.
check_workflows() {
    local program
    step "workflows: actions by commit" actions_are_pinned
    if program="$(go_tool actionlint)"; then
        step "workflows: actionlint" run_actionlint "$program"
    else
        left_out "workflows: actionlint" "it is not installed, and Go cannot build it (https://github.com/rhysd/actionlint)"
    fi
    if program="$(python_tool zizmor "$zizmor_version")"; then
        step "workflows: zizmor" run_zizmor "$program"
    else
        left_out "workflows: zizmor" "it cannot be installed (it needs python3 with venv, and PyPI)"
    fi
    if program="$(python_tool check-jsonschema "$check_jsonschema_version")"; then
        step "workflows: schema" run_check_jsonschema "$program"
    else
        left_out "workflows: schema" "check-jsonschema cannot be installed (it needs python3 with venv, and PyPI)"
    fi
}
