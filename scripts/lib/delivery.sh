# shellcheck shell=bash
# What scripts/test does with the scripts that CI calls: what they refuse, what counts as changed, and
# that an image which is not signed does not get through. To be sourced after common.sh and steps.sh.
# Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}"

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

digest_of_nothing=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

# Each of these scripts explains itself, and takes no wrong call for a right one.
delivery_arguments() {
    local script image="registry.example.org/gateway@$digest_of_nothing" here
    here="$(mktemp -d)"
    for script in build-image changed-services push-image sign-image verify-image; do
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
    touch "$here/gateway.cdx.json"
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

# Runs all of it as steps, and says what was left out.
check_delivery() {
    step "delivery: arguments" delivery_arguments
    step "delivery: what counts as changed" what_counts_as_changed
    step "delivery: changes since a commit" changes_since_a_commit
}
