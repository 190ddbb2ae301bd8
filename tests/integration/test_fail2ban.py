"""Who guesses keys is blocked; who deploys is not."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import Proof

pytestmark = pytest.mark.containers
# An address of the sandbox that belongs to no node of the region.
STRANGER = "198.51.100.250"
# No test restarts `cloud`, so it may be used beside the tests of its own worker.
FROM, TARGET = "cloud", "meet"
ATTEMPTS = 20
SECONDS = 30
# Options in front of the settings of the machine, so that only the wrong key is tried.
LOGIN = (
    "ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
    "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=5",
    "-i", "/root/stranger",
)  # fmt: skip
# Fails unless the web server accepts a connection from the address.
CONNECT = """
import socket, sys
socket.create_connection((sys.argv[2], 443), 10, (sys.argv[1], 0)).close()
"""


@pytest.fixture
def stranger(deployed: Proof) -> Iterator[Proof]:
    """Give a node a second address and a key that opens nothing."""
    deployed.on(FROM, "ip", "address", "replace", f"{STRANGER}/26", "dev", "eth0")
    deployed.on(
        FROM, "sh", "-c", "rm -f /root/stranger*; ssh-keygen -q -t ed25519 -N '' -f /root/stranger"
    )
    yield deployed
    deployed.on(TARGET, "fail2ban-client", "unban", STRANGER)
    deployed.on(FROM, "sh", "-c", "rm -f /root/stranger*")
    deployed.on(FROM, "ip", "address", "del", f"{STRANGER}/26", "dev", "eth0")


def address_of(proof: Proof, node: str) -> str:
    return proof.on(node, "hostname", "-I").split()[0]


def answer(proof: Proof, source: str) -> str:
    """Return what ssh says of a login with the wrong key from an address."""
    command = [*LOGIN, "-b", source, f"root@{address_of(proof, TARGET)}", "true"]
    return proof.on(FROM, "sh", "-c", '"$@" 2>&1', "sh", *command, check=False)


def blocked(proof: Proof) -> set[str]:
    return set(proof.on(TARGET, "fail2ban-client", "get", "sshd", "banip").split())


def wait_until_answered(proof: Proof) -> None:
    """Wait for sshd's own refusal: fail2ban opens the port again some time after its command."""
    deadline = time.monotonic() + SECONDS
    while "Permission denied" not in (said := answer(proof, STRANGER)):
        assert time.monotonic() < deadline, said


def wait_until_blocked(proof: Proof) -> None:
    deadline = time.monotonic() + SECONDS
    while STRANGER not in blocked(proof):
        assert time.monotonic() < deadline, proof.on(TARGET, "fail2ban-client", "status", "sshd")
        time.sleep(0.5)


def test_stranger_with_wrong_keys_is_blocked_until_unblocked(stranger: Proof) -> None:
    assert "Permission denied" in answer(stranger, STRANGER)
    for _ in range(ATTEMPTS):
        answer(stranger, STRANGER)
    wait_until_blocked(stranger)
    assert "Permission denied" not in answer(stranger, STRANGER)
    # Only SSH is closed: a school behind this address can still meet.
    stranger.on(FROM, "python3", "-c", CONNECT, STRANGER, address_of(stranger, TARGET))
    stranger.on(TARGET, "fail2ban-client", "unban", STRANGER)
    wait_until_answered(stranger)


def test_node_of_the_region_with_wrong_keys_is_not_blocked(stranger: Proof) -> None:
    node = address_of(stranger, FROM)
    for _ in range(ATTEMPTS):
        answer(stranger, node)
    time.sleep(5)
    assert node not in blocked(stranger)
    assert "Permission denied" in answer(stranger, node)


def test_deploys_go_on_after_wrong_keys_from_the_same_address(
    stranger: Proof, tmp_path: Path
) -> None:
    """An operator may have a colleague, or an agent, with other keys."""
    assert stranger.deploy("region", "--node", TARGET, "--no-checks", "--full").code == 0
    key = tmp_path / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    login = [*LOGIN[:-1], str(key), f"root@{address_of(stranger, TARGET)}", "true"]
    for _ in range(ATTEMPTS):
        assert subprocess.run(login, capture_output=True).returncode == 255
    time.sleep(5)
    assert blocked(stranger) <= {STRANGER}
    for _ in range(3):
        assert stranger.deploy("plan", "--node", TARGET, "--json").code == 0
