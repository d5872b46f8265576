# Sourced by the parts of tests/deploy: the lines that `run` counts, and what all of them need.

# What parts in Python import (outcomes.py).
export PYTHONPATH=$PWD/tests/deploy PYTHONDONTWRITEBYTECODE=1

# check NAME COMMAND...: passes if the command succeeds; its output is shown otherwise.
check() {
  local name=$1 out; shift
  [ -z "${needed:-}" ] || { skip "$name" "$needed"; return; }
  if out=$("$@" 2>&1); then echo "ok - $name"; else echo "not ok - $name"; printf '%s\n' "$out" | tail -n "${SHOW:-25}" | sed 's/^/     /'; return 1; fi
}
skip() { echo "skip - $1: $2"; }
# From here on every check is skipped where there is no engine.
need_engine() { needed=${NO_ENGINE:-}; }
# eventually SECONDS COMMAND...: tries until it succeeds.
eventually() { local until=$((SECONDS + $1)); shift; until "$@"; do [ $SECONDS -lt "$until" ] || return 1; sleep 0.3; done; }
# python_with FILE: the directory of a virtual environment with what FILE (a requirements.txt) asks for; made once per set of versions.
python_with() {
  local home; home=$KEPT/python-$(sha256sum "$1" | cut -c1-16)
  if [ ! -e "$home/complete" ]; then
    rm -rf "$home"
    { python3 -m venv "$home" && "$home/bin/pip" install --quiet --disable-pip-version-check -r "$1" && touch "$home/complete"; } >&2 || return 1
  fi
  echo "$home"
}
