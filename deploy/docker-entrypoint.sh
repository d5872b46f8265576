#!/bin/sh
# Entry point of the image, with the rules of the official Redis image:
#   * a first argument that is an option or a *.conf file is meant for the server;
#   * root owns nothing at run time: /data is handed to the user redis and privileges are dropped
#     (SKIP_DROP_PRIVS and SKIP_FIX_PERMS switch that off, `docker run --user` and `--cap-drop ALL` do too);
#   * files are private (umask 0077).
# `cluster`, as first argument, is the whole cluster in this container; `redis-cluster [IP]` is what grokzen/redis-cluster calls it.
# Configuration is the server's business: SLOTD_CONTAINER=yes, which the image sets, tells it where it runs.
set -e

case "${1:-}" in
  -* | *.conf | '' | cluster | doctor | handover | healthcheck | wait) set -- slotd "$@" ;;
  redis-cluster)
    if [ -n "${2:-}" ]; then export IP="$2"; fi
    set -- slotd cluster
    ;;
esac

case "$1" in
  slotd | redis-server)
    # Without capabilities nothing can be dropped, and nothing need be.
    if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ] && setpriv --reuid=redis --regid=redis --clear-groups true 2>/dev/null; then
      [ -n "${SKIP_FIX_PERMS:-}" ] || find . ! -user redis -exec chown redis:redis {} +
      exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
    fi
    if [ "$(umask)" = 0022 ]; then umask 0077; fi
    ;;
esac
exec "$@"
