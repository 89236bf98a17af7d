# shellcheck shell=bash
# The steps of scripts/test: runs each one, counts its tests, and keeps what the summary says.
# To be sourced. Works with the bash 3.2 of macOS.

step_logs="$(mktemp -d)"
trap 'rm -rf "$step_logs"' EXIT
step_lines=()
left_out_lines=()
note_lines=()
passed_in_all=0
failed_in_all=0
last_step=passed

# Far longer than any step takes: a test that hangs must still end in a summary. Not at a terminal,
# where Ctrl-C would not reach the process group of its own that `timeout` makes.
step_limit=()
if command -v timeout >/dev/null && ! [[ -t 0 ]]; then
    step_limit=(timeout --kill-after=30 1800)
fi

# sum_of PATTERN FILE [GROUP]: adds up the numbers that the pattern captures.
sum_of() { sed -nE "s/$1/\\${3:-1}/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# count_tests LOG: sets `passed`, `failed` and `ignored` from the lines in which cargo test, Vitest
# and Playwright sum up. All three are 0 for a step that runs no tests.
count_tests() {
    local log="$1" plain="$1.plain"
    sed $'s/\x1b\\[[0-9;]*[A-Za-z]//g' "$log" >"$plain"
    # cargo:      test result: ok. 12 passed; 0 failed; 1 ignored; ...
    passed="$(sum_of '^test result: .* ([0-9]+) passed; .*' "$plain")"
    failed="$(sum_of '^test result: .*; ([0-9]+) failed; .*' "$plain")"
    ignored="$(sum_of '^test result: .*; ([0-9]+) ignored; .*' "$plain")"
    # Vitest:          Tests  1 failed | 11 passed | 2 skipped (14)
    passed=$((passed + $(sum_of '^ +Tests .*[^0-9]([0-9]+) passed.*' "$plain")))
    failed=$((failed + $(sum_of '^ +Tests  (.*\| )?([0-9]+) failed.*' "$plain" 2)))
    ignored=$((ignored + $(sum_of '^ +Tests .*[^0-9]([0-9]+) (skipped|todo).*' "$plain")))
    # Terraform:  Success! 64 passed, 0 failed.   Failure! 12 passed, 3 failed, 48 skipped.
    passed=$((passed + $(sum_of '^(Success|Failure)! ([0-9]+) passed, .*' "$plain" 2)))
    failed=$((failed + $(sum_of '^(Success|Failure)! .* ([0-9]+) failed.*' "$plain" 2)))
    # Playwright, a line each:  12 passed (30.1s)   1 failed   1 flaky   3 skipped   2 did not run
    passed=$((passed + $(sum_of '^  ([0-9]+) passed \(.*' "$plain")))
    failed=$((failed + $(sum_of '^  ([0-9]+) (failed|flaky|interrupted)$' "$plain")))
    ignored=$((ignored + $(sum_of '^  ([0-9]+) (skipped|did not run)$' "$plain")))
}

# step NAME COMMAND...: runs the command, with nothing on its standard input, and goes on whatever
# comes of it.
step() {
    local name="$1" began=$SECONDS status=0 seconds passed failed ignored log verdict
    shift
    log="$step_logs/step"
    printf '\n== %s\n' "$name"
    # A function of these scripts cannot be given to `timeout`, which starts programs.
    if [[ "$(type -t "$1")" == file ]]; then
        set -- ${step_limit[@]+"${step_limit[@]}"} "$@"
    fi
    # In a subshell of its own, or `set -e` would not hold inside a function that is run here.
    set +e
    (
        set -e
        "$@"
    ) </dev/null 2>&1 | tee "$log"
    status="${PIPESTATUS[0]}"
    set -e
    seconds=$((SECONDS - began))
    count_tests "$log"
    # Without tests in it, or when it failed beside them, the step itself is what counts.
    if ((status == 0 && passed + failed == 0)); then
        passed=1
    elif ((status != 0 && failed == 0)); then
        failed=1
    fi
    if ((failed > 0)); then
        last_step=failed
        verdict=FAILED
    else
        last_step=passed
        verdict=passed
    fi
    passed_in_all=$((passed_in_all + passed))
    failed_in_all=$((failed_in_all + failed))
    step_lines+=("$(printf '  %-6s %6d passed %4d failed %5d s  %s' "$verdict" "$passed" "$failed" "$seconds" "$name")")
    if ((ignored > 0)); then
        left_out_lines+=("$name: $ignored tests were skipped or ignored")
    fi
}

last_step_passed() { [[ "$last_step" == passed ]]; }

# note TEXT: a line that the summary tells beside the steps.
note() { note_lines+=("$1"); }

# left_out NAME REASON: says at the end, loudly, that this did not run.
left_out() { left_out_lines+=("$1: $2"); }

# Prints what was done. The last line is what build servers read. Fails if anything failed.
summary() {
    local line
    printf '\n== summary, after %d s\n' "$SECONDS"
    printf '%s\n' "${step_lines[@]}"
    if ((${#note_lines[@]} > 0)); then
        printf '\n'
        for line in "${note_lines[@]}"; do printf '  %s\n' "$line"; done
    fi
    if ((${#left_out_lines[@]} > 0)); then
        printf '\n!! LEFT OUT\n'
        for line in "${left_out_lines[@]}"; do printf '!! %s\n' "$line"; done
    fi
    printf '\n%d passed, %d failed\n' "$passed_in_all" "$failed_in_all"
    ((failed_in_all == 0))
}
