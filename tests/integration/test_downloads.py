"""Downloads of a node: they survive a link that breaks, and come ahead of time on request."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.integration.conftest import Proof

from chautari_sandbox.privileges import as_root

NODE = "cloud"
pytestmark = pytest.mark.containers
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "roles" / "release_archive" / "files" / "download-archive"
PROXY = Path(__file__).with_name("cutting_proxy.py")
CUT = 16_000
HEADERS = 500  # bytes of an answer's headers, at most
FOLDER = "/root/download-test"


class Served(NamedTuple):
    """An archive of the sandbox's mirror."""

    url: str
    sha256: str
    size: int


@pytest.fixture
def served(deployed: Proof) -> Iterator[Served]:
    """Yield the archive of Nextcloud's double."""
    command = "cd /srv/mirror; set -- nextcloud-*.bz2; stat -c %s $1; sha256sum $1"
    size, sha256, name = deployed.on("internet", "sh", "-c", command).split()
    yield Served(f"http://mirror.proof.example.org/{name}", sha256, int(size))
    deployed.on(NODE, "rm", "-rf", FOLDER)


@pytest.fixture
def link(deployed: Proof) -> Iterator[subprocess.Popen[str]]:
    """Yield the proxy on the node; its first line is its port."""
    command = ["python3", "-c", PROXY.read_text(), "mirror.proof.example.org", str(CUT)]
    container = f"{deployed.container_prefix}{NODE}"
    argv = as_root(["podman", "exec", "-i", container, *command])
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()  # closed already after a test that reads the whole output
        process.wait(30)


def download(proof: Proof, url: str, sha256: str) -> str:
    """Download as the role does; return the error, empty if there was none."""
    command = ["python3", "-", "The test", url, sha256, f"{FOLDER}/{sha256}/archive.tar.bz2"]
    script = 'errors=$("$@" 2>&1) || true; echo "$errors"'
    return proof.run_with_input(NODE, SCRIPT.read_text(), "sh", "-c", script, "sh", *command)


def test_cut_download_resumes_and_sends_each_byte_once(
    deployed: Proof, served: Served, link: subprocess.Popen[str]
) -> None:
    assert link.stdout and link.stdin
    port = link.stdout.readline().strip()
    url = f"http://127.0.0.1:{port}/{served.url.rpartition('/')[2]}"
    assert download(deployed, url, served.sha256) == "\n"
    archive = f"{FOLDER}/{served.sha256}/archive.tar.bz2"
    assert deployed.on(NODE, "sha256sum", archive).split()[0] == served.sha256
    link.stdin.close()
    sent = [int(line) for line in link.stdout]
    assert len(sent) > served.size // CUT >= 3
    assert served.size < sum(sent) < served.size + len(sent) * HEADERS


def test_wrong_archive_is_deleted_and_a_missing_one_fails_at_once(
    deployed: Proof, served: Served
) -> None:
    wrong = "0" * 64
    error = download(deployed, served.url, wrong)
    assert f"the archive has the SHA-256 {served.sha256}, not the pinned {wrong}. Fix: " in error
    assert deployed.on(NODE, "ls", "-A", f"{FOLDER}/{wrong}") == ""
    error = download(deployed, f"{served.url}.gone", wrong)
    assert "the server answered 404 Not Found. Fix: check the address" in error


@pytest.mark.soak
def test_download_only_changes_no_service(deployed: Proof) -> None:
    options = ("--node", NODE, "--json")
    assert deployed.deploy("region", "--no-checks", *options).code == 0
    outcome = deployed.deploy("region", "--download-only", "--full", *options)
    assert outcome.code == 0, outcome.problems
    node = outcome.node(NODE)
    assert (node["state"], node["changed"]) == ("downloaded", 0)
    # Nothing that a role left has changed, so no role runs.
    again = deployed.deploy("region", "--no-checks", *options)
    assert again.code == 0, again.problems
    roles = again.node(NODE)["roles"]
    assert roles and all(role["up_to_date"] for role in roles)
