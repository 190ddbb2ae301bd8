"""From which figures on something is a problem; `docs/status.md` lists them with their reasons."""

from __future__ import annotations

HOUR, DAY = 3600, 86_400

# A disk with less free space than this, in percent.
DISK_LOW_PERCENT = 15
DISK_NEARLY_FULL_PERCENT = 5
# A disk that will be full within this time if it fills as before.
DISK_FULL_SOON_DAYS = 7
# certbot renews 30 days before the end, so that ten days of attempts have failed by then.
CERTIFICATE_DAYS = 20
CERTIFICATE_LAST_DAYS = 3
# Security updates are installed every day; two attempts may fail.
UPDATES_LATE_SECONDS = 3 * DAY
LISTS_OLD_SECONDS = 3 * DAY
# A person who looks once a week can restart the node before this.
REBOOT_SECONDS = 7 * DAY
# The timer measures every five minutes.
MEASUREMENT_OLD_SECONDS = HOUR
# Clocks of two machines differ; more than this is a wrong clock.
MAX_AHEAD_SECONDS = 600
