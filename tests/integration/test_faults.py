"""Faults of one node: what is refused, what stays, and what is reported."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from tests.integration.conftest import Proof

from chautari.files import write_atomically

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("restored_files")]
# Each Python that is started by its short name gets a wrong clock.
CLOCK = "/usr/local/bin/python3"
AHEAD = """#!/bin/sh
export LD_PRELOAD=$(ls /usr/lib/*/faketime/libfaketime.so.1) FAKETIME=+5m
exec /usr/bin/python3 "$@"
"""


def test_changed_host_key_is_refused(proof: Proof) -> None:
    pinned = (proof.folder / "known_hosts").read_text().splitlines()
    other = next(line for line in pinned if "198.51.100.206" in line).split(maxsplit=1)[1]
    swapped = [f"198.51.100.205 {other}" if "198.51.100.205" in line else line for line in pinned]
    # Other workers read this file at the same time.
    write_atomically(proof.folder / "known_hosts", "\n".join(swapped) + "\n")
    outcome = proof.deploy("region", "--json", "--node", "ground")
    assert outcome.code == 1
    assert outcome.node("ground")["state"] == "unreachable"
    assert (
        "a host key that differs from the pinned one"
        in outcome.node("ground")["refusals"][0]["reason"]
    )
    fix = outcome.node("ground")["refusals"][0]["fix"]
    assert "do not deploy" in fix
    # The command that the step ends with deletes only this node's key; the next deploy pins it.
    command = shlex.split(fix.rpartition("old key: ")[2])
    assert command[:3] == ["ssh-keygen", "-R", "198.51.100.205"]
    subprocess.run(command, check=True, capture_output=True)
    (proof.folder / "known_hosts.old").unlink()
    kept = (proof.folder / "known_hosts").read_text()
    assert "198.51.100.205" not in kept and "198.51.100.206" in kept
    assert proof.deploy("region", "--no-checks", "--node", "ground").code == 0
    assert "198.51.100.205" in (proof.folder / "known_hosts").read_text()


def test_other_operating_system_is_refused_before_a_file_changes(proof: Proof) -> None:
    before = proof.on("ground", "sh", "-c", "ls /var/lib/chautari/runs")
    # Only region.yml changes; the sandbox does not create the node again.
    proof.edit("os: debian-12}", "os: debian-13}")
    outcome = proof.deploy("region", "--json", "--node", "ground")
    refusal = outcome.node("ground")["refusals"][0]
    assert outcome.code == 1 and outcome.node("ground")["state"] == "refused"
    assert refusal["reason"] == "The node runs debian-12, not debian-13."
    assert refusal["fix"] == "Write `os: debian-12` for this node in region.yml."
    assert proof.on("ground", "sh", "-c", "ls /var/lib/chautari/runs") == before


def test_wrong_clock_is_refused(proof: Proof) -> None:
    fake = "#!/bin/sh\nexec date.real -d '+5 minutes' \"$@\"\n"
    proof.on("ground", "sh", "-c", "mv /usr/bin/date /usr/bin/date.real")
    proof.on("ground", "sh", "-c", 'printf "%s" "$1" > /usr/bin/date && chmod 755 /usr/bin/date',
             "sh", fake)  # fmt: skip
    # The survey reads the clock with Python, the preflight with date: both are 5 minutes ahead.
    proof.on("ground", "apt-get", "install", "-qy", "--no-install-recommends", "libfaketime")
    proof.run_with_input("ground", AHEAD, "tee", CLOCK)
    proof.on("ground", "chmod", "755", CLOCK)
    try:
        outcome = proof.deploy("region", "--json", "--node", "ground")
    finally:
        proof.on("ground", "mv", "/usr/bin/date.real", "/usr/bin/date")
        proof.on("ground", "rm", CLOCK)
    assert outcome.code == 1
    assert (
        "seconds ahead of the clock of your machine"
        in outcome.node("ground")["refusals"][0]["reason"]
    )


def test_node_without_space_is_refused(proof: Proof) -> None:
    proof.on("ground", "mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", "/opt")
    try:
        outcome = proof.deploy("region", "--json", "--node", "ground")
    finally:
        proof.on("ground", "umount", "/opt")
    assert outcome.code == 1
    assert "MB are free on /opt" in outcome.node("ground")["refusals"][0]["reason"]
    assert outcome.node("ground")["refusals"][0]["fix"].endswith("apt-get clean")


@pytest.mark.parametrize("node", ["meet"])
def test_failed_task_is_reported_with_role_message_and_journal(proof: Proof, node: str) -> None:
    proof.on(node, "systemctl", "mask", "--now", "postfix.service")
    try:
        outcome = proof.deploy("region", "--json", "--node", node)
    finally:
        proof.on(node, "systemctl", "unmask", "postfix.service")
    failure = outcome.node(node)["failure"]
    assert outcome.code == 1
    assert failure["role"] == "mail" and failure["task"]
    assert "masked" in failure["message"]
    assert "Traceback" not in outcome.stderr + failure["message"]
    assert proof.deploy("region", "--node", node).code == 0
