#!/bin/sh
# Print the facts of a machine, one `key=value` a line, before anything on it changes.
# Needs neither Python nor any tool outside the required packages of Debian.

# The login shell may have printed something, perhaps without an end of line: facts come after this.
echo
echo chautari-facts
# shellcheck source=/dev/null
. /etc/os-release 2>/dev/null
echo "os=${ID:-unknown}-${VERSION_ID:-unknown}"
echo "machine=$(uname -m)"
root=""
[ "$(id -u)" = 0 ] || root="sudo -n"
echo "uid=$($root id -u 2>/dev/null)"
echo "now=$(date +%s)"
echo "init=$(cat /proc/1/comm)"
while read -r key value _; do
  [ "$key" = MemTotal: ] && echo "memory_kb=$value"
done < /proc/meminfo
echo "cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
echo "container=$(systemd-detect-virt --container 2>/dev/null)"
[ -r /proc/net/if_inet6 ] && while read -r address _ _ scope _; do
  [ "$scope" = 00 ] && echo "address6=$address"
done < /proc/net/if_inet6
for path in / /var /opt; do
  echo "free_kb:$path=$(df -Pk "$path" | tail -n 1 | (read -r _ _ _ free _; echo "$free"))"
  echo "free_inodes:$path=$(df -Pi "$path" | tail -n 1 | (read -r _ _ _ free _; echo "$free"))"
done
echo "venv=$(cat /opt/chautari/venv/chautari-lock 2>/dev/null)"
$root ss -Hlntup 2>/dev/null | while read -r protocol _ _ _ local _ process; do
  echo "listener=$protocol $local $process"
done
