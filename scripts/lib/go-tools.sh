# shellcheck shell=bash
# Programs that are had from Go's packages, in the versions that this repository pins; Go checks them
# against its own list of hashes. To be sourced after common.sh and test-tools.sh. Works with the bash
# 3.2 of macOS.

tool_cache="${XDG_CACHE_HOME:-$HOME/.cache}/flixtube"

# For machines whose own Go is too old to get a newer one by itself.
go_toolchain=1.26.8

# The pinned programs: name, version, package.
go_tools="
actionlint  1.7.12   github.com/rhysd/actionlint/cmd/actionlint
grype       0.121.2  github.com/anchore/grype/cmd/grype
kubelogin   0.2.22   github.com/Azure/kubelogin
kustomize   5.8.3    sigs.k8s.io/kustomize/kustomize/v5
syft        1.57.0   github.com/anchore/syft/cmd/syft
"

# go_tool PROGRAM: prints where it is, after building it if it must be. Fails if it cannot be had.
go_tool() {
    local version package
    command -v "$1" && return
    version="$(awk -v name="$1" '$1 == name { print $2 }' <<<"$go_tools")"
    package="$(awk -v name="$1" '$1 == name { print $3 }' <<<"$go_tools")"
    install_with_go "$1" "$version" "$package" >&2 || return
    printf '%s\n' "$tool_cache/bin/$1"
}

# install_with_go PROGRAM VERSION PACKAGE
install_with_go() {
    local program="$1" version="$2" package="$3" folder="$tool_cache/bin" aside go status=0
    if command -v "$program" >/dev/null; then return; fi
    if [[ -x "$folder/$program" && "$(cat "$folder/$program.version" 2>/dev/null)" == "$version" ]]; then
        return
    fi
    go="$(find_go)" || return
    say "Building $program $version into $folder (a minute or two, once) ..."
    mkdir -p "$folder"
    aside="$(mktemp -d "$tool_cache/$program.XXXXXX")"
    # The sources may ask for a newer Go, which Go then gets by itself.
    quietly env GOTOOLCHAIN=auto GOBIN="$aside" "$go" install "$package@v$version" || status=$?
    if ((status == 0)); then
        mv "$aside/$program" "$folder/$program"
        # A program that is built like this does not know its own version.
        printf '%s\n' "$version" >"$folder/$program.version"
    fi
    rm -rf "$aside"
    return "$status"
}

# Prints a Go that is new enough, or can get one that is.
find_go() {
    local go candidate
    for candidate in go /usr/local/go/bin/go /usr/lib/go/bin/go; do
        if go="$(command -v "$candidate")"; then break; fi
    done
    if [[ -z "$go" ]]; then
        command -v apt-get >/dev/null || return
        apt_install golang-go >&2 || return
        go="$(command -v go)" || return
    fi
    # `go version go1.19.8 linux/amd64`
    if version_at_least "$("$go" version | sed -n 's/^go version go\([0-9.]*\).*/\1/p')" 1.21; then
        printf '%s' "$go"
    else
        newer_go "$go"
    fi
}

# newer_go GO: prints a Go that an old one has fetched. Releases are modules since Go 1.21, checked
# against Go's own list of hashes; an old Go only does not know that they are programs.
newer_go() {
    local go="$1" modules="$tool_cache/go" folder version
    version="v0.0.1-go$go_toolchain.$("$go" env GOOS)-$("$go" env GOARCH)"
    folder="$modules/golang.org/toolchain@$version"
    if [[ ! -x "$folder/bin/go" ]]; then
        quietly env GOMODCACHE="$modules" GOFLAGS=-modcacherw "$go" mod download "golang.org/toolchain@$version" || return
        find "$folder/bin" "$folder/pkg/tool" -type f -exec chmod +x {} + || return
    fi
    printf '%s' "$folder/bin/go"
}
