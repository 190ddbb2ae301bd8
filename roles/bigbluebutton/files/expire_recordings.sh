#!/bin/bash
# Delete recordings that are older than DAYS: expire-recordings DAYS
# The journal names each one; bbb-record deletes all of its files.
set -eu
days=$1
status=/var/bigbluebutton/recording/status/published
[ -d "$status" ] || exit 0
find "$status" -name '*.done' -mtime "+$days" -printf '%f\n' | sed 's/-[a-z]*\.done$//' | sort -u |
    while read -r recording; do
        echo "deleting $recording: published more than $days days ago"
        bbb-record --delete "$recording" < /dev/null
    done
