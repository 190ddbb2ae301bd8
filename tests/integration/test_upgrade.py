"""What people get from Nextcloud while a deploy changes its version, over two major versions.

Nextcloud refuses an older version, so the machines are removed afterwards. That takes many minutes,
so only `make soak` runs it, and this file has to be its last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.integration.conftest import ProgressReporter, Proof, reset_region
from tests.integration.test_availability import ACCOUNT, HOST, NODE, password_of

pytestmark = [pytest.mark.containers, pytest.mark.soak]
VERSION, ON_THE_WAY = "37.0.2", "36.0.5"
LOCK = "nextcloud:\n" + "".join(
    f"  {version}: {{url: 'https://download.example.org/nextcloud-{version}.tar.bz2', "
    f"sha256: {'0' * 64}}}\n"
    for version in (ON_THE_WAY, VERSION)
)
FILE = f"/remote.php/dav/files/{ACCOUNT}/upgrade.txt"
CONTENT = "before the upgrade"
PATHS = ("/status.php", "/", FILE)
# Writes a file, then requests each path until the standard input ends: one line of JSON per answer.
# The first line of the standard input is the password.
ASK = """
import base64, http.client, json, select, ssl, sys
host, account, content, *paths = sys.argv[1:]
login = f"{account}:{sys.stdin.readline().strip()}"
headers = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}
def ask(method, path, body=None):
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, timeout=120, context=context)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    line = [path, answer.status, answer.getheader("Retry-After"), page]
    print(json.dumps(line), flush=True)
ask("PUT", paths[-1], content)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    for path in paths:
        ask("GET", path)
"""


@dataclass(frozen=True)
class Answer:
    """What one request got, and when."""

    path: str
    status: int
    retry_after: str | None
    page: str


@pytest.fixture
def newer(deployed: Proof) -> Iterator[Proof]:
    """Ask for a newer version; remove the machines afterwards."""
    (deployed.folder / "artifacts.lock").write_text(LOCK)
    deployed.edit("{host: cloud-files,", f"{{host: cloud-files, version: '{VERSION}',")
    yield deployed
    reset_region(deployed)


def test_people_read_the_page_during_an_upgrade_and_keep_their_files(
    newer: Proof, progress: ProgressReporter
) -> None:
    asking = subprocess.Popen(
        [
            "podman",
            "exec",
            "-i",
            f"{newer.container_prefix}{NODE}",
            "python3",
            "-c",
            ASK,
            HOST,
            ACCOUNT,
            CONTENT,
            *PATHS,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    assert asking.stdin
    print(password_of(newer), file=asking.stdin, flush=True)
    began = time.monotonic()
    try:
        outcome = newer.deploy("region", "--json", "--node", NODE)
    finally:
        lines = asking.communicate(timeout=180)[0].splitlines()
    assert outcome.code == 0, outcome.problems
    result = json.loads(newer.on(NODE, "cat", "/var/lib/nextcloud/upgrade/last.json"))
    assert [step["version"] for step in result["steps"]] == [ON_THE_WAY, VERSION]
    assert result["outcome"] == "done" and result["down_seconds"] < 60
    answers = [Answer(*json.loads(line)) for line in lines]
    counted = Counter((answer.path, answer.status) for answer in answers[1:])
    progress.summarize(f"upgrade in {time.monotonic() - began:.0f} s, answers: {dict(counted)}")
    assert answers[0].status in (201, 204)
    assert {path for path, status in counted if status == 503} == set(PATHS)
    # The root redirects to the login page.
    assert set(counted) - {(path, 503) for path in PATHS} == {
        ("/status.php", 200), ("/", 302), (FILE, 200),
    }  # fmt: skip
    for answer in answers:
        if answer.status == 503:
            assert (answer.retry_after, "Volvemos en unos minutos" in answer.page) == ("60", True)
        elif answer.path == FILE and answer is not answers[0]:  # the first one is the upload
            assert answer.page == CONTENT
    versions = [
        json.loads(answer.page)["versionstring"]
        for answer in answers
        if answer.path == "/status.php" and answer.status == 200
    ]
    assert versions == sorted(versions) and versions[0] < versions[-1] == VERSION
    full = newer.deploy("region", "--no-checks", "--json", "--full", "--node", NODE)
    assert full.code == 0, full.problems
    assert full.node(NODE)["changed"] == 0, full.node(NODE)["roles"]
