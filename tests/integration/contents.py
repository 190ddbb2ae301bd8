"""What a machine has: the rows of every table, and the hash of every file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

ROWS = r"""
cd /
chautari-psql -XtAq --dbname=nextcloud <<'SQL'
SELECT format('SELECT %L, count(*) FROM %I.%I', 'nextcloud/' || schemaname || '.' || tablename,
              schemaname, tablename)
  FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 \gexec
SQL
for table in $(mariadb -BN -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'framadate' ORDER BY 1"); do
    echo "framadate/$table|$(mariadb -BN -e "SELECT count(*) FROM framadate.$table")"
done
"""
FILES = r"""
cd / && find var/lib/nextcloud/data var/lib/nextcloud/custom_apps var/lib/nextcloud/themes \
    var/lib/nextcloud/pins -type f ! -name '*.log' -print0 | sort -z | xargs -0 sha256sum
"""
# Tables that logins, checks and background jobs change at any time.
VOLATILE = re.compile(
    r"nextcloud/public\.oc_(appconfig|authtoken|bruteforce|file_locks|filecache|files_trash|job|"
    r"mimetypes|mounts|preferences|properties|storages|federated_reshares|share_external|trusted_servers)"
)
# Accounts of the checks, and what Nextcloud makes of files.
VOLATILE_FILES = re.compile(r"var/lib/nextcloud/data/(admin|chautari-check|appdata_)")


class Content(NamedTuple):
    """What a machine has: rows by table, and hashes by file."""

    rows: dict[str, int]
    files: dict[str, str]

    def stable(self) -> Content:
        """Return what logins, checks and background jobs leave as it is."""
        return Content(
            {table: count for table, count in self.rows.items() if not VOLATILE.match(table)},
            {path: found for path, found in self.files.items() if not VOLATILE_FILES.match(path)},
        )


def read_content(run: Callable[[str], str]) -> Content:
    """Read what a machine has; `run` runs a shell script there and returns its output."""
    rows = dict(line.rsplit("|", 1) for line in run(ROWS).split())
    files = dict(line.split("  ", 1)[::-1] for line in run(FILES).splitlines())
    return Content({table: int(count) for table, count in rows.items()}, files)
