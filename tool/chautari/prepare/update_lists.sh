#!/bin/sh
# Read apt's lists of packages, again if a connection stalls.
#
# A server that closes a connection at the wrong moment lets apt wait for ever, so each try has a
# limit, the first a short one. apt keeps what a slow connection delivered and continues from there.
# Another program may hold the lock of the lists, as a fresh machine does by itself: apt cannot wait
# for this lock, so this script does. The messages must be English: the lock is known by them.
turns=120
for limit in 120 600 600; do
  while true; do
    said=$(
      LC_ALL=C timeout -k 10 "$limit" apt-get -q update \
        -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 2>&1
    ) && exit 0
    case "$said" in
      *"Could not get lock /var/lib/apt/lists/"*)
        [ "$turns" -gt 0 ] || break 2
        turns=$((turns - 1))
        sleep 5
        ;;
      *) break ;;
    esac
  done
  sleep 5
done
printf '%s\n' "$said" >&2
exit 1
