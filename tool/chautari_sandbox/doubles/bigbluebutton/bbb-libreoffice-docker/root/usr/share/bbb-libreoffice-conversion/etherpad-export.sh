#!/bin/bash
# Double of upstream's script for Etherpad's export.
exec "$(dirname "$0")/convert.sh" "$@"
