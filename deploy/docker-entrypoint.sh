#!/bin/sh
# Entry point of the image, with the rules of the official Redis image:
#   * a first argument that is an option or a *.conf file is meant for the server;
#   * root owns nothing at run time: /data is handed to the user redis and privileges are dropped
#     (SKIP_DROP_PRIVS and SKIP_FIX_PERMS switch that off, `docker run --user` does too);
#   * files are private (umask 0077);
#   * protected mode is off, since a container is reached over its network only; whoever sets it keeps their setting.
# `cluster`, as first argument, is the whole cluster in this container, on all its interfaces, with its files in /data.
set -e

case "${1:-}" in
  -* | *.conf | '' | cluster | healthcheck) set -- slotd "$@" ;;
esac

case "$1" in
  slotd | redis-server)
    if [ "$(id -u)" = 0 ] && [ -z "${SKIP_DROP_PRIVS:-}" ]; then
      [ -n "${SKIP_FIX_PERMS:-}" ] || find . ! -user redis -exec chown redis:redis {} +
      exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
    fi
    if [ "$(umask)" = 0022 ]; then umask 0077; fi
    server=$1
    shift
    case "${1:-}" in
      *.conf)
        # Options override the file, so the default goes in only where the file is silent.
        grep -qiE '^[[:space:]]*protected-mode' "$1" 2>/dev/null || set -- "$@" --protected-mode no
        ;;
      cluster)
        shift
        # Later options override earlier ones.
        case " $* " in *" --help "* | *" -h "*) ;; *) set -- --bind 0.0.0.0 --protected-mode no --dir /data "$@" ;; esac
        set -- cluster "$@"
        ;;
      -* | '')
        # Later options override earlier ones: an explicit --protected-mode wins. Requests for help and version stay alone.
        case "${1:-}" in -h | --help | -v | --version) ;; *) set -- --protected-mode no "$@" ;; esac
        ;;
    esac
    set -- "$server" "$@"
    ;;
esac
exec "$@"
