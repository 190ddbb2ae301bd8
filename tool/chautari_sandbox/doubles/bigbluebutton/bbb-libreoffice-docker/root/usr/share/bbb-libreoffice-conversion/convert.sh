#!/bin/bash
# Double of upstream's script: SOURCE TARGET FORMAT TIMEOUT; upstream's runs LibreOffice in Docker.
set -u
[ $# -ge 3 ] || { echo "usage: $0 SOURCE TARGET FORMAT [TIMEOUT]" >&2; exit 1; }
echo "Double of BigBlueButton's conversion: Docker's image bbb-soffice is not there" >&2
exit 1
