"""Services move to a node with a newer Debian; an interrupted move continues where it stopped.

The tests build on each other: polls move first.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import DEPLOY, REGIONS, Outcome, ProgressReporter, Proof, kill_group
from tests.integration.contents import Content, read_content

from chautari_sandbox import paths

pytestmark = [pytest.mark.containers, pytest.mark.soak]
HOST = "polls.moving.example.org"
SITE = "/etc/nginx/sites-enabled/framadate.conf"
STEP = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
QUESTION = re.compile(r"\[y/N\]: $")
MINUTES = 25
# The account on the new node that stores the backups of the old one.
SERVER = """set -e
apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y borgbackup
useradd --create-home --shell /bin/sh u1
install -d -o u1 -g u1 -m 0700 /home/u1/.ssh
"""
# A poll with two dates and one vote, in the tables that the role made.
POLL = """
INSERT INTO fd_poll (id, admin_id, title, admin_name, end_date, format)
  VALUES ('minga00000000000', 'minga0000000000012345678', 'Minga de octubre', 'luz',
    NOW() + INTERVAL 90 DAY, 'A');
INSERT INTO fd_slot (poll_id, title) VALUES ('minga00000000000', 'lunes'),
  ('minga00000000000', 'martes');
INSERT INTO fd_vote (uniqId, poll_id, name, choices)
  VALUES ('0123456789abcdef', 'minga00000000000', 'Sherpa', '20');
"""
ROWS = """
for table in $(mariadb -BN -e "SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'framadate' ORDER BY 1"); do
  mariadb -BN -e "SELECT '$table', count(*) FROM framadate.$table; CHECKSUM TABLE framadate.$table"
done
"""


ACCOUNTS = """
cd /var/lib/prosody && find . -type f -path '*accounts*' -print0 | sort -z | xargs -0 sha256sum
"""


class Moving(Proof):
    """The region `moving`."""

    container_prefix = "chautari_moving_"

    def move(self, service: str) -> MoveCommand:
        # A shell that started the tests in the background made them ignore Ctrl-C.
        program = ["env", "--default-signal=INT", DEPLOY]
        return MoveCommand([*program, "move", str(self.file), service, "--to", "new", "--run"])


class MoveCommand:
    """`deploy move --run` in a terminal, as a person uses it."""

    def __init__(self, argv: list[str]) -> None:
        self.terminal, inner = pty.openpty()
        self.process = subprocess.Popen(
            argv, stdin=inner, stdout=inner, stderr=inner, start_new_session=True, close_fds=True
        )
        os.close(inner)
        self.text = ""

    @property
    def step(self) -> str:
        """Return the title of the step that was printed last."""
        found = STEP.findall(self.text)
        return found[-1][1] if found else ""

    def read_until_question(self) -> bool:
        """Return whether the command asks; False once it has ended."""
        end = time.monotonic() + MINUTES * 60
        while time.monotonic() < end:
            if not select.select([self.terminal], [], [], 1)[0]:
                continue
            try:
                self.text += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                return False
            self.text = self.text.replace("\r\n", "\n")
            if QUESTION.search(self.text):
                return True
        raise AssertionError(f"no question in time: {self.text[-2000:]}")

    def answer(self, text: str) -> None:
        self.text = ""
        os.write(self.terminal, text.encode())

    def run_while(self, prepare: Callable[[str], str]) -> int:
        """Answer each question with what `prepare` returns for its step; return the exit code."""
        while self.read_until_question():
            self.answer(prepare(self.step))
        return self.process.wait(60)


@pytest.fixture(scope="module")
def moving() -> Iterator[Moving]:
    """Return the region, with its services on the old node and a backup server on the new one."""
    folder = paths.cache_dir() / "tests" / "moving"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    region = Moving(folder)
    text = (REGIONS / "moving" / "region.yml").read_text()
    region.write(text)
    try:
        assert region.deploy("sandbox up").code == 0
        region.run_with_input("new", SERVER, "sh", "-s")
        key = " ".join(region.on("new", "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        server = f'box: {{ssh: u1@203.0.113.107, host_key: "{key}"}}'
        region.write(f"{text}backup:\n  to: [box]\n  targets:\n    {server}\n")
        succeed(region.deploy("region", "--no-checks", "--node", "old"))
        authorize(region, "old")
        succeed(region.deploy("backup now", "--node", "old"))
        yield region
    finally:
        region.deploy("sandbox down", "--purge")


def succeed(outcome: Outcome) -> None:
    assert outcome.code == 0, (outcome.stdout[-3000:], outcome.stderr[-2000:])


def authorize(region: Moving, node: str) -> None:
    """Let a node store its backups, as the operator of the server does."""
    lines = region.deploy("backup keys", "--node", node).stdout
    keys = "\n".join(line for line in lines.splitlines() if line.startswith("command="))
    script = "cat >> /home/u1/.ssh/authorized_keys; chown u1: /home/u1/.ssh/authorized_keys"
    region.run_with_input("new", f"{keys}\n", "sh", "-c", script)


def rows(region: Moving, node: str) -> str:
    return region.run_with_input(node, ROWS, "sh", "-s")


def page_of(region: Moving, node: str) -> str:
    """Return the status of the poll's page, and whether it has its title; 000 without a site."""
    argv = ("python3", "-c", ASK, HOST)
    return region.on(node, *argv).strip()


