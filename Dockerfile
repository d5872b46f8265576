# The image of slotd. It follows the rules of the official Redis image, so that it can stand in its place.
#
#   docker build -t slotd:local .                                                     compiles
#   docker build -t slotd:local --build-arg SLOTD_BINARY=target/image/slotd .         takes a binary that is there (BuildKit)
#   docker build -t slotd:local --build-arg SLOTD_BINARY=target/image/slotd --target image-prebuilt .       the same with the classic builder
#
# deploy/build.sh makes that binary: a quarter of what `release/build` leaves, and the same wherever it is built.
#
# BuildKit builds only the stages that are needed. The classic builder builds all stages up to the target, so the prebuilt image stands
# before the stage that compiles. Files come with their modes: `COPY --chmod` is BuildKit's alone, and a `chmod` would store the binary twice.

ARG SLOTD_BINARY=

# --- what every image has -------------------------------------------------------------------------------------------------
FROM debian:bookworm-slim AS base
# The ids are those of the official image: volumes written by it can be taken over.
# redis-cli is what scripts and people expect to find in the image. Caches can be 80 MB, and logs have dates.
RUN groupadd --system --gid 999 redis \
 && useradd --system --gid redis --uid 999 --home-dir /data --shell /usr/sbin/nologin redis \
 && apt-get update \
 && apt-get install -y --no-install-recommends redis-tools \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig /var/log/apt /var/log/*.log \
 && ln -s slotd /usr/local/bin/redis-server \
 && install -d -o redis -g root -m 0775 /data
# Any user may run it: `docker run --user 1234` has the group root.
VOLUME /data
WORKDIR /data
# A node's ports, and those of `slotd cluster`.
EXPOSE 6379 16379 7000-7005
# Alive, not ready: a node whose cluster is down would not get better by a restart. A cluster is alive as long as one of its
# nodes is. SLOTD_PORT names other ports than 6379 (a node) or 7000-7005 (a cluster), in one of these forms.
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=5 CMD ["slotd", "healthcheck"]
# What the binary is made of, for scanners: CycloneDX.
COPY deploy/sbom.cdx.json /usr/share/doc/slotd/sbom.cdx.json
LABEL org.opencontainers.image.title="slotd" \
      org.opencontainers.image.description="A Redis Cluster-compatible server" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      slotd.sbom="/usr/share/doc/slotd/sbom.cdx.json"
# Variables of other images are understood, and protected mode is off unless something else is said.
ENV SLOTD_CONTAINER=yes
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["slotd"]

# --- around a binary that is there ------------------------------------------------------------------------------------------
FROM base AS image-prebuilt
ARG SLOTD_BINARY
# Without a binary this copies the script alone, and nobody takes the image.
COPY deploy/docker-entrypoint.sh ${SLOTD_BINARY} /usr/local/bin/

# --- compiled ---------------------------------------------------------------------------------------------------------------
FROM rust:1.95-bookworm AS compile
WORKDIR /src
COPY . .
RUN deploy/build.sh /out

FROM base AS image
COPY deploy/docker-entrypoint.sh /usr/local/bin/
COPY --from=compile /out/slotd /usr/local/bin/

# SLOTD_BINARY empty: `image`; otherwise `image-prebuilt`.
FROM image${SLOTD_BINARY:+-prebuilt}
