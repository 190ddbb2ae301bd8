#!/bin/sh
# Create the environment that Ansible and the checks run in on a node, and put it in place.
#
# Standard input: the hash-locked requirements; SFTP is not available on every machine.
# MARKER        the digest of the requirements
# PYTHON        the interpreter to create the environment with
# OPERATOR      who prepares the node; shown to the next one while this one runs
# ROOT          the folder of the environments
# WHEELS        the folder of Debian's wheel of pip
# RUN_LOCK      the lock that a run holds while it works
# TURN_SECONDS  how long to wait for another preparation
# SWITCH_SECONDS  how long to wait for a run before the switch
# TRY_SECONDS   how long to try if the connection to the server of the packages breaks
# BUSY          the exit code when another preparation or a run does not end in time
: "${MARKER:?}" "${PYTHON:?}" "${OPERATOR:?}" "${ROOT:?}" "${RUN_LOCK:?}"
: "${WHEELS:?}" "${TURN_SECONDS:?}" "${SWITCH_SECONDS:?}" "${TRY_SECONDS:?}" "${BUSY:?}"
set -e

list=$(cat)
new="$ROOT/venv-$(printf %.12s "$MARKER")"
requirements="$ROOT/requirements.lock"
cache="$ROOT/pip-cache"
turn="$ROOT/prepare.lock"

# While the lock is held, its file says who took it and when.
take_turn() {
  mkdir -p "$ROOT"
  exec 8>> "$turn"
  flock --wait "$TURN_SECONDS" --conflict-exit-code "$BUSY" 8 || {
    code=$?
    [ "$code" != "$BUSY" ] || echo "Another preparation is running (started by" \
      "$(grep . "$turn" || echo another operator)). Wait for it to finish." >&2
    exit "$code"
  }
  trap ': > "$turn"' EXIT
  printf '%s at %s UTC\n' "$OPERATOR" "$(date -u +%H:%M)" > "$turn"
}

# pip runs from the wheel of Debian's python3-pip-whl: to install pip first takes longer than all that
# it installs. Ansible's modules are compiled when they are first used.
wheel=$(echo "$WHEELS"/pip-*.whl)
pip_install() {
  PYTHONPATH="$wheel" "$new/bin/python" -m pip install "$@"
}

# Install the packages, again after growing pauses if the connection breaks. Packages that arrived
# whole stay in the cache. From release 25.1 on, pip also continues within a package. The wheel's name
# has the release: to ask pip costs seconds, since it compiles itself each time.
install_packages() {
  resume=
  release=${wheel##*/pip-}
  oldest=$(printf '%s\n' 25.1 "${release%%-*}" | sort -V | head -n 1)
  [ "$oldest" != 25.1 ] || resume="--resume-retries 20"
  end=$(($(date +%s) + TRY_SECONDS))
  pause=5 tries=0 size=0
  # shellcheck disable=SC2086 # one option and its value, or nothing
  until said=$(
    pip_install $resume --cache-dir "$cache" --no-compile --quiet \
      --disable-pip-version-check --retries 3 --timeout 60 \
      --only-binary :all: --require-hashes --requirement "$requirements" 2>&1
  ); do
    before=$size size=$(cache_size)
    if [ "$size" -gt "$before" ]; then
      pause=5 tries=0
    fi
    tries=$((tries + 1))
    if ! may_try_again "$said" || [ $(($(date +%s) + pause)) -gt "$end" ]; then
      printf '%s\n' "$said" >&2
      exit 1
    fi
    sleep "$pause"
    [ "$pause" -ge 300 ] || pause=$((pause * 2))
  done
  rm -rf "$cache"
}

cache_size() {
  mkdir -p "$cache"
  du -s "$cache" | cut -f 1
}

# Return whether the connection broke. Before release 25.1, pip takes a package that did not arrive
# whole for one with a wrong digest.
may_try_again() {
  case "$1" in
    *"No space left on device"* | *CERTIFICATE_VERIFY_FAILED*) return 1 ;;
    *"DO NOT MATCH THE HASHES"*) [ "$tries" -lt 5 ] ;;
    *"Connection broken"* | *"Connection aborted"* | *"onnection reset"* | *"imed out"*) ;;
    *IncompleteRead* | *"Failed to establish"* | *"Max retries exceeded"* | *ProtocolError*) ;;
    *"ame resolution"* | *"Retrying ("* | *"error 50"?* | *incomplete-download*) ;;
    *"EOF occurred"* | *"nexpected EOF"*) ;;
    *) return 1 ;;
  esac
}

# A preparation whose operator disconnected continues here; the next one finds it complete.
create() {
  [ "$(cat "$new/chautari-lock" 2>/dev/null)" != "$MARKER" ] || return 0
  printf '%s\n' "$list" > "$requirements"
  echo "$MARKER  $requirements" | sha256sum --check --status || {
    echo "The node received only part of the list of Python packages. Deploy again." >&2
    exit 1
  }
  "$PYTHON" -m venv --clear --without-pip "$new"
  install_packages
  echo "$MARKER" > "$new/chautari-lock"
}

# A run loads from the environment until it ends, so the switch waits for it; no run can start
# meanwhile. Where the lock's file does not exist, no run ever started.
switch() {
  [ "$(readlink "$ROOT/venv")" != "$new" ] || return 0
  if [ -e "$RUN_LOCK" ]; then
    exec 9< "$RUN_LOCK"
    flock --shared --wait "$SWITCH_SECONDS" 9 || {
      echo "Another run is active on this node. Wait for it to finish, then deploy again." >&2
      exit "$BUSY"
    }
    ln -sfn "$new" "$ROOT/venv"
    exec 9<&-
  else
    ln -sfn "$new" "$ROOT/venv"
  fi
}

# Delete the environments of earlier versions, 60 MB each, unless a run may be using one. They are
# moved aside under the lock, so that a run that starts later does not find them.
sweep() {
  [ -e "$RUN_LOCK" ] || return 0
  exec 9< "$RUN_LOCK"
  flock --shared --nonblock 9 || return 0
  for old in "$ROOT"/venv-*; do
    [ "$old" = "$new" ] || mv "$old" "$ROOT/old-${old##*/}"
  done
  exec 9<&-
  rm -rf "$ROOT"/old-*
}

take_turn
create
switch
sweep
