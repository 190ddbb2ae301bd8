"""Backups of a real node to a disk, and restores: complete, and never half done when killed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.integration.conftest import Proof
from tests.integration.test_broken_release import LOCK, NEWER

pytestmark = [pytest.mark.containers]
NODE = "cloud"
DISK = "/mnt/backup"
STATE = "/var/lib/chautari/backup/state.json"
PAUSED = "/var/lib/chautari/backup/paused.json"
# Kills the program of the backup, or all its processes, once it has reached a step.
KILL = """
import json, os, pathlib, signal, subprocess, sys, time
step, everything = sys.argv[1], sys.argv[2] == "all"
events = pathlib.Path("/run/chautari-backup/events.jsonl")
events.unlink(missing_ok=True)
subprocess.run(["systemctl", "reset-failed", "chautari-backup"], stderr=subprocess.DEVNULL)
subprocess.run(["systemctl", "start", "--no-block", "chautari-backup"], check=True)
def value(name):
    show = ["systemctl", "show", "-P", name, "chautari-backup"]
    return subprocess.run(show, capture_output=True, text=True).stdout.strip()
deadline = time.monotonic() + 120
while f'"step": "{step}"' not in (events.read_text() if events.exists() else ""):
    assert time.monotonic() < deadline, "the step was not reached"
    time.sleep(0.005)
if everything:
    subprocess.run(["systemctl", "kill", "-s", "KILL", "chautari-backup"], check=True)
else:
    pid = int(value("MainPID"))
    if pid:
        os.kill(pid, signal.SIGKILL)
while value("ActiveState") in ("activating", "active", "deactivating"):
    time.sleep(0.05)
"""
STEPS = ("files", "pause", "databases", "manifest", "prune")
RESTORES = "/var/lib/chautari/restore"
# Names of all tables, rows of those that checks and background jobs leave as they are, then hash,
# owner and mode of files. A restore changes only config.php.
DIGEST = r"""
cd /
chautari-psql -XtAq --dbname=nextcloud <<'SQL'
SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1;
SELECT format('SELECT %L, count(*) FROM %I.%I', tablename, schemaname, tablename) FROM pg_tables
  WHERE schemaname = 'public' AND tablename !~ ('^oc_(appconfig|authtoken|bruteforce|file_locks|'
    'filecache|files_trash|job|mounts|preferences|properties|storages)') ORDER BY 1 \gexec
