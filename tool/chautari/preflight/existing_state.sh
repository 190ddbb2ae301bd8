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
  [ -e "$state/receipts/$1.json" ] || [ -e "$state/installed/$1" ] || [ -e "$state/carried/$1" ]
}

report_ours() {
  for role in "$@"; do
    ! is_ours "$role" || echo "ours=$role"
  done
}

# What did not change since our role was removed, the role left behind.
is_left_behind() {
  [ -e "$state/removed/$1" ] && [ -z "$(find "$2" -cnewer "$state/removed/$1" -print -quit)" ]
}

# Another role wrote the file, such as the apt source that two roles need.
is_tracked() {
  grep -qsF -- "\"$1\"" "$state"/receipts/*.json
}

# echo would turn a backslash in a name into a line of its own.
report_item() {
  printf 'existing=%s %s\n' "$1" "$(printf %s "$2" | tr '\n' '?')"
}

report_existing() {
  role=$1
  shift
  ! is_ours "$role" || return 0
  for path in "$@"; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    is_packaged "$path" || is_left_behind "$role" "$path" || is_tracked "$path" ||
      report_item "$role" "$path"
  done
}

# A package whose own script writes the file, such as popularity-contest.
is_written_by_package() {
  ! dpkg-query --search "$1" >/dev/null 2>&1 && grep -qsF -- "$1" /var/lib/dpkg/info/*.postinst
}

# Jobs keep running while roles replace what they use.
report_existing_jobs() {
  ! is_ours "$1" || return 0
  for path in /etc/crontab /etc/anacrontab /etc/cron.*/* /var/spool/cron/crontabs/* \
    /etc/systemd/system/*.timer; do
    [ -f "$path" ] || continue
    grep -qE '^[[:space:]]*[^#[:space:]]' "$path" || continue
    is_packaged "$path" || is_written_by_package "$path" || report_item "$1" "cron: $path"
  done
}

# Debian's own setting of Exim: mail of this machine only.
is_unused_exim() {
  [ ! -e /etc/exim4/exim4.conf ] &&
    grep -qsE "^dc_eximconfig_configtype='(local|none)'" /etc/exim4/update-exim4.conf.conf
}

# apt removes them when it installs Postfix.
report_existing_mail_servers() {
  ! is_ours "$1" || return 0
  dpkg-query --show --showformat='${db:Status-Abbrev}|${Package}|${Provides}\n' 2>/dev/null |
    grep '^ii .*mail-transport-agent' | while IFS='|' read -r _ package _; do
    case $package in
      postfix | lsb-invalid-mta) continue ;;
      exim4-*) ! is_unused_exim || continue ;;
    esac
    report_item "$1" "package: $package"
  done
}

# apt refuses all sources if two name another key for one address. The arguments are a role and addresses.
report_existing_sources() {
  role=$1
  shift
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    for address in "$@"; do
      [ "$(disable_address "$file" "$address")" = "$(cat "$file")" ] ||
        report_item "$role" "apt: $address in $file"
    done
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
        report_item "$role" "sshd: login of $name, who has a password and no key"
    done </etc/passwd
  fi
  own=$(echo "$settings" | sed -n 's/^port //p')
  ss -Hltnp 2>/dev/null | grep -E '"sshd(-session)?"' | while read -r _ _ _ local _; do
    echo "$own" | grep -qxF "${local##*:}" || report_item "$role" "sshd: forwarding from $local"
  done
}

# Databases of others; the settings of our role end their use over the network. A role that was removed
# leaves its own.
report_existing_databases() {
  ! is_ours "$1" || return 0
  for path in /var/lib/mysql/*/; do
    name=${path%/}
    name=${name##*/}
    case $name in \* | mysql | sys | performance_schema | information_schema | '#'*) continue ;; esac
    is_left_behind "$1" "$path" || report_item "$1" "database: $name in MariaDB"
  done
}

# Rules of others stay in the kernel when their file is replaced, and drop what ours accept. Chains that
# forward packets, such as Docker's, do not; nor do rules for some senders, such as those of fail2ban.
drops_others='hook (input|prerouting|ingress) .*policy drop|dport != .* (drop|reject)|^[[:space:]]*(iif(name)? [^ ]+ |'\
'counter packets [0-9]+ bytes [0-9]+ |log ((prefix "[^"]*"|level [a-z]+|flags [a-z ]+|group [0-9]+) )*)*'\
'(drop|reject( with [a-z0-9 -]*)?)( comment .*)?$'

report_existing_tables() {
  ! is_ours "$1" || return 0
  nft list tables 2>/dev/null | while read -r _ family name; do
    rules=$(nft list table "$family" "$name" 2>/dev/null)
    printf '%s\n' "$rules" | grep -qE 'hook (input|prerouting|ingress) ' || continue
    printf '%s\n' "$rules" | grep -qE "$drops_others" || continue
    program=$(program_of_table "$family" "$name" "$rules")
    report_item "$1" "${program:+firewall of $program, }nftables: $family $name"
  done
}

# Print which program loads a table again; nothing for one of the file that our role replaces.
program_of_table() {
  table="^[^#]*table +($1 +)?$2([ {]|\$)"
  [ "$1" = ip ] || table="^[^#]*table +$1 +$2([ {]|\$)"
  ! grep -qsE "$table" /etc/nftables.conf || return 0
  case $2/$3 in
    firewalld/*) echo firewalld ;;
    *chain\ ufw*-*) echo ufw ;;
    *)
      file=$(grep -rlsE "$table" /etc/nftables.d | head -n 1)
      [ -z "$file" ] && [ -e "/etc/iptables/rules.v$([ "$1" = ip6 ] && echo 6 || echo 4)" ] &&
        [ "$2" = filter ] && file=iptables-persistent
      echo "${file:-another program}"
      ;;
  esac
}
