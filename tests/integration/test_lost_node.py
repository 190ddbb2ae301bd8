"""A region that loses its only machine and its laptop, and comes back from the space of a peer.

Only the recovery sheet is used, with the inventory repository and the key of an operator. Two
regions are deployed from scratch, so only `make soak` runs this. The tests build on each other.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dns.resolver
import pytest
from tests.integration.conftest import DEPLOY, REGIONS, ProgressReporter
from tests.integration.contents import Content, read_content

from chautari_sandbox import paths
from chautari_sandbox.demo_federation import steps
from chautari_sandbox.demo_federation.deploy_command import run_deploy_and_parse_json
from chautari_sandbox.demo_federation.nextcloud_client import SHARES, Account
from chautari_sandbox.demo_federation.regions import DemoRegion
from chautari_sandbox.privileges import as_root

pytestmark = [pytest.mark.containers, pytest.mark.soak]
FOLDER = paths.cache_dir() / "tests" / "lost-node"
INVENTORIES = FOLDER / "inventories"
QUITO = DemoRegion("quito", "luz", INVENTORIES)
# Its name is the later one, so that the lost region leads the exchange of secrets.
THIMPHU = DemoRegion("thimphu", "pema", INVENTORIES)
NODES = {"quito": "q1", "thimphu": "thi1"}
OLD_ADDRESS, NEW_ADDRESS = "198.51.100.58", "198.51.100.59"
LIMIT_SECONDS = 1800
# As long as the slowest timer that has to notice that a peer has another secret, and some more.
LONGEST_RETURN = 1200
SENT, RECEIVED = "from-quito.txt", "from-thimphu.txt"
COPY = "/srv/chautari-backups/.copies/before-the-attack"
SHARED_SECRET = r"""
cd / && chautari-psql -XtAq --dbname=nextcloud -c 'SELECT shared_secret FROM oc_trusted_servers'
"""
NEWEST_MANIFEST = r"""
borg() { chautari-backup borg thimphu "$@"; }
borg extract --stdout "::$(borg list --short --last 1)" run/chautari-backup/manifest.json
"""
# A stolen machine has the passphrase and the login key. Nothing of this may succeed for good.
ATTACK = r"""
set -u
borg() { chautari-backup borg thimphu "$@" 2>&1; }
borg create --timestamp 2031-01-01T00:00:00 "::q1-2031-01-01T00:00:00Z" /etc/hostname
borg create --timestamp 2001-01-01T00:00:00 "::q1-2001-01-01T00:00:00Z" /etc/hostname
borg prune --keep-last 1 --glob-archives 'q1-*'
borg delete :: $(borg list --short)
borg compact
yes YES | BORG_DELETE_I_KNOW_WHAT_I_AM_DOING=YES chautari-backup borg thimphu delete 2>&1
"""
ELSEWHERE = r"""
url=$(python3 -c "import json; print([t['repository'] for t in json.load(open(
    '/etc/chautari/backup/settings.json'))['targets'] if t['name'] == 'thimphu'][0])")
for other in "${url%/./*}/./other" "${url%/./*}/etc" "${url%/./*}/./q1/../thi1"; do
    chautari-backup borg thimphu list "$other" >/dev/null 2>&1 && echo "reads $other"
    chautari-backup borg thimphu init -e none "$other" >/dev/null 2>&1 && echo "makes $other"
