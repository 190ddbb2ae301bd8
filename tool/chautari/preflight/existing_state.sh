#!/bin/sh
# Report what a role would replace and did not make: `existing=ROLE PATH`. Runs as root.
# The arguments of report_existing are a role and the paths that it would replace.

state=/var/lib/chautari

# A file of a package is the package's own while it has the content that the package brought.
is_packaged() {
  file=$(readlink -e "$1") || return 1
  package=$(dpkg-query --search "$file" 2>/dev/null | head -n 1)
  package=${package%%:*}
  [ -n "$package" ] && [ -f "$file" ] || return 1
  sum=$(md5sum <"$file")
  dpkg-query --show --showformat='${Conffiles}\n' "$package" 2>/dev/null |
    while read -r name known _; do
      [ "$name" != "$file" ] || echo "$known"
    done | grep -qxF "${sum%% *}"
}

# A role that ran on this node, or began to, made the files that it takes over.
is_ours() {
  [ -e "$state/receipts/$1.json" ] || [ -e "$state/claimed/$1" ]
}

report_existing() {
  role=$1
  shift
  ! is_ours "$role" || return 0
  for path in "$@"; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    is_packaged "$path" || echo "existing=$role $path"
  done
}

# What the role ssh ends: logins of accounts without a key, and forwarded ports. The arguments are the
# role, and the operators, who get a key.
report_existing_logins() {
  role=$1
  shift
  ! is_ours "$role" || return 0
  settings=$(/usr/sbin/sshd -T 2>/dev/null) || return 0
  if echo "$settings" | grep -qx 'passwordauthentication yes'; then
    while IFS=: read -r name _ _ _ _ home shell; do
      case $shell in */nologin | */false | */sync) continue ;; esac
      case " $* " in *" $name "*) continue ;; esac
      # Of root, sshd usually accepts keys only.
      [ "$name" != root ] || echo "$settings" | grep -qx 'permitrootlogin yes' || continue
      getent shadow "$name" | cut -d : -f 2 | grep -q '^[$]' || continue
      [ -s "$home/.ssh/authorized_keys" ] || [ -s "$home/.ssh/authorized_keys2" ] ||
        echo "existing=$role sshd: login of $name, who has a password and no key"
    done </etc/passwd
  fi
  own=$(echo "$settings" | sed -n 's/^port //p')
  ss -Hltnp 2>/dev/null | grep -E '"sshd(-session)?"' | while read -r _ _ _ local _; do
    echo "$own" | grep -qxF "${local##*:}" || echo "existing=$role sshd: forwarding from $local"
  done
}

# Rules of others stay in the kernel when their file is replaced, and drop what ours accept.
report_existing_tables() {
  ! is_ours "$1" || return 0
  nft list tables 2>/dev/null | while read -r _ family name; do
    if nft list table "$family" "$name" 2>/dev/null | grep -q 'policy drop'; then
      echo "existing=$1 nftables: $family $name"
    fi
  done
}
