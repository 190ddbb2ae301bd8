"""BigBlueButton on a real node: meetings are not interrupted, unsuitable machines are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from tests.integration import harm
from tests.integration.conftest import Proof

pytestmark = pytest.mark.containers
NODE = "hall"
# Opens a meeting with one person in it, or ends it, through the API as any program does.
API = """
import hashlib, re, socket, subprocess, sys, urllib.parse, urllib.request

lines = subprocess.run(["bbb-conf", "--secret"], capture_output=True, text=True).stdout.splitlines()
secret = next(line.split()[-1] for line in lines if line.strip().startswith("Secret:"))

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
    answer = call("join", meetingID="assembly", fullName="Luz", role="MODERATOR", redirect="false")
    token = re.search("<session_token>(.*?)<", answer)[1]
    # Opening the client joins the meeting; the header of the proxy names the client.
    link = socket.create_connection(("127.0.0.1", 81))
    link.sendall(f"PROXY TCP4 127.0.0.1 127.0.0.1 1 81\\r\\nGET /html5client/?sessionToken={token} "
                 "HTTP/1.0\\r\\nHost: halls.proof.example.org\\r\\n\\r\\n".encode())
    assert b" 200 " in link.recv(100)
else:
    call("end", meetingID="assembly")
"""
LISTEN = "import socket, time; s = socket.create_server(('0.0.0.0', 443)); time.sleep(600)"


@pytest.fixture(scope="module", autouse=True)
def deployed_node(deployed: Proof) -> Iterator[None]:
    """Deploy the node before and after these tests."""
    outcome = deployed.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    yield
    assert deployed.deploy("region", "--no-checks", "--node", NODE).code == 0


@pytest.fixture(autouse=True)
def restored(proof: Proof) -> Iterator[None]:
    """Restore region.yml after each test."""
    original = proof.file.read_text()
    yield
    proof.write(original)


@contextlib.contextmanager
def meeting(proof: Proof) -> Iterator[None]:
    """Hold a meeting with one person on the node."""
    proof.on(NODE, "python3", "-c", API, "begin")
    try:
        yield
    finally:
        # The deploy may have restarted the server, which ends the meeting.
        proof.on(NODE, "python3", "-c", API, "end", check=False)


def test_deploy_during_a_meeting_is_refused_and_changes_nothing(proof: Proof) -> None:
    proof.edit("guests: ask", "guests: accept")
    before = proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties")
    with meeting(proof):
        outcome = proof.deploy("region", "--json", "--no-checks", "--node", NODE)
    assert outcome.code == 1
    failure = outcome.node(NODE)["failure"]
    assert failure["role"] == "bigbluebutton"
    for text in ("meetings: 1", "people: 1", "ops@proof.example.org", "--interrupt-meetings"):
        assert text in failure["message"], failure
    assert proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties") == before


def test_deploy_without_changes_ignores_meetings(proof: Proof) -> None:
    with meeting(proof):
        outcome = proof.deploy("region", "--json", "--no-checks", "--node", NODE)
    assert outcome.code == 0, outcome.problems


def test_interrupt_meetings_deploys_during_a_meeting(proof: Proof) -> None:
    proof.edit("guests: ask", "guests: accept")
    with meeting(proof):
        outcome = proof.deploy(
            "region", "--json", "--no-checks", "--node", NODE, "--interrupt-meetings"
        )
    assert outcome.code == 0, outcome.problems
    assert "ALWAYS_ACCEPT" in proof.on(NODE, "cat", "/etc/bigbluebutton/bbb-web.properties")


def test_other_program_on_port_443_is_refused(proof: Proof) -> None:
    proof.on(NODE, "systemctl", "stop", "haproxy")
    proof.on(NODE, "systemd-run", "--quiet", "--unit=intruder", "python3", "-c", LISTEN)
    proof.on(NODE, "sh", "-c", "until ss -Hltn sport = :443 | grep -q .; do sleep 0.2; done")
    try:
        text = harm.refusals(harm.deploy_without_receipts(proof, NODE), NODE)
    finally:
        proof.on(NODE, "systemctl", "stop", "intruder")
        proof.on(NODE, "systemctl", "start", "haproxy")
    assert "Port 443 is already used by" in text and "python3" in text
    # Only a program that is known by its name is stopped by a command.
    assert "stop and disable that program" in text and f"{NODE} -- " in text and "ss -ltnp" in text


def test_too_little_memory_is_refused(proof: Proof) -> None:
    proof.edit("memory_mb: 500", "memory_mb: 1000000")
    text = harm.refusals(harm.deploy_without_receipts(proof, NODE), NODE)
    assert "BigBlueButton needs at least 1000000 MB" in text
    assert "Choose a machine with 16 GB" in text
