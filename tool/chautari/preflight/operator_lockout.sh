#!/bin/sh
# Report which settings of sshd apply to the region's operators: `access=ACCOUNT KEYWORD VALUE`.
# Runs as root. The arguments of report_access are the address of this connection, and the accounts.

report_access() {
  address=$1
  shift
  for account in "$@"; do
    # A new account gets a group of its own name.
    groups=$(id -Gn "$account" 2>/dev/null) || groups=$account
    echo "access=$account groups $groups"
    /usr/sbin/sshd -T -C "user=$account,host=$address,addr=$address" 2>/dev/null |
      while read -r keyword value; do
        case $keyword in
          allowusers | denyusers | allowgroups | denygroups | pubkeyauthentication | \
            authenticationmethods | authorizedkeysfile) echo "access=$account $keyword $value" ;;
        esac
      done
  done
}
