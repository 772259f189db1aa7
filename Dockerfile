# Rillmark as an image: `docker build -t rillmark .` (or buildah, podman). It listens on every address, so it wants an
# API key for backends and a secret for browsers' tokens, and ends with 78 without either:
#   docker run --read-only --cap-drop all -p 8700:8700 -e RILLMARK_API_KEYS=… -e RILLMARK_TOKEN_SECRET=… rillmark

FROM docker.io/library/rust:1.95-slim-bookworm AS build
# `dist` optimises over all crates; `release` builds in less time.
ARG PROFILE=dist
WORKDIR /src
# The dependencies alone, over empty sources: a layer that stays until a manifest changes.
COPY Cargo.toml Cargo.lock ./
COPY loadtest/Cargo.toml loadtest/
RUN mkdir -p src loadtest/src \
    && echo '//! Nothing yet.' > src/lib.rs \
    && printf '//! Nothing yet.\nfn main() {}\n' | tee src/main.rs > loadtest/src/main.rs \
    && cargo build --locked --profile $PROFILE --bin rillmark
COPY clients/browser/rillmark.js clients/browser/
COPY src src
# `touch`: cargo goes by times, and the copies may be older than what was built above.
RUN find src -type f -exec touch {} + \
    && cargo build --locked --profile $PROFILE --bin rillmark \
    && install -D target/$PROFILE/rillmark /out/usr/local/bin/rillmark

FROM docker.io/library/debian:bookworm-slim
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rillmark" \
      org.opencontainers.image.description="Markdown to safe HTML as a service, whole or while it is being written" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out /
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/rillmark/
ENV RILLMARK_LISTEN=0.0.0.0:8700
EXPOSE 8700
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/rillmark", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/rillmark"]
