# The image of slotd. It follows the rules of the official Redis image, so that it can stand in its place.
#
#   docker build -t slotd:local .                                              compiles (BuildKit, the default of current engines)
#   docker build -t slotd:local --build-arg SLOTD_BINARY=target/release/slotd .   takes a binary that is already there
#
# BuildKit builds only the stages that are needed, so a prebuilt binary needs neither the Rust image nor the network's crates.

ARG SLOTD_BINARY=

# --- compile -------------------------------------------------------------------------------------------------------------
FROM rust:1.95-bookworm AS binary
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p slotd && cp target/release/slotd /slotd

# --- or take what is there -----------------------------------------------------------------------------------------------
FROM debian:bookworm-slim AS binary-prebuilt
ARG SLOTD_BINARY
COPY ${SLOTD_BINARY} /slotd

# SLOTD_BINARY empty: `binary`; otherwise `binary-prebuilt`.
FROM binary${SLOTD_BINARY:+-prebuilt} AS chosen

# --- the image -----------------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim
# The ids are those of the official image: volumes written by it can be taken over.
RUN groupadd --system --gid 999 redis && useradd --system --gid redis --uid 999 --home-dir /data --shell /usr/sbin/nologin redis
# redis-cli is what health checks, scripts and people expect to find in the image.
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-tools \
 && rm -rf /var/lib/apt/lists/*
COPY --from=chosen /slotd /usr/local/bin/slotd
COPY deploy/docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/slotd /usr/local/bin/docker-entrypoint.sh \
 && ln -s slotd /usr/local/bin/redis-server \
 && install -d -o redis -g redis /data
VOLUME /data
WORKDIR /data
EXPOSE 6379 16379
# A node that asks for a password is healthy too; give REDISCLI_AUTH to see PONG.
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=5 \
  CMD redis-cli -p "${SLOTD_PORT:-6379}" ping 2>&1 | grep -qE 'PONG|NOAUTH' || exit 1
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["slotd"]
