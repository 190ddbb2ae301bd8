"""A broken release of Nextcloud: an upgrade to it is undone, and one in use is replaced."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import Proof
from tests.integration.harm import restart

from chautari_sandbox.doubles.release_archive import build_nextcloud

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
ROOT = "/opt/nextcloud"
# An empty release with a record that it worked, or one without its command.
BREAK = """
cp -a {good} {root}/releases/0-broken && {damage} &&
ln -sfn {root}/releases/0-broken {root}/current && touch {root}/proofs/0-broken
"""
NEWER = "35.0.9"
LOCK = (
    f"nextcloud:\n  {NEWER}: {{url: 'https://download.example.org/nextcloud-{NEWER}.tar.bz2', "
    f"sha256: {'0' * 64}}}\n"
)
PROGRAM = "/usr/local/libexec/chautari/nextcloud-upgrade"
# A newer release whose migration changes data and then fails, or waits until it is killed.
NEWER_RELEASE = """
import pathlib, shutil, sys
good, release, version, end = sys.argv[1:]
shutil.rmtree(release, ignore_errors=True)
shutil.copytree(good, release, symlinks=True)
numbers = version.replace(".", ",")
file = pathlib.Path(release, "version.php")
lines = file.read_text().splitlines()
for number, line in enumerate(lines):
    if line.startswith("$OC_Version ="):
        lines[number] = f"$OC_Version = array({numbers},1);"
    if line.startswith("$OC_VersionString"):
        lines[number] = f"$OC_VersionString = '{version}';"
