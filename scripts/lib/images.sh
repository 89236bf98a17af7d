# shellcheck shell=bash
# What scripts/build-image and scripts/push-image share. To be sourced after common.sh, with `repo` and
# `dry_run` set.

: "${repo:?must be set before this file is sourced}"

all_images=(gateway video-streaming video-storage metadata history flixtube)

# check_images NAME...: fails with a sentence if one is none of ours.
check_images() {
    local name known
    for name in "$@"; do
        for known in "${all_images[@]}"; do [[ "$name" != "$known" ]] || continue 2; done
        complain "There is no image '$name'. There are: ${all_images[*]}"
        return 1
    done
}

# Prints the version of what is checked out: the tag, or the tag and what came after it, or the commit;
# `-dirty` when there are changes. As a tag of an image it may not have every character.
version_from_git() {
    local version
    version="$(git -C "$repo" describe --tags --always --dirty 2>/dev/null)" || version=0.0.0
    printf '%s' "${version#v}" | tr -c 'A-Za-z0-9_.-' '-'
}

revision_from_git() { git -C "$repo" rev-parse HEAD 2>/dev/null || printf 'unknown'; }

# Prints where the sources are, for people and without credentials, or nothing.
source_from_git() {
    { git -C "$repo" remote get-url origin 2>/dev/null || true; } |
        sed -n -e 's#^git@\([^:]*\):\(.*\)$#https://\1/\2#' \
            -e 's#^\(https\{0,1\}://\)[^/@]*@#\1#' -e 's#\.git$##' -e '/^https\{0,1\}:/p'
}