done
login=${url#ssh://} login=${login%%:*}
ssh -F none -i /etc/chautari/backup/login_key -o IdentitiesOnly=yes -o BatchMode=yes \
    -o UserKnownHostsFile=/etc/chautari/backup/known_hosts "$login" id </dev/null 2>/dev/null |
    grep uid=
true
"""


def run(*argv: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=answer, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
    )


def deploy(*arguments: str, answer: str = "") -> str:
    """Run `deploy`, which must succeed; return what it prints."""
    done = run(DEPLOY, *arguments, answer=answer)
    assert done.returncode == 0, f"deploy {arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def on(region: DemoRegion, script: str, *words: str, check: bool = True) -> str:
    """Run a shell script on the node of a region, and return its output."""
    container = f"chautari_{region.name}_{NODES[region.name]}"
    done = run(
        *as_root(["podman", "exec", "-i", container, "sh", "-s", "--", *words]), answer=script
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def content_of(region: DemoRegion) -> Content:
    return read_content(lambda script: on(region, script))


class Trust(NamedTuple):
    """What two regions see of each other."""

    servers: list[dict[str, int]]
    pairs: list[str]
    has_same_secret: bool
    read: list[str | None]


def trust() -> Trust:
    """Return the trusted servers on both sides, the states, and the shared files as read."""
    servers = [steps.admin_of(region).trusted_servers() for region in (QUITO, THIMPHU)]
    pairs = [pair_state(QUITO, THIMPHU), pair_state(THIMPHU, QUITO)]
    people = [steps.ensure_account_of_person(region) for region in (QUITO, THIMPHU)]
    secrets = {on(region, SHARED_SECRET) for region in (QUITO, THIMPHU)}
    return Trust(
        servers,
        pairs,
        len(secrets) == 1,
        [read_received(people[0], RECEIVED), read_received(people[1], SENT)],
    )


def pair_state(one: DemoRegion, other: DemoRegion) -> str:
    found = run_deploy_and_parse_json("federation", "status", one.name, good_codes=(0, 1))
    return str(found["peers"][other.name]["pair"])


def read_received(person: Account, file: str) -> str | None:
    place = person.find_path_of_received_file(file)
    return None if place is None else person.read(place)


class World(NamedTuple):
    """What the tests learned before the machine was lost."""

    content: Content
    trust: Trust
    manifest: dict[str, Any]
    sheet: str


class Laptops:
    """The laptop of an operator: its home, and the toolkit's state there.

    The simulated internet and the machines stay where they are when it is lost.
    """

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment
        environment.setenv("XDG_CACHE_HOME", str(paths.cache_dir().parent))
        environment.setenv("CHAUTARI_INVENTORIES", str(INVENTORIES))
        self._use("first")

    def replace(self) -> None:
        """Lose the laptop; only the operator's key was also somewhere else."""
        lost = Path(os.environ["HOME"])
        self._use("second")
        shutil.copytree(lost / ".ssh", Path(os.environ["HOME"]) / ".ssh")
        shutil.rmtree(lost)

    def _use(self, name: str) -> None:
        home = FOLDER / name
        self._environment.setenv("HOME", str(home))
        self._environment.setenv("XDG_STATE_HOME", str(home / "state"))
        state = home / "state" / "chautari"
        state.mkdir(parents=True, exist_ok=True)
        sandboxes = state / "sandbox"
        if not sandboxes.is_symlink():
            # Without the link, an earlier session may have left a folder here.
            shutil.rmtree(sandboxes, ignore_errors=True)
            sandboxes.symlink_to(FOLDER / "sandboxes")


@pytest.fixture(scope="module")
def regions(progress: ProgressReporter) -> Iterator[Laptops]:
    """Deploy both regions, which trust each other; one gives the other space for backups."""
    with pytest.MonkeyPatch.context() as environment:
        laptops = Laptops(environment)
        (FOLDER / "sandboxes").mkdir(parents=True, exist_ok=True)
        remove_all()
        shutil.rmtree(FOLDER)
        (FOLDER / "sandboxes").mkdir(parents=True)
        laptops = Laptops(environment)
        key = make_operator_key()
        for region in (QUITO, THIMPHU):
            region.folder.mkdir(parents=True)
            text = (REGIONS / region.name / "region.yml").read_text()
            region.file.write_text(f"{text}operators: {{ana: {key}}}\n")
        began = time.monotonic()
        prepare_regions()
        progress.report(f"both regions are deployed after {time.monotonic() - began:.0f} s")
        yield laptops
        dns.resolver.restore_system_resolver()
        remove_all()


def remove_all() -> None:
    for region in (QUITO, THIMPHU):
        if region.file.is_file():
            run(DEPLOY, "sandbox", "down", region.name, "--purge")


def make_operator_key() -> str:
    """Make the key of an operator on the laptop, and return its public half."""
    folder = Path(os.environ["HOME"]) / ".ssh"
    folder.mkdir(mode=0o700)
    file = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


def prepare_regions() -> None:
    demo = steps.DemoRun(())
    demo.start_sandboxes((QUITO, THIMPHU))
    demo.start_sandboxes((QUITO,))  # which now knows the names of its neighbour
    steps.use_sandbox_resolver_in_this_process(QUITO)
    for region in (QUITO, THIMPHU):
        deploy("region", region.name, "--no-checks")
    steps.pin_peer_if_new(QUITO, THIMPHU)
    steps.pin_peer_if_new(THIMPHU, QUITO)
    add_lines(QUITO, "federation: {peers: [thimphu]}", "backup: {to: [thimphu]}")
    add_lines(THIMPHU, "federation: {peers: [quito]}", "backup: {give: {quito: 400 MB}}")
    # Each deploy publishes a letter, which the other side reads before its own next one.
    for region in (THIMPHU, QUITO, THIMPHU):
        run_deploy_and_parse_json("federation", "status", region.name, good_codes=(0, 1))
        deploy("region", region.name, "--no-checks")
    steps.wait_for_trust(QUITO, THIMPHU)
    steps.wait_for_trust(THIMPHU, QUITO)


def add_lines(region: DemoRegion, *lines: str) -> None:
    region.file.write_text(region.file.read_text() + "".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def world(regions: Laptops) -> World:
    """Fill the region, and store it: the backup has every row and file at its moment."""
    luz, pema = (steps.ensure_account_of_person(region) for region in (QUITO, THIMPHU))
    for number in range(40):
        luz.write(f"note-{number}.txt", f"Note {number}.\n" * (number * 50 + 1))
    luz.write(SENT, "from the Andes")
    luz.share(SENT, f"{pema.name}@{pema.host}")
    pema.write(RECEIVED, "from the Himalaya")
    pema.share(RECEIVED, f"{luz.name}@{luz.host}")
    steps.wait_for_path_of_shared_file(pema, SENT)
    steps.wait_for_path_of_shared_file(luz, RECEIVED)
    found_trust = trust()
    timers = on(QUITO, "systemctl list-units --type=timer --state=active --plain --no-legend")
    names = [line.split()[0] for line in timers.splitlines()]
    on(QUITO, 'systemctl stop "$@"', *names)
    try:
        before = content_of(QUITO)
        deploy("backup", QUITO.name)
    finally:
        on(QUITO, 'systemctl start "$@"', *names)
    manifest = json.loads(on(QUITO, NEWEST_MANIFEST))
    sheet = deploy("backup", "recovery-sheet", QUITO.name, "--output", "-")
    return World(before, found_trust, manifest, sheet)


def archived_rows(manifest: dict[str, Any]) -> dict[str, int]:
    """Return the rows of each table as `content_of` names them."""
    return {
        f"{database}/{table}": rows
        for databases in manifest["row_counts"].values()
        for database, tables in databases.items()
        for table, rows in tables.items()
    }


def test_backup_has_the_rows_of_every_table(world: World) -> None:
    assert archived_rows(world.manifest) == world.content.rows
    assert len(world.content.rows) > 20 and len(world.content.files) > 40


def test_lost_region_comes_back_with_the_commands_of_the_sheet(
    world: World, regions: Laptops, progress: ProgressReporter
) -> None:
    commands = re.findall(r"^ {7}(deploy .*)$", world.sheet.partition("\nB. ")[0], re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["region", "restore", "verify"]
    lose_everything(regions)
    rent_a_machine()
    began = time.monotonic()
    printed = ""
    for command in commands:
        if command.startswith("deploy restore"):
            # A night before the restore must not make the empty machine the newest backup.
            early = run(DEPLOY, "backup", QUITO.name)
            assert early.returncode == 1 and "not restored on this machine" in early.stdout
        printed += deploy(*shlex.split(command)[1:], answer="y\n")
        progress.report(f"{command}: done after {time.monotonic() - began:.0f} s")
    progress.summarize(f"a lost region was back after {time.monotonic() - began:.0f} s")
    figures = re.search(
        r"([\d,]+) files and ([\d,]+) rows in ([\d,]+) tables are the same", printed
    )
    assert figures, printed
    rows = archived_rows(world.manifest)
    assert [int(number.replace(",", "")) for number in figures.groups()[1:]] == [
        sum(rows.values()), len(rows),
    ]  # fmt: skip


def lose_everything(laptops: Laptops) -> None:
    """Lose the machine and the laptop; the repository and the operator's key remain."""
    git = ("git", "-c", "user.name=ana", "-c", "user.email=ana@quito.example.org", "-C")
    for words in (("init", "-q"), ("add", "-f", "."), ("commit", "-qm", "Add both regions")):
        subprocess.run([*git, str(INVENTORIES), *words], check=True)
    remote = FOLDER / "remote"
    INVENTORIES.rename(remote)
    laptops.replace()
    subprocess.run(["git", "clone", "-q", str(remote), str(INVENTORIES)], check=True)
    lost = f"chautari_{QUITO.name}_{NODES[QUITO.name]}"
    subprocess.run(as_root(["podman", "rm", "-f", "-v", lost]), check=True, capture_output=True)


def rent_a_machine() -> None:
    text = QUITO.file.read_text()
    assert OLD_ADDRESS in text
    QUITO.file.write_text(text.replace(OLD_ADDRESS, NEW_ADDRESS))
    (QUITO.folder / "known_hosts").unlink()
    # The peer's sandbox too, because its state has the folder of the lost laptop in it.
    for region in (QUITO, THIMPHU):
        deploy("sandbox", "up", region.name)


def test_restored_region_has_equal_rows_files_and_logins(world: World) -> None:
    found = content_of(QUITO).stable()
    assert found.rows == world.content.stable().rows
    assert found.files == world.content.stable().files
    luz = steps.admin_of(QUITO)._replace(
        name="luz", password=(QUITO.folder / "luz.password").read_text()
    )
    assert luz.read("note-7.txt") == "Note 7.\n" * 351
    assert luz._replace(password="wrong").request("GET", SHARES).status_code == 401


def test_federated_trust_is_equal_after_the_restore(
    world: World, progress: ProgressReporter
) -> None:
    began = time.monotonic()
    while (found := trust()) != world.trust:
        assert time.monotonic() - began < LONGEST_RETURN, found
        time.sleep(10)
    progress.summarize(f"trust was equal {time.monotonic() - began:.0f} s after the restore")
    assert world.trust.pairs == ["green", "green"] and world.trust.has_same_secret
    assert world.trust.read == ["from the Himalaya", "from the Andes"]
    # A new share still arrives, so the servers know each other's secret.
    luz, pema = (steps.ensure_account_of_person(region) for region in (QUITO, THIMPHU))
    luz.write("later.txt", "after the restore")
    luz.share("later.txt", f"{pema.name}@{pema.host}")
    assert pema.read(steps.wait_for_path_of_shared_file(pema, "later.txt")) == "after the restore"


def status_of(code: str) -> dict[str, Any]:
    printed = run(DEPLOY, "status", QUITO.name, "--json").stdout
    found: list[dict[str, Any]] = json.loads(printed)["backups"]
    [item] = [item for item in found if item["code"] == code]
    return item


def test_next_backup_and_its_drill_are_in_the_status(world: World) -> None:
    deploy("backup", QUITO.name)
    began = int(time.time())
    on(QUITO, "systemctl start chautari-drill")
    drill = status_of("drill_passed")
    assert drill["time"] >= began and drill["data"]["tables"] == len(world.content.rows)
    assert status_of("stored")["target"] == "thimphu"


def test_full_disks_are_refused_before_the_backup_begins(world: World) -> None:
    disk = "/mnt/backup"
    QUITO.file.write_text(
        QUITO.file.read_text().replace(
            "backup: {to: [thimphu]}",
            f"backup: {{to: [disk, thimphu], targets: {{disk: {{disk: {disk}}}}}}}",
        )
    )
    on(QUITO, f"mkdir -p {disk} && mount -t tmpfs -o size=20m tmpfs {disk}")
    deploy("region", QUITO.name, "--no-checks")
    assert refusals() == {"disk": "no_room", "thimphu": None}
    on(QUITO, f"umount {disk} && mount -t tmpfs -o size=2g tmpfs {disk}")
    state = "/var/lib/chautari/backup"
    on(QUITO, f"mount -t tmpfs -o size=20m tmpfs {state}")
    try:
        assert refusals() == {"disk": "no_room_for_cache", "thimphu": "no_room_for_cache"}
    finally:
        on(QUITO, f"umount {state}")
    assert refusals() == {"disk": None, "thimphu": None}


def refusals() -> dict[str, str | None]:
    """Back up, and return the code of each target; a refused one paused no service."""
    lines = on(QUITO, "chautari-backup start", check=False).splitlines()
    found = {}
    for event in map(json.loads, lines):
        if event["event"] == "target_finished":
            found[event["target"]] = event["error"] and event["error"]["code"]
            assert event["ok"] or not event["paused_seconds"]
    return found


def test_stolen_key_cannot_delete_or_change_what_the_peer_stored(world: World) -> None:
    assert on(QUITO, ELSEWHERE) == ""
    transactions = on(THIMPHU, "chautari-backup-space list quito/q1").splitlines()
    trusted = re.search(r"transaction (\d+)", transactions[-1])
    assert trusted, transactions
    names = on(QUITO, "chautari-backup borg thimphu list --short").split()
    manifest = json.loads(on(QUITO, NEWEST_MANIFEST))
    printed = on(QUITO, ATTACK, check=False)
    assert "append-only mode" in printed
    assert not set(names) & set(on(QUITO, "chautari-backup borg thimphu list --short").split())
    on(THIMPHU, f"chautari-backup-space rollback quito/q1 {trusted[1]} {COPY}")
    passphrase = on(QUITO, "cat /etc/chautari/backup/passphrase").strip()
    read = f"""
export BORG_PASSPHRASE={shlex.quote(passphrase)} BORG_BASE_DIR=/root/fresh
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes
borg list --short {COPY}
borg check --repository-only {COPY}
borg extract --stdout {COPY}::{names[-1]} run/chautari-backup/manifest.json >/root/manifest.json
"""
    assert on(THIMPHU, read).split() == names
    assert json.loads(on(THIMPHU, "cat /root/manifest.json")) == manifest
