# shellcheck shell=bash
# What scripts/sign-image and scripts/verify-image share. To be sourced after common.sh; the sourcing
# script sets `this`, its own name. Works with the bash 3.2 of macOS.

: "${repo:?must be set before this file is sourced}"

# The versions that know Sigstore's bundles and the referrers of OCI registries.
cosign_needed=3.0
references=()

# take_images FILE: references of images, one a line; - is standard input.
take_images() {
    local line
    [[ "$1" == - || -r "$1" ]] || refuse "there is no file $1"
    while IFS= read -r line; do [[ -z "$line" ]] || references+=("$line"); done < <(cat -- "$1")
}

# A tag can be moved between the look and the use; a digest cannot.
check_references() {
    local reference
    ((${#references[@]} > 0)) || refuse "at least one image is needed, by its digest"
    for reference in "${references[@]}"; do
        [[ "$reference" =~ ^[a-zA-Z0-9./:_-]+@sha256:[0-9a-f]{64}$ ]] ||
            refuse "$reference is no image by digest (NAME@sha256:...)"
    done
}

# name_of REFERENCE: prints the last part of the image's name.
name_of() {
    local name="${1%%@*}"
    name="${name##*/}"
    printf '%s' "${name%%:*}"
}

check_cosign() {
    local version
    command -v cosign >/dev/null || {
        # shellcheck disable=SC2154 # the sourcing script's
        complain "scripts/$this needs cosign $cosign_needed or later (https://docs.sigstore.dev/cosign/system_config/installation/)."
        exit 1
    }
    # One that a distribution built tells no version; then what it knows is asked.
    version="$(cosign version 2>/dev/null | sed -n 's/^GitVersion: *v\([0-9.]*\).*/\1/p')"
    if [[ -n "$version" ]]; then
        version_at_least "$version" "$cosign_needed" && return
    else
        cosign signing-config create --help >/dev/null 2>&1 && return
    fi
    complain "scripts/$this needs cosign $cosign_needed or later, and this one is older."
    exit 1
}
