#!/bin/sh
# Read and change apt's sources. An address is written without its scheme, such as `deb.example.org/apt`.
# shellcheck disable=SC2016 # awk expands its own variables

# Print a file of sources in which the entries of an address are disabled, except ours.
disable_address() {
  case $1 in
    *.sources) awk -v address="$2" "$matches_address$edit_stanzas" "$1" ;;
    *) awk -v address="$2" "$matches_address$edit_lines" "$1" ;;
  esac
}

matches_address='function matches(uri) {
  sub(/^[a-z+]+:\/\//, "", uri)
  sub(/\/+$/, "", uri)
  return uri == address
}
'

edit_lines='$1 == "deb" || $1 == "deb-src" {
  for (i = 2; i <= NF && $i !~ /^#/; i++) if (matches($i)) { $0 = "# " $0; break }
}
{ print }
'

# Fields of a stanza may continue on lines that begin with a blank.
edit_stanzas='function flush(   i) {
  if (found && !off) print "Enabled: no"
  for (i = 1; i <= count; i++) if (!found || off || tolower(lines[i]) !~ /^enabled:/) print lines[i]
  count = found = off = 0
  field = ""
}
/^[ \t]*$/ { flush(); print; next }
{ lines[++count] = $0 }
/^#/ { next }
{ value = $0 }
/^[^ \t]/ { field = tolower($0); sub(/:.*/, "", field); sub(/^[^:]*:/, "", value) }
field == "uris" {
  parts = split(value, uris, " ")
  for (i = 1; i <= parts; i++) if (matches(uris[i])) found = 1
}
field == "enabled" && tolower(value) ~ /^[ \t]*(no|false|without|off|disable|0)/ { off = 1 }
field == "signed-by" && value ~ /\/etc\/apt\/keyrings\/chautari-/ { off = 1 }
END { flush() }
'

