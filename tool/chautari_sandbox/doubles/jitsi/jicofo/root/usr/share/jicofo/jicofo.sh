#!/bin/sh
# Starts the double; upstream's script looks for its settings in the same two places.
file=$(printf '%s' "$JAVA_SYS_PROPS" | sed -n 's/.*-Dconfig.file=\([^ "]*\).*/\1/p')
exec /usr/bin/python3 -u "$(dirname "$0")/jicofo_double.py" "${file:-/etc/jitsi/jicofo/jicofo.conf}"
