# The images of all services, and of the program `flixtube`.
#
#   scripts/build-image --help              how they are built, tagged and pushed
#   docker build --build-arg SERVICE=metadata .
#
# Needs BuildKit (`DOCKER_BUILDKIT=1`, or the plugin buildx) for all but the stage `development`; the
# classic builder stops at the first `RUN --mount` and says so. All programs are compiled together,
# once, and each image takes its own.
#
# The bases are pinned by version. To pin them by digest as well, look the digest up where the
# registry can be reached (`docker buildx imagetools inspect rust:1.95-bookworm`) and pass
# `--build-arg RUST_IMAGE=rust:1.95-bookworm@sha256:…`; scripts/build-image takes the three from the
# environment.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG NODE_IMAGE=node:22-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
ARG SERVICE=flixtube

# A name for an image that is used twice, and that COPY cannot take from an argument.
FROM ${NODE_IMAGE} AS node

# What docker-compose.override.yaml runs: Rust and Node.js in one image. Sources and caches come by
# volume, so this changes with the versions only. It comes first and needs no BuildKit, because the
# classic builder builds all stages up to the one that it is asked for.
FROM ${RUST_IMAGE} AS development
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
    && mkdir -p /src /binaries /data \
    && chown 65532:65532 /binaries /data
# Node.js trusts those whom the system trusts, as Cargo does.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src

# The web pages, which the gateway has built in. They are the same for each architecture.
FROM --platform=${BUILDPLATFORM:-linux/amd64} ${NODE_IMAGE} AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN --mount=type=cache,id=flixtube-npm,target=/root/.npm \
    npm ci --no-audit --no-fund
COPY web/ ./
# Types are checked before, by scripts/test.
RUN npm exec -- vite build

# What Cargo needs to know of each crate before its sources: when only sources change, the content of
# this folder stays the same, and so does the layer with the compiled dependencies.
FROM ${RUST_IMAGE} AS manifests
COPY . /src
WORKDIR /manifests
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN cp /src/Cargo.toml /src/Cargo.lock . \
    && for crate in /src/*/Cargo.toml; do \
        folder="$(basename "$(dirname "$crate")")"; \
        mkdir -p "$folder/src"; \
        cp "$crate" "$folder/"; \
        if [[ -e "/src/$folder/src/lib.rs" ]]; then touch "$folder/src/lib.rs"; fi; \
        if [[ -e "/src/$folder/src/main.rs" ]]; then echo 'fn main() {}' >"$folder/src/main.rs"; fi; \
        if [[ -e "/src/$folder/build.rs" ]]; then echo 'fn main() {}' >"$folder/build.rs"; fi; \
    done

FROM ${RUST_IMAGE} AS builder
WORKDIR /src
ENV CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
ARG PROGRAMS="--package gateway --package history --package metadata --package video-storage --package video-streaming --package flixtube"
COPY --from=manifests /manifests ./
RUN --mount=type=cache,id=flixtube-cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --release --locked --bins ${PROGRAMS}
COPY . ./
COPY --from=web /src/web/dist web/dist
ARG VERSION=0.0.0
ARG REVISION=unknown
# The stand-ins of the sources are newer than the sources, which Cargo must not take for built.
RUN --mount=type=cache,id=flixtube-cargo-registry,target=/usr/local/cargo/registry,sharing=locked \
    find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && BUILD_VERSION="${VERSION}" BUILD_REVISION="${REVISION}" \
        cargo build --release --locked --bins ${PROGRAMS} \
    && mkdir -p /out/data \
    && for program in gateway history metadata video-storage video-streaming flixtube; do \
        cp "target/release/$program" /out/; \
    done

# What all images have: certificates, the C library, and an empty folder that user 65532 may write to,
# so that a new volume there is that user's. No shell, no package manager.
FROM ${RUNTIME_IMAGE} AS runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.vendor="FlixTube"
COPY --from=builder --chown=65532:65532 /out/data /data
WORKDIR /
USER 65532:65532
ENV LOG_FORMAT=json

FROM runtime AS gateway
LABEL org.opencontainers.image.title="FlixTube gateway"
COPY --from=builder /out/gateway /usr/local/bin/gateway
ENV LISTEN=0.0.0.0:4000 ADMIN_LISTEN=0.0.0.0:4001
EXPOSE 4000 4001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/gateway", "health"]
ENTRYPOINT ["/usr/local/bin/gateway"]

FROM runtime AS video-streaming
LABEL org.opencontainers.image.title="FlixTube video-streaming"
COPY --from=builder /out/video-streaming /usr/local/bin/video-streaming
ENV LISTEN=0.0.0.0:4010 ADMIN_LISTEN=0.0.0.0:4011
EXPOSE 4010 4011
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/video-streaming", "health"]
ENTRYPOINT ["/usr/local/bin/video-streaming"]

FROM runtime AS video-storage
LABEL org.opencontainers.image.title="FlixTube video-storage"
COPY --from=builder /out/video-storage /usr/local/bin/video-storage
ENV LISTEN=0.0.0.0:4020 ADMIN_LISTEN=0.0.0.0:4021
EXPOSE 4020 4021
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/video-storage", "health"]
ENTRYPOINT ["/usr/local/bin/video-storage"]

FROM runtime AS metadata
LABEL org.opencontainers.image.title="FlixTube metadata"
COPY --from=builder /out/metadata /usr/local/bin/metadata
ENV LISTEN=0.0.0.0:4030 ADMIN_LISTEN=0.0.0.0:4031
EXPOSE 4030 4031
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/metadata", "health"]
ENTRYPOINT ["/usr/local/bin/metadata"]

FROM runtime AS history
LABEL org.opencontainers.image.title="FlixTube history"
COPY --from=builder /out/history /usr/local/bin/history
ENV LISTEN=0.0.0.0:4040 ADMIN_LISTEN=0.0.0.0:4041
EXPOSE 4040 4041
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/history", "health"]
ENTRYPOINT ["/usr/local/bin/history"]

# All services in one process, and the commands of an operator (dead letters, copies). Listening on all
# addresses, it asks for OWNER_TOKEN or ALLOW_ANONYMOUS_WRITES=true.
FROM runtime AS flixtube
LABEL org.opencontainers.image.title="FlixTube"
COPY --from=builder /out/flixtube /usr/local/bin/flixtube
ENV BIND=0.0.0.0 PORT=4000 ADMIN_LISTEN=0.0.0.0:4001 DATA=/data
EXPOSE 4000 4001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/usr/local/bin/flixtube", "health"]
ENTRYPOINT ["/usr/local/bin/flixtube"]

# The one that was asked for.
FROM ${SERVICE} AS image