SQL
for table in $(mariadb -BN -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'framadate' ORDER BY 1"); do
    echo "$table $(mariadb -BN -e "SELECT count(*) FROM framadate.$table")"
done
cd /var/lib/nextcloud
kept() {
    find data custom_apps themes pins config \( -path 'data/admin' -o -path 'data/chautari-check' \
        -o -path 'data/appdata_*' -o -name '*.log' \) -prune -o "$@"
}
kept -type f ! -name config.php -print0 | sort -z | xargs -0 sha256sum
kept ! -path data -printf '%p %u:%g %m %y %l\n' | sort
"""
CHANGE = """
cd / && echo "$1" > /var/lib/nextcloud/data/later-$1
chown www-data: /var/lib/nextcloud/data/later-$1 && rm -f /var/lib/nextcloud/data/stays
mariadb -e "CREATE TABLE framadate.later_$1 (a int)"
chautari-psql -Xq --dbname=nextcloud -c "CREATE TABLE later_$1 (a int)"
"""
# Kills all processes of a restore once it has reached a step.
KILL_RESTORE = """
import pathlib, subprocess, sys, time
state = pathlib.Path(sys.argv[1])
deadline = time.monotonic() + 120
while not ((state / "journal.json").exists()
           and f'"step": "{sys.argv[2]}"' in (state / "progress.jsonl").read_text()):
    assert time.monotonic() < deadline, "the step was not reached"
    time.sleep(0.005)
subprocess.run(["systemctl", "kill", "-s", "KILL", "chautari-restore"], check=True)
"""
RESTORE_STEPS = (
    "choose", "copy", "extract", "load", "adapt", "pause", "switch", "finish", "resume",
)  # fmt: skip


@pytest.fixture(scope="module")
def backed_up(deployed: Proof) -> Iterator[Proof]:
    """Return the region with backups to a disk, deployed on one node; remove all at the end."""
    original = deployed.file.read_text()
    deployed.on(NODE, "mkdir", "-p", DISK)
    deployed.on(NODE, "mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", DISK)
    try:
        deployed.write(f"{original}\nbackup: {{to: [disk], targets: {{disk: {{disk: {DISK}}}}}}}\n")
        outcome = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
        assert outcome.code == 0, outcome.problems
        yield deployed
    finally:
        deployed.write(original)
        removed = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
        deployed.on(NODE, "umount", DISK)
    assert removed.code == 0, removed.problems
    assert not deployed.on(NODE, "sh", "-c", "ls /etc/systemd/system/chautari-backup* || true")


def back_up(proof: Proof) -> dict[str, Any]:
    """Back up now, and return how it ended."""
    lines = proof.on(NODE, "chautari-backup", "start", check=False).splitlines()
    assert json.loads(lines[-1])["event"] == "finished", lines
    found: dict[str, Any] = json.loads(proof.on(NODE, "cat", STATE))["targets"]["disk"]
    return found


def archives(proof: Proof) -> list[str]:
    """Return the names of the archives that count."""
    found = json.loads(proof.on(NODE, "chautari-backup", "list"))["targets"]["disk"]
    assert found["error"] is None
    return [item["name"] for item in found["archives"]]


def borg(proof: Proof, *arguments: str) -> str:
    return proof.on(NODE, "chautari-backup", "borg", "disk", *arguments)


def test_backup_has_every_row_and_file_of_the_node(backed_up: Proof) -> None:
    first = back_up(backed_up)
    assert first["error"] is None and first["left_out"] == []
    # Other tests use this machine at the same time; a benchmark measures the pause.
    assert 0 < first["paused_seconds"] <= 15
    second = back_up(backed_up)
    assert second["error"] is None
    assert second["bytes_sent"] * 2 < first["bytes_sent"]
    names = archives(backed_up)
    assert names[-1] == second["archive"] and len(set(names)) == len(names)
    manifest = json.loads(
        borg(
            backed_up, "extract", "--stdout", f"::{names[-1]}", "run/chautari-backup/manifest.json"
        )
    )
    counts = manifest["row_counts"]
    rows = backed_up.on(
        NODE, "chautari-psql", "-XtAq", "-d", "nextcloud", "-c", "SELECT count(*) FROM oc_accounts"
    )
    assert counts["postgresql"]["nextcloud"]["public.oc_accounts"] == int(rows)
    tables = backed_up.on(
        NODE, "mariadb", "-N", "-e",
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'framadate'",
    )  # fmt: skip
    assert len(counts["mariadb"]["framadate"]) == int(tables)
    listed = borg(backed_up, "list", f"::{names[-1]}", "--format", "{type} {path}{NL}")
    stored = {line[2:] for line in listed.splitlines() if line.startswith("-")}
    assert [path for path in stored if path.endswith("config/config.php")]
    assert "run/chautari-backup/databases/postgresql/nextcloud.dump" in stored


def test_killed_backup_leaves_services_running_and_the_next_one_succeeds(
    backed_up: Proof, soak: bool
) -> None:
    rounds = [(step, how) for step in STEPS for how in ("main", "all")]
    for step, how in rounds if soak else [("pause", "main")]:
        before = archives(backed_up)
        backed_up.run_with_input(NODE, KILL, "python3", "-", step, how)
        paused = backed_up.on(NODE, "sh", "-c", f"test -e {PAUSED} && echo yes || true")
        assert paused == "", f"{step}, {how}: a service is still paused"
        assert backed_up.on(NODE, "systemctl", "is-active", "nextcloud-cron.timer") == "active\n"
        assert backed_up.on(NODE, "sh", "-c", "pgrep -x borg || true") == ""
        # A run that was killed late may have completed its archive; none is incomplete.
        for name in set(archives(backed_up)) - set(before):
            stored = borg(backed_up, "list", f"::{name}", "--short")
            assert "run/chautari-backup/manifest.json" in stored, f"{step}, {how}"
        assert back_up(backed_up)["error"] is None, f"{step}, {how}"
    names = borg(backed_up, "list", "--consider-checkpoints", "--short").split()
    assert not [name for name in names if "checkpoint" in name]


@contextlib.contextmanager
def unmounted_disk(proof: Proof) -> Iterator[None]:
    """Take the disk away for a while."""
    # A move keeps the content; an unmounted tmpfs would lose it.
    proof.on(NODE, "mkdir", "-p", "/mnt/elsewhere")
    proof.on(NODE, "mount", "--bind", DISK, "/mnt/elsewhere")
    proof.on(NODE, "umount", DISK)
    try:
        yield
    finally:
        proof.on(NODE, "mount", "--bind", "/mnt/elsewhere", DISK)
        proof.on(NODE, "umount", "/mnt/elsewhere")


def test_disk_that_is_not_mounted_is_refused(backed_up: Proof) -> None:
    with unmounted_disk(backed_up):
        found = back_up(backed_up)
        assert found["error"]["code"] == "disk_not_mounted"
        assert found["error"]["data"]["path"] == DISK
        assert backed_up.on(NODE, "ls", "-A", DISK) == ""
    assert back_up(backed_up)["error"] is None


@pytest.mark.soak
def test_upgrade_does_not_begin_without_its_backup(backed_up: Proof) -> None:
    lock, original = backed_up.folder / "artifacts.lock", backed_up.file.read_text()
    release = backed_up.on(NODE, "readlink", "/opt/nextcloud/current")
    lock.write_text(LOCK)
    backed_up.edit("{host: cloud-files,", f"{{host: cloud-files, version: '{NEWER}',")
    try:
        with unmounted_disk(backed_up):
            outcome = backed_up.deploy("region", "--no-checks", "--json", "--node", NODE)
    finally:
        lock.unlink()
        backed_up.write(original)
    assert outcome.code == 1
    message = outcome.node(NODE)["failure"]["message"]
    assert "not mounted" in message and DISK in message
    assert backed_up.on(NODE, "readlink", "/opt/nextcloud/current") == release
    again = backed_up.deploy("region", "--json", "--node", NODE)
    assert again.code == 0, again.problems


def test_check_finds_flipped_bytes(backed_up: Proof, soak: bool) -> None:
    assert back_up(backed_up)["error"] is None
    # The same number flips the same bit, so a second time restores it.
    flip = (
        "import pathlib, random, sys; random.seed(int(sys.argv[1]));"
        f"files = sorted(p for p in pathlib.Path('{DISK}').rglob('data/*/*') if p.is_file());"
        "path = random.choice(files); data = bytearray(path.read_bytes());"
        "at = random.randrange(8, len(data)); data[at] ^= 1 << random.randrange(8);"
        "path.write_bytes(data)"
    )
    for number in range(20 if soak else 1):
        backed_up.on(NODE, "python3", "-c", flip, str(number))
        answer = backed_up.on(NODE, "chautari-backup", "check", check=False)
        found = json.loads(answer.splitlines()[0])
        assert found["error"] and found["error"]["code"] == "check_failed", f"flip {number}"
        backed_up.on(NODE, "python3", "-c", flip, str(number))
    assert backed_up.on(NODE, "chautari-backup", "check").count('"ok": true') == 2


@pytest.mark.soak
def test_late_backup_is_mailed_once(backed_up: Proof) -> None:
    assert back_up(backed_up)["error"] is None
    age = (
        "import json, pathlib, time;"
        f"p = pathlib.Path('{STATE}'); s = json.loads(p.read_text());"
        "s['targets']['disk']['last_success'] -= 27 * 3600; p.write_text(json.dumps(s))"
    )
    backed_up.on(NODE, "python3", "-c", age)
    backed_up.on(NODE, "rm", "-f", "/var/lib/chautari/backup/watch.json")
    first = json.dumps({"since": time.time() - 90_000, "mailed": 0, "problems": ["disk damaged"]})
    backed_up.run_with_input(NODE, first, "tee", "/var/lib/chautari/backup/watch.json")
    for _ in range(2):
        backed_up.on(NODE, "systemctl", "start", "chautari-backup-watch")
    journal = backed_up.on(NODE, "journalctl", "-u", "postfix*", "--since", "-5min", "-o", "cat")
    assert journal.count("from=<root@") + journal.count("from=<cloud@") >= 1
    assert back_up(backed_up)["error"] is None
    backed_up.on(NODE, "systemctl", "start", "chautari-backup-watch")


def digest(proof: Proof) -> str:
    return proof.run_with_input(NODE, DIGEST, "sh", "-s")


@pytest.fixture(scope="module")
def restorable(backed_up: Proof) -> Iterator[Proof]:
    """Return the region with a backup of a file that tests delete."""
    path = "/var/lib/nextcloud/data/stays"
    backed_up.on(NODE, "sh", "-c", f"echo stays > {path}")
    assert back_up(backed_up)["error"] is None
    yield backed_up
    backed_up.deploy("restore", "--clean", "--yes", "--node", NODE)
    backed_up.on(NODE, "rm", "-f", path)


def change_data(proof: Proof, name: str) -> None:
    proof.run_with_input(NODE, CHANGE, "sh", "-s", "--", name)


def newest_result(proof: Proof) -> dict[str, Any]:
    listed = proof.deploy("restore", "--list", "--json", "--node", NODE)
    results = json.loads(listed.stdout)["nodes"][NODE]["results"]
    found: dict[str, Any] = results[-1]
    return found


def assert_tidy(proof: Proof) -> None:
    left = proof.on(
        NODE, "sh", "-c",
        f"ls -d /var/lib/nextcloud/.chautari-restore-* {RESTORES}/journal.json "
        "/run/chautari-restore 2>/dev/null; "
        "chautari-psql -XtAc 'SELECT datname FROM pg_database' | grep _restore_; true",
    )  # fmt: skip
    assert left.strip() == ""
    assert proof.on(NODE, "systemctl", "is-active", "nextcloud-cron.timer") == "active\n"


def test_restored_node_has_equal_data_and_passes_all_checks(restorable: Proof) -> None:
    before = digest(restorable)
    change_data(restorable, "first")
    changed = digest(restorable)
    outcome = restorable.deploy("restore", "--yes", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    [restored] = json.loads(outcome.stdout)["restores"]
    assert restored["result"]["services"] == ["nextcloud", "polls"]
    assert restored["result"]["figures"]["paused_seconds"] < 30
    assert digest(restorable) == before != changed
    assert_tidy(restorable)
    again = restorable.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert (again.code == 0 and '"changed": 0' in again.stdout) or "up_to_date" in again.stdout
    kept = restored["result"]["kept"]["paths"]
    assert f"/var/lib/nextcloud/data.before-restore-{restored['result']['id']}" in kept
    assert restorable.deploy("restore", "--clean", "--yes", "--node", NODE).code == 0
    assert "before-restore" not in restorable.on(NODE, "ls", "/var/lib/nextcloud")


@pytest.mark.soak
def test_killed_restore_ends_on_old_or_restored_data(restorable: Proof) -> None:
    before = digest(restorable)
    for step in RESTORE_STEPS:
        change_data(restorable, step)
        changed = digest(restorable)
        process = restorable.start_deploy("restore", "--yes", "--node", NODE)
        restorable.run_with_input(NODE, KILL_RESTORE, "python3", "-", RESTORES, step)
        try:
            process.wait(timeout=600)
        except subprocess.TimeoutExpired:
            process.kill()
        deadline = time.monotonic() + 60
        while "journal.json" in restorable.on(NODE, "ls", RESTORES) and time.monotonic() < deadline:
            time.sleep(1)
        result = newest_result(restorable)
        assert digest(restorable) == (before if result["ok"] else changed), step
        assert_tidy(restorable)
        assert result["ok"], f"{step}: {result['error']}"


def test_weekly_drill_counts_and_leaves_nothing(restorable: Proof) -> None:
    before = digest(restorable)
    restorable.on(NODE, "systemctl", "start", "chautari-drill")
    drill = json.loads(restorable.on(NODE, "cat", STATE))["drill"]
    assert drill["ok"] and drill["tables"] > 20 and drill["files"] > 0
    assert digest(restorable) == before
    assert "_drill_" not in restorable.on(NODE, "mariadb", "-BN", "-e", "SHOW DATABASES")
    assert "drill" not in restorable.on(NODE, "ls", "/var/lib/chautari").split()
