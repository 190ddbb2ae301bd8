#!/bin/sh
# Copy what the region adopts. Runs as root.
set -e
umask 077

state=/var/lib/chautari
adopted=$state/adopted/$(date -u +%Y%m%dT%H%M%S)
# Settings are small: more is data, which no role replaces.
max_kb=500000

adopt_paths() {
  size=$(du -sck -- "$@" | tail -n 1 | cut -f 1)
  if [ "$size" -gt "$max_kb" ]; then
    echo "the size of the files is $size kB; the limit is $max_kb kB" >&2
    exit 1
  fi
  mkdir -p "$adopted"
  # A pipe would hide that the first of two commands failed.
  tar -cf "$adopted/.copy" --absolute-names -- "$@"
  tar -xpf "$adopted/.copy" -C "$adopted"
  rm "$adopted/.copy"
}

# Disable what apt would refuse together with ours; the file was copied before.
adopt_source() {
  disable_address "$1" "$2" >"$adopted/.source"
  cat "$adopted/.source" >"$1"
  rm "$adopted/.source"
}

# A table of the file that the role replaces would stay until the next restart.
adopt_table() {
  mkdir -p "$adopted"
  nft list table "$1" "$2" >"$adopted/nftables-$1-$2.rules"
  nft delete table "$1" "$2"
}
