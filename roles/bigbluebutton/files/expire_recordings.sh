#!/bin/bash
# Delete recordings whose days are over: expire-recordings DAYS
# Each is told to the journal; bbb-record takes it away in all its parts.
set -eu
days=$1
status=/var/bigbluebutton/recording/status/published
[ -d "$status" ] || exit 0
find "$status" -name '*.done' -mtime "+$days" -printf '%f\n' | sed 's/-[a-z]*\.done$//' | sort -u |
    while read -r recording; do
        echo "deleting $recording: published more than $days days ago"
        bbb-record --delete "$recording" < /dev/null
    done
