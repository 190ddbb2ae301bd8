"""BigBlueButton on a real node: nobody is thrown out, and a machine it would fail on is refused."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest
from tests.integration.conftest import Outcome, Proof

from chautari_sandbox import paths

pytestmark = [pytest.mark.containers, pytest.mark.one_node]
NODE = "hall"
# Opens a meeting with one person in it, or ends it, through the API as any program does.
API = """
import hashlib, re, socket, subprocess, sys, urllib.parse, urllib.request

said = subprocess.run(["bbb-conf", "--secret"], capture_output=True, text=True).stdout
secret = next(line.split()[-1] for line in said.splitlines() if line.strip().startswith("Secret:"))

def call(verb, **query):
    text = urllib.parse.urlencode(query)
    sum = hashlib.sha256((verb + text + secret).encode()).hexdigest()
    url = f"http://127.0.0.1:8090/bigbluebutton/api/{verb}?{text}&checksum={sum}"
    with urllib.request.urlopen(url) as answer:
        found = answer.read().decode()
    assert "SUCCESS" in found, found
    return found

if sys.argv[1] == "begin":
    call("create", meetingID="assembly", name="Assembly")
    said = call("join", meetingID="assembly", fullName="Luz", role="MODERATOR", redirect="false")
    token = re.search("<session_token>(.*?)<", said)[1]
    # Whoever opens the client is in the meeting; the proxy in front says where from.
    link = socket.create_connection(("127.0.0.1", 81))
    link.sendall(f"PROXY TCP4 127.0.0.1 127.0.0.1 1 81\\r\\nGET /html5client/?sessionToken={token} "
                 "HTTP/1.0\\r\\nHost: halls.proof.example.org\\r\\n\\r\\n".encode())
    assert b" 200 " in link.recv(100)
else:
    call("end", meetingID="assembly")
"""
LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 443)); time.sleep(600)"


@pytest.fixture(scope="module", autouse=True)
def standing(deployed: Proof) -> Iterator[None]:
    """The node stands as the region wants it before and after these tests."""
    outcome = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.troubles
    yield
    assert deployed.deploy("region", "--no-checks", "--node", NODE).code == 0


@pytest.fixture(autouse=True)
def restored(proof: Proof) -> Iterator[None]:
    """Give the region's file back as it was."""
    kept = proof.file.read_text()
    yield
    proof.write(kept)


@contextlib.contextmanager
def meeting(proof: Proof) -> Iterator[None]:
    """Have somebody meet on the node."""
    proof.on(NODE, "python3", "-c", API, "begin")
    try:
        yield
    finally:
        # A restart of the server ends it as well.
        proof.on(NODE, "python3", "-c", API, "end", check=False)


def again_from_the_start(proof: Proof) -> Outcome:
    """Deploy to the node as if nothing were known of it: the whole preflight looks at it."""
    proof.on(NODE, "sh", "-c", "rm -f /var/lib/chautari/receipts/*.json")
    return proof.deploy("region", "--json", "--no-checks", "--node", NODE)


def refusals(outcome: Outcome) -> str:
    assert outcome.code == 1, outcome.troubles
    assert outcome.node(NODE)["state"] == "refused", outcome.troubles
    return "\n".join(
        f"{item['reason']} -> {item['fix']}" for item in outcome.node(NODE)["refusals"]
    )


def test_deploy_into_a_meeting_is_refused_and_changes_nothing(proof: Proof) -> None:
    proof.edit("guests: ask", "guests: accept")
    before = proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties")
    with meeting(proof):
        outcome = proof.deploy("region", "--json", "--no-checks", "--node", NODE)
    assert outcome.code == 1
    failure = outcome.node(NODE)["failure"]
    assert failure["role"] == "bigbluebutton"
    for told in ("1 meeting", "1 person", "ops@proof.example.org", "--interrupt-meetings"):
        assert told in failure["message"], failure
    assert proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties") == before


def test_deploy_that_changes_nothing_asks_nobody(proof: Proof) -> None:
    with meeting(proof):
        outcome = proof.deploy("region", "--json", "--no-checks", "--node", NODE)
    assert outcome.code == 0, outcome.troubles


def test_deploy_goes_on_when_that_is_said(proof: Proof) -> None:
    proof.edit("guests: ask", "guests: accept")
    with meeting(proof):
        outcome = proof.deploy(
            "region", "--json", "--no-checks", "--node", NODE, "--interrupt-meetings"
        )
    assert outcome.code == 0, outcome.troubles
    assert "ALWAYS_ACCEPT" in proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties")


def test_other_program_on_port_443_is_refused(proof: Proof) -> None:
    proof.on(NODE, "systemctl", "stop", "haproxy")
    proof.on(NODE, "systemd-run", "--quiet", "--unit=intruder", "python3", "-c", LISTEN)
    proof.on(NODE, "sh", "-c", "until ss -Hltn sport = :443 | grep -q .; do sleep 0.2; done")
    try:
        told = refusals(again_from_the_start(proof))
    finally:
        proof.on(NODE, "systemctl", "stop", "intruder")
        proof.on(NODE, "systemctl", "start", "haproxy")
    assert "Port 443 is already used by" in told and "python3" in told
    assert "Stop and disable that program" in told


def test_too_little_memory_is_refused(proof: Proof) -> None:
    proof.edit("memory_mb: 500", "memory_mb: 1000000")
    told = refusals(again_from_the_start(proof))
    assert "BigBlueButton needs at least 1000000 MB" in told
    assert "Choose a machine with 16 GB" in told


def test_name_that_points_elsewhere_is_refused(proof: Proof) -> None:
    with wrong_record():
        told = refusals(again_from_the_start(proof))
    assert "The A record of halls.proof.example.org points to 198.51.100.250" in told
    assert "then deploy again: halls.proof.example.org A 198.51.100.208" in told


@contextlib.contextmanager
def wrong_record() -> Iterator[None]:
    """Let the sandbox's name server lead the server's name elsewhere."""
    hosts = paths.state_dir("proof") / "dns" / "hosts"
    kept = hosts.read_text()
    argv = ["podman", "exec", "chautari_proof_internet", "systemctl", "kill", "--signal=HUP",
            "chautari-dns.service"]  # fmt: skip
    name = "halls.proof.example.org"
    hosts.write_text(kept.replace(f" {name}", f"\n198.51.100.250 {name}"))
    assert hosts.read_text() != kept
    try:
        subprocess.run(argv, check=True)
        yield
    finally:
        hosts.write_text(kept)
        subprocess.run(argv, check=True)
