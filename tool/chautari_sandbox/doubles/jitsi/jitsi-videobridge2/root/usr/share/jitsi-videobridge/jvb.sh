#!/bin/sh
# Starts the double with the file that JAVA_SYS_PROPS names.
file=$(printf '%s' "$JAVA_SYS_PROPS" | sed -n 's/.*-Dconfig.file=\([^ "]*\).*/\1/p')
exec /usr/bin/python3 -u "$(dirname "$0")/jvb_double.py" "${file:-/etc/jitsi/videobridge/jvb.conf}"