ASK = """
import http.client, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
class Connection(http.client.HTTPSConnection):
    def connect(self):
        http.client.HTTPConnection.connect(self)
        self.sock = context.wrap_socket(self.sock, server_hostname=sys.argv[1])
try:
    connection = Connection("127.0.0.1", 443, timeout=30)
    connection.request("GET", "/minga00000000000", headers={"Host": sys.argv[1]})
    answer = connection.getresponse()
    print(answer.status, b"Minga de octubre" in answer.read())
except OSError:
    print("000")
"""


def test_service_moves_to_a_newer_debian_and_an_interrupted_move_continues(
    moving: Moving, progress: ProgressReporter
) -> None:
    moving.run_with_input("old", POLL, "mariadb", "framadate")
    before, began = rows(moving, "old"), time.monotonic()
    assert "fd_poll\t1" in before

    # A person stops at a question, and later the computer loses power during a restore.
    first = moving.move("polls")
    while first.read_until_question() and not first.step.startswith("Close"):
        first.answer("y\n")
    os.killpg(first.process.pid, signal.SIGINT)  # as Ctrl-C in the person's terminal
    assert not first.read_until_question() and first.process.wait(60) == 130

    second = moving.move("polls")
    while second.read_until_question() and not second.step.startswith("Restore"):
        second.answer(answer_step(moving, second))
    closed = (page_of(moving, "old"), site_is_enabled(moving), unit_state(moving))
    assert closed == ("000", False, "disabled")
    second.answer("y\n")
    time.sleep(3)
    kill_group(second.process)

    third = moving.move("polls")
    assert third.run_while(lambda _: answer_step(moving, third)) == 0
    progress.summarize(f"moved polls to Debian 13 in {time.monotonic() - began:.0f} s")

    assert rows(moving, "new") == before
    assert page_of(moving, "new") == "200 True"
    # What is left on the old node neither serves nor runs, and is complete.
    assert page_of(moving, "old") == "000"
    # Its database server is stopped, because no service there needs it.
    moving.on("old", "systemctl", "start", "mariadb")
    assert rows(moving, "old") == before
    moving.on("old", "systemctl", "stop", "mariadb")
    assert "framadate" not in moving.on("old", "systemctl", "list-timers", "--all", "--no-legend")
    again = moving.deploy("region", "--full", "--json")
    assert again.code == 0, again.problems
    assert {node["name"]: node["changed"] for node in again.report["nodes"]} == {"old": 0, "new": 0}
    succeed(moving.deploy("verify"))


@pytest.mark.parametrize("service", ["nextcloud", "jitsi"])
def test_service_with_accounts_moves_to_a_newer_debian(
    moving: Moving, service: str, progress: ProgressReporter
) -> None:
    read, servers = CONTENTS[service]
    command, began = moving.move(service), time.monotonic()
    assert command.run_while(lambda _: answer_step(moving, command)) == 0
    progress.summarize(f"moved {service} to Debian 13 in {time.monotonic() - began:.0f} s")

    # What is left on the old node is complete; no service there needs its database server now.
    for server in servers:
        moving.on("old", "systemctl", "start", server)
    before = read(moving, "old")
    for server in servers:
        moving.on("old", "systemctl", "stop", server)
    assert before and read(moving, "new") == before
    # The checks log in with an account of the service.
    succeed(moving.deploy("verify"))


def cloud_content(region: Moving, node: str) -> Content:
    """Return what accounts of Nextcloud have there."""
    found = read_content(lambda script: region.run_with_input(node, script, "sh", "-s")).stable()
    rows = {table: count for table, count in found.rows.items() if table.startswith("nextcloud/")}
    assert rows and found.files
    return Content(rows, found.files)


def meeting_accounts(region: Moving, node: str) -> str:
    """Return the hash of each file that Prosody stores about accounts."""
    return region.run_with_input(node, ACCOUNTS, "sh", "-s")


CONTENTS = {
    "nextcloud": (cloud_content, ["postgresql@15-main"]),
    "jitsi": (meeting_accounts, []),
}


def answer_step(region: Moving, command: MoveCommand) -> str:
    """Do what a step asks of a person, and return the answer to its question."""
    step = command.step
    if step.startswith("Move the service"):
        follow_region_file_step(region, command.text)
    elif step.startswith("Point the DNS names"):
        succeed(region.deploy("sandbox up"))  # its name server follows region.yml
    elif step.startswith("Back up the new node"):
        authorize(region, "new")
    return "y\n"


def follow_region_file_step(region: Moving, step: str) -> None:
    """Change the lines of region.yml that a step names, unless they are already changed."""
    text = region.file.read_text()
    for node, services in re.findall(r"(old|new): \{…, services: (\[.*?\])\}", step):
        line = re.compile(rf"^(  {node}: .*?os: debian-\d+).*", re.MULTILINE)
        text = line.sub(rf"\1, services: {services}}}", text)
    for service, version in re.findall(r'(\w+): \{…, version: "([\d.]+)"\}', step):
        if "version:" not in text:
            text = text.replace(f"  {service}: {{", f'  {service}: {{version: "{version}", ')
    region.write(text)


def site_is_enabled(region: Moving) -> bool:
    return Path(SITE).name in region.on("old", "ls", str(Path(SITE).parent))


def unit_state(region: Moving) -> str:
    return region.on("old", "systemctl", "is-enabled", "framadate-purge.timer", check=False).strip()
