# A Docker engine of a test's own; sourced by tests/docker/run and tests/deploy/run.
#
#   engine_start        starts one and points DOCKER_HOST at it; where that fails, says why in $engine_trouble and returns 1
#   engine_base         debian:bookworm-slim: no registry is asked, it is made with debootstrap and imported
#   engine_stop         ends it by its pid, and removes what it left to the machine
#
# $work is a temporary directory of the caller's. SLOTD_DEBIAN_ROOT names a tar file that keeps what debootstrap made, for the next run.

export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 COMPOSE_INTERACTIVE_NO_CLI=1
# Debian's client: another one on the path may speak a newer API than Debian's engine.
docker=docker; [ -x /usr/bin/docker ] && docker=/usr/bin/docker
engine='' engine_trouble=''

engine_start() {
  local tool flags
  for tool in dockerd debootstrap redis-cli; do command -v $tool >/dev/null || { engine_trouble="$tool is not installed"; return 1; }; done
  [ "$(id -u)" = 0 ] || { engine_trouble='an engine needs root'; return 1; }
  export DOCKER_HOST=unix://$work/docker.sock
  if ! ip link show docker0 >/dev/null 2>&1; then
    had_no_engine=1 forwarding=$(cat /proc/sys/net/ipv4/ip_forward)
    firewall=$(iptables-save 2>/dev/null)
    [[ "$firewall" == *'*filter'* ]] || firewall=$'*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT'
    [[ "$firewall" == *'*nat'* ]] || firewall+=$'\n*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT'
  fi
  for flags in '' '--storage-driver=vfs' '--iptables=false' '--iptables=false --storage-driver=vfs'; do
    # shellcheck disable=SC2086
    dockerd $flags --data-root "$work/data" --exec-root "$work/exec" -H "$DOCKER_HOST" --pidfile "$work/docker.pid" >"$work/engine.log" 2>&1 &
    engine=$!
    for _ in $(seq 100); do
      "$docker" info >/dev/null 2>&1 && { echo "engine started (dockerd ${flags:-without flags})"; return 0; }
      kill -0 "$engine" 2>/dev/null || break
      sleep 0.2
    done
    kill "$engine" 2>/dev/null; wait "$engine" 2>/dev/null; engine=
  done
  engine_trouble="no engine can start here: $(tail -n 3 "$work/engine.log")"
  return 1
}

engine_base() {
  local kept=${SLOTD_DEBIAN_ROOT:-} tar=$work/debian.tar
  if [ -n "$kept" ] && [ -s "$kept" ]; then tar=$kept; else
    debootstrap --variant=minbase bookworm "$work/root" >"$work/debootstrap.log" 2>&1 || { engine_trouble="debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"; return 1; }
    tar -C "$work/root" -cf "$tar" . && rm -rf "$work/root"
    [ -z "$kept" ] || { cp "$tar" "$kept.new" && mv "$kept.new" "$kept"; }
  fi
  "$docker" import "$tar" debian:bookworm-slim >/dev/null || { engine_trouble='the base image could not be imported'; return 1; }
  rm -f "$work/debian.tar"
}

# The image around $binary, as the Dockerfile's first lines say it, through .dockerignore.
engine_build() { # TAG
  mkdir -p "$work/context/target/release"
  cp -r Dockerfile .dockerignore deploy "$work/context/"
  # As deploy/build.sh does it; where there is no strip, the image is larger.
  strip --strip-debug -o "$work/context/target/release/slotd" "$binary" 2>/dev/null || cp "$binary" "$work/context/target/release/slotd"
  "$docker" build -t "$1" --build-arg SLOTD_BINARY=target/release/slotd "$work/context"
}

engine_stop() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null
    for _ in $(seq 100); do kill -0 "$engine" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$engine" 2>/dev/null
  fi
  grep -s " $work" /proc/mounts | awk '{print $2}' | sort -r | xargs -r umount -l 2>/dev/null
  # What an engine leaves to the machine goes, too, unless it was there before.
  if [ -n "${had_no_engine:-}" ]; then
    ip link delete docker0 2>/dev/null
    [ -z "${firewall:-}" ] || iptables-restore <<<"$firewall"
    echo "$forwarding" >/proc/sys/net/ipv4/ip_forward
  fi
}