file.write_text("\\n".join(lines) + "\\n")
file = pathlib.Path(release, "lib/double/Updater.php")
text = file.read_text()
place = "$say('Updated database');"
assert place in text
file.write_text(text.replace(place, f"$config->set('version', '9.9.9.9'); {end};"))
"""
FAILS = "throw new \\Exception('no such column')"
WAITS = "sleep(300)"
# Everything that an undo brings back.
STATE = """
chautari-psql -XtAqd nextcloud -c "SELECT count(*) FROM oc_filecache" -c "TABLE oc_group_user"
chautari-psql -XtAqc "SELECT datname FROM pg_database ORDER BY datname"
cd /var/lib/nextcloud; sha256sum config/*
find data -type f -not -name '*.log' | sort | xargs -d '\\n' sha256sum
readlink /opt/nextcloud/current; find . -maxdepth 1 -name .switching
ls -A upgrade/before 2>/dev/null || true
"""


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("rm {root}/releases/0-broken/occ", marks=pytest.mark.soak),
        "find {root}/releases/0-broken -mindepth 1 -delete",
    ],
)
def test_broken_release_does_not_keep_its_successor_away(proof: Proof, damage: str) -> None:
    good = proof.on(NODE, "readlink", f"{ROOT}/current").strip()
    proof.on(NODE, "sh", "-c", BREAK.format(good=good, root=ROOT, damage=damage.format(root=ROOT)))
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    assert proof.on(NODE, "readlink", f"{ROOT}/current").strip() == good
    assert "0-broken" not in proof.on(NODE, "ls", f"{ROOT}/proofs").split()
    status = json.loads(proof.on(NODE, "occ", "status", "--output=json").splitlines()[-1])
    assert status["installed"]
    assert not status["maintenance"] and not status["needsDbUpgrade"]


def make_release(proof: Proof, end: str, sha256: str = "0" * 64) -> str:
    """Make a newer release on the node, whose migration ends with `end`; return its name."""
    name = f"{NEWER}-{sha256[:8]}"
    good = proof.on(NODE, "readlink", f"{ROOT}/current").strip()
    argv = ("python3", "-c", NEWER_RELEASE, good, f"{ROOT}/releases/{name}", NEWER, end)
    proof.on(NODE, *argv)
    return name


@pytest.fixture
def quiet_node(proof: Proof) -> Iterator[Proof]:
    """Stop background jobs, which change data at any time; delete the newer release afterwards."""
    proof.on(NODE, "systemctl", "stop", "nextcloud-cron.timer", "nextcloud-cron.service")
    yield proof
    proof.on(NODE, "sh", "-c", f"rm -rf {ROOT}/releases/{NEWER}-*")
    proof.on(NODE, "systemctl", "start", "nextcloud-cron.timer")


def start_upgrade(proof: Proof, sha256: str = "0" * 64) -> dict[str, str]:
    """Change the release on the node as the role does; return the answer of the program."""
    status = json.loads(proof.on(NODE, "occ", "status", "--output=json").splitlines()[-1])
    php = proof.on(NODE, "php", "-r", "echo PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;")
    request = {
        "installed": status["versionstring"], "php": php,
        "apps": [], "ladder": [{"version": NEWER, "url": "", "sha256": sha256}],
    }  # fmt: skip
    command = f"{PROGRAM} run || true"
    answer = proof.run_with_input(NODE, json.dumps(request), "sh", "-c", command)
    found: dict[str, str] = json.loads(answer.splitlines()[-1])
    return found


def test_upgrade_whose_migration_fails_ends_on_the_old_release(quiet_node: Proof) -> None:
    before = quiet_node.on(NODE, "sh", "-c", STATE)
    make_release(quiet_node, FAILS)
    answer = start_upgrade(quiet_node)
    assert answer["outcome"] == "undone", answer
    assert "no such column" in answer["text"]
    assert "serves again with all data" in answer["text"]
    assert quiet_node.on(NODE, "sh", "-c", STATE) == before


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.8, 1.2, 1.6, 2, 2.5, 3, 4, 5])
@pytest.mark.parametrize("harm", ["kill", "reboot"])
def test_upgrade_that_is_interrupted_ends_on_the_old_release(
    quiet_node: Proof, seconds: float, harm: str
) -> None:
    before = quiet_node.on(NODE, "sh", "-c", STATE)
    make_release(quiet_node, WAITS)
    working = threading.Thread(target=start_upgrade_to_interrupt, args=(quiet_node,), daemon=True)
    working.start()
    wait_until(quiet_node, "test -e /var/lib/nextcloud/upgrade/journal.json")
    time.sleep(seconds)
    if harm == "kill":
        kill = ("systemctl", "kill", "-s", "KILL", "nextcloud-upgrade.service")
        quiet_node.on(NODE, *kill, check=False)
        working.join(120)
    else:
        restart(quiet_node, NODE, power_cut=True)
    wait_until_ended(quiet_node)
    assert quiet_node.on(NODE, "sh", "-c", STATE) == before


def start_upgrade_to_interrupt(proof: Proof) -> None:
    """Change the release on the node; a power cut also ends the command."""
    with contextlib.suppress(AssertionError, ValueError, IndexError):
        start_upgrade(proof)


def wait_until(proof: Proof, condition: str) -> None:
    """Wait until a command succeeds on the node."""
    for _ in range(240):
        if "yes" in proof.on(NODE, "sh", "-c", f"{condition} && echo yes", check=False).split():
            return
        time.sleep(0.5)
    raise AssertionError(condition)


def wait_until_ended(proof: Proof) -> None:
    """Wait until no change of release is running or unfinished, and stop background jobs."""
    units = "nextcloud-upgrade nextcloud-upgrade-recover"
    ended = f"test ! -e /var/lib/nextcloud/upgrade/journal.json && ! systemctl is-active {units}"
    wait_until(proof, f"occ status && {ended}")
    proof.on(NODE, "systemctl", "stop", "nextcloud-cron.timer", "nextcloud-cron.service")


@pytest.fixture
def pinned(proof: Proof) -> Iterator[Proof]:
    """Pin the newer release; afterwards, the region is as before and deployed."""
    lock, original = proof.folder / "artifacts.lock", proof.file.read_text()
    lock.write_text(LOCK)
    proof.edit("{host: cloud-files,", f"{{host: cloud-files, version: '{NEWER}',")
    yield proof
    lock.unlink()
    proof.write(original)
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    proof.on(NODE, "sh", "-c", f"rm -r {ROOT}/releases/{NEWER}-*")


@pytest.mark.soak
def test_deploy_of_a_broken_release_says_that_the_old_one_serves(
    pinned: Proof, tmp_path: Path
) -> None:
    sha256 = hashlib.sha256(build_nextcloud(NEWER, tmp_path).read_bytes()).hexdigest()
    make_release(pinned, FAILS, sha256)
    good = pinned.on(NODE, "readlink", f"{ROOT}/current").strip()
    outcome = pinned.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 1
    assert "serves again with all data" in outcome.node(NODE)["failure"]["message"]
    assert pinned.on(NODE, "readlink", f"{ROOT}/current").strip() == good
    status = json.loads(pinned.on(NODE, "occ", "status", "--output=json").splitlines()[-1])
    assert not status["maintenance"] and not status["needsDbUpgrade"]
