#!/usr/bin/env bash
# Test hosts for deploy/ansible: virtual machines where there is Multipass, else containers that run systemd and sshd.
#
#   deploy/mp-up.sh            three hosts, vm1 to vm3, and an inventory for them
#   deploy/mp-up.sh up 4       four; those that are there stay
#   deploy/mp-up.sh down       removes them
#
# Environment: MP_DIR, where key and inventory are kept (.hosts); MP_KIND, multipass or docker; for containers MP_NET, the first three
# numbers of their addresses (10.213.78), MP_BASE, a Debian image (debian:bookworm-slim), and MP_PREFIX, what their names begin with.
set -euo pipefail
order=${1:-up} count=${2:-3}
MP_DIR=$(realpath -m "${MP_DIR:-.hosts}") MP_NET=${MP_NET:-10.213.78} MP_BASE=${MP_BASE:-debian:bookworm-slim} MP_PREFIX=${MP_PREFIX:-slotd-}
MP_KIND=${MP_KIND:-$(command -v multipass >/dev/null && echo multipass || echo docker)}
# Debian's client: another one on the path may speak a newer API than Debian's engine.
docker=${DOCKER:-$([ -x /usr/bin/docker ] && echo /usr/bin/docker || echo docker)}
die() { echo "mp-up.sh: $*" >&2; exit 1; }

# --- containers ------------------------------------------------------------------------------------------------------------
# systemd needs its own cgroups and the right to mount. Where cgroups are of version 2, an engine gives that to a privileged container
# only; elsewhere, and where there is a capability that the engine itself lacks, the smaller set does.
rights=('--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined' '--privileged')
network=${MP_PREFIX}hosts

build() {
  DOCKER_BUILDKIT=0 "$docker" build -q -t "${MP_PREFIX}host" - >/dev/null 2>"$MP_DIR/build.log" <<END || die "no image of a host: $(tail -n 3 "$MP_DIR/build.log")"
FROM $MP_BASE
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd-sysv dbus openssh-server python3 iproute2 >/dev/null \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*_key* \
 && rm -f /lib/systemd/system/multi-user.target.wants/getty.target /lib/systemd/system/systemd-logind.service
RUN echo 'UseDNS no' >>/etc/ssh/sshd_config && mkdir -p -m 700 ~/.ssh /etc/systemd/system/ssh.service.d \
 && printf '[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n' >/etc/systemd/system/ssh.service.d/keys.conf
CMD ["/lib/systemd/systemd"]
END
}
boots() { # NAME: whether systemd gets up in it
  local state
  for _ in $(seq 50); do
    state=$("$docker" exec "$1" systemctl is-system-running 2>/dev/null) || true
    case $state in running | degraded) return 0 ;; esac
    sleep 0.2
  done
  return 1
}
container() { # NAME NUMBER
  local id=$MP_PREFIX$1 flags
  if "$docker" inspect "$id" >/dev/null 2>&1; then
    "$docker" start "$id" >/dev/null && boots "$id" || die "$id does not boot"
    return
  fi
  for flags in "${rights[@]}"; do
    # shellcheck disable=SC2086
    if "$docker" run -d --name "$id" --hostname "$1" --network "$network" --ip "$MP_NET.$((10 + $2))" $flags --cgroupns private \
      --tmpfs /run --tmpfs /run/lock -e container=docker "${MP_PREFIX}host" >"$MP_DIR/$1.log" 2>&1 && boots "$id"; then
      rights=("$flags")
      "$docker" exec -i "$id" sh -c 'umask 77; cat >~/.ssh/authorized_keys' <"$MP_DIR/key.pub"
      return
    fi
    "$docker" logs "$id" >>"$MP_DIR/$1.log" 2>&1 || true
    "$docker" rm -fv "$id" >/dev/null 2>&1 || true
  done
  die "systemd does not run in a container here: $(tail -n 3 "$MP_DIR/$1.log")"
}
up_docker() {
  "$docker" info >/dev/null 2>&1 || die 'there is neither Multipass nor a Docker engine that answers'
  "$docker" image inspect "${MP_PREFIX}host" >/dev/null 2>&1 || build
  "$docker" network inspect "$network" >/dev/null 2>&1 || "$docker" network create --subnet "$MP_NET.0/24" "$network" >/dev/null
  for n in $(seq "$count"); do container "vm$n" "$n"; done
}
down_docker() {
  "$docker" ps -aq --filter "name=^${MP_PREFIX}vm[0-9]+$" | xargs -r "$docker" rm -fv >/dev/null
  "$docker" network rm "$network" >/dev/null 2>&1 || true
}
address_docker() { echo "$MP_NET.$((10 + ${1#vm}))"; }

# --- virtual machines --------------------------------------------------------------------------------------------------------
up_multipass() {
  printf '#cloud-config\nssh_authorized_keys:\n  - %s\n' "$(cat "$MP_DIR/key.pub")" >"$MP_DIR/cloud.yml"
  for n in $(seq "$count"); do
    multipass info "vm$n" >/dev/null 2>&1 || multipass launch --name "vm$n" --cpus 1 --memory 1G --disk 5G --cloud-init "$MP_DIR/cloud.yml"
    multipass start "vm$n"
  done
}
down_multipass() { for n in $(seq "$count"); do multipass delete --purge "vm$n" 2>/dev/null || true; done; }
address_multipass() { multipass info "$1" --format csv | awk -F, 'NR == 2 { print $3 }'; }

# --- both ----------------------------------------------------------------------------------------------------------------------
[[ $MP_KIND == docker || $MP_KIND == multipass ]] || die "MP_KIND is docker or multipass, not $MP_KIND"
case $order in
  up)
    mkdir -p "$MP_DIR"
    [ -e "$MP_DIR/key" ] || ssh-keygen -q -t ed25519 -N '' -C slotd-test -f "$MP_DIR/key"
    "up_$MP_KIND"
    user=$([ "$MP_KIND" = docker ] && echo root || echo ubuntu)
    {
      printf -- '---\nslotd:\n  vars:\n    ansible_user: %s\n    ansible_ssh_private_key_file: %s\n' "$user" "$MP_DIR/key"
      printf "    ansible_ssh_common_args: -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR\n  hosts:\n"
      for n in $(seq "$count"); do printf '    vm%s: {ansible_host: %s}\n' "$n" "$("address_$MP_KIND" "vm$n")"; done
    } >"$MP_DIR/inventory.yml"
    echo "$count hosts are up: $MP_DIR/inventory.yml"
    ;;
  down) "down_$MP_KIND"; rm -rf "$MP_DIR" ;;
  *) die "up [COUNT] or down, not $order" ;;
esac
