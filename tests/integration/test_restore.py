"""Restores on a real node: equal data, old data kept, and never between when killed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.conftest import Proof

pytestmark = pytest.mark.containers
NODE = "cloud"
DISK = "/mnt/restores"
STATE = "/var/lib/chautari/restore"
# Rows of every table, then hash, owner and mode of every file. A restore changes only config.php.
DIGEST = r"""
cd /
chautari-psql -XtAq --dbname=nextcloud <<'SQL'
SELECT format('SELECT %L, count(*) FROM %I.%I', tablename, schemaname, tablename) FROM pg_tables
  WHERE schemaname = 'public' ORDER BY 1 \gexec
SQL
for table in $(mariadb -BN -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'framadate' ORDER BY 1"); do
    echo "$table $(mariadb -BN -e "SELECT count(*) FROM framadate.$table")"
done
cd /var/lib/nextcloud
find data custom_apps themes pins -type f -print0 | sort -z | xargs -0 sha256sum
find data custom_apps themes pins config -printf '%p %u:%g %m %y %l\n' | sort
"""
CHANGE = """
cd / && echo "$1" > /var/lib/nextcloud/data/later-$1
chown www-data: /var/lib/nextcloud/data/later-$1 && rm -f /var/lib/nextcloud/data/stays
mariadb -e "CREATE TABLE framadate.later_$1 (a int)"
chautari-psql -Xq --dbname=nextcloud -c "CREATE TABLE later_$1 (a int)"
"""
# Kills all processes of a restore once it has reached a step.
KILL = """
import pathlib, subprocess, sys, time
state = pathlib.Path(sys.argv[1])
deadline = time.monotonic() + 120
while not ((state / "journal.json").exists()
           and f'"step": "{sys.argv[2]}"' in (state / "progress.jsonl").read_text()):
    assert time.monotonic() < deadline, "the step was not reached"
    time.sleep(0.005)
subprocess.run(["systemctl", "kill", "-s", "KILL", "chautari-restore"], check=True)
"""
STEPS = ("choose", "copy", "extract", "load", "adapt", "pause", "switch", "finish", "resume")


def digest(proof: Proof) -> str:
    return proof.run_with_input(NODE, DIGEST, "sh", "-s")


@pytest.fixture(scope="module")
def backed_up(deployed: Proof) -> Iterator[Proof]:
    """Return the region with one backup of its node, and remove everything at the end."""
    original = deployed.file.read_text()
    deployed.on(NODE, "mkdir", "-p", DISK)
    deployed.on(NODE, "mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", DISK)
    deployed.on(NODE, "sh", "-c", "echo stays > /var/lib/nextcloud/data/stays")
    target = f"{{disk: {DISK}, nodes: [{NODE}]}}"
    deployed.write(f"{original}\nbackup: {{to: [disk], targets: {{disk: {target}}}}}\n")
    outcome = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    ended = deployed.on(NODE, "chautari-backup", "start", check=False).splitlines()[-1]
    assert json.loads(ended)["ok"], ended
    yield deployed
    deployed.deploy("restore", "--clean", "--yes", "--node", NODE)
    deployed.on(NODE, "rm", "-f", "/var/lib/nextcloud/data/stays")
    deployed.write(original)
    removed = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
    deployed.on(NODE, "umount", DISK)
    assert removed.code == 0, removed.problems


def change_data(proof: Proof, name: str) -> None:
    proof.run_with_input(NODE, CHANGE, "sh", "-s", "--", name)


def newest_result(proof: Proof) -> dict[str, Any]:
    listed = proof.deploy("restore", "--list", "--json", "--node", NODE)
    results = json.loads(listed.stdout)[NODE]["results"]
    found: dict[str, Any] = results[-1]
    return found


def assert_tidy(proof: Proof) -> None:
    left = proof.on(
        NODE, "sh", "-c",
        f"ls -d /var/lib/nextcloud/.chautari-restore-* {STATE}/journal.json /run/chautari-restore "
        "2>/dev/null; chautari-psql -XtAc 'SELECT datname FROM pg_database' | grep _restore_; true",
    )  # fmt: skip
    assert left.strip() == ""
    assert proof.on(NODE, "systemctl", "is-active", "nextcloud-cron.timer") == "active\n"


def test_restored_node_has_equal_data_and_passes_all_checks(backed_up: Proof) -> None:
    before = digest(backed_up)
    change_data(backed_up, "first")
    changed = digest(backed_up)
    outcome = backed_up.deploy("restore", "--yes", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    [restored] = json.loads(outcome.stdout)["restores"]
    assert restored["result"]["services"] == ["nextcloud", "polls"]
    assert restored["result"]["figures"]["paused_seconds"] < 30
    assert digest(backed_up) == before != changed
    assert_tidy(backed_up)
    again = backed_up.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert (again.code == 0 and '"changed": 0' in again.stdout) or "up_to_date" in again.stdout
    kept = restored["result"]["kept"]["paths"]
    assert f"/var/lib/nextcloud/data.before-restore-{restored['result']['id']}" in kept
    assert backed_up.deploy("restore", "--clean", "--yes", "--node", NODE).code == 0
    assert "before-restore" not in backed_up.on(NODE, "ls", "/var/lib/nextcloud")


def test_killed_restore_ends_on_old_or_restored_data(backed_up: Proof, soak: bool) -> None:
    before = digest(backed_up)
    for step in STEPS if soak else ("switch",):
        change_data(backed_up, step)
        changed = digest(backed_up)
        process = backed_up.start_deploy("restore", "--yes", "--node", NODE)
        backed_up.run_with_input(NODE, KILL, "python3", "-", STATE, step)
        try:
            process.wait(timeout=600)
        except subprocess.TimeoutExpired:
            process.kill()
        deadline = time.monotonic() + 60
        while "journal.json" in backed_up.on(NODE, "ls", STATE) and time.monotonic() < deadline:
            time.sleep(1)
        result = newest_result(backed_up)
        assert digest(backed_up) == (before if result["ok"] else changed), step
        assert_tidy(backed_up)
        assert result["ok"], f"{step}: {result['error']}"


def test_weekly_drill_counts_and_leaves_nothing(backed_up: Proof) -> None:
    before = digest(backed_up)
    backed_up.on(NODE, "systemctl", "start", "chautari-drill")
    drill = json.loads(backed_up.on(NODE, "cat", "/var/lib/chautari/backup/state.json"))["drill"]
    assert drill["ok"] and drill["tables"] > 20 and drill["files"] > 0
    assert digest(backed_up) == before
    assert "_drill_" not in backed_up.on(NODE, "mariadb", "-BN", "-e", "SHOW DATABASES")
    assert "drill" not in backed_up.on(NODE, "ls", "/var/lib/chautari").split()
