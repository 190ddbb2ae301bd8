"""Faults of one node in a region: what happens to the other nodes, and to what was downloaded."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

import pytest
from tests.integration import harm
from tests.integration.conftest import Proof

from chautari_sandbox import paths
from chautari_sandbox.privileges import as_root

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("restored_files")]


def test_unreachable_node_is_reported_and_other_results_stay(proof: Proof) -> None:
    proof.on("ground", "systemctl", "stop", "ssh")
    try:
        outcome = proof.deploy("region", "--json", "--node", "ground", "--node", "cloud")
    finally:
        proof.on("ground", "systemctl", "start", "ssh")
    assert outcome.code == 1
    assert outcome.node("ground")["state"] == "unreachable"
    assert "does not respond over SSH" in outcome.node("ground")["refusals"][0]["reason"]
    assert outcome.node("cloud")["state"] == "converged"
    assert outcome.report["checks"]["passed"] > 40


def test_download_with_a_wrong_digest_is_not_unpacked(proof: Proof) -> None:
    lock = proof.folder / "artifacts.lock"
    lock.write_text(
        "nextcloud:\n  35.0.9: {url: 'https://download.example.org/nextcloud-35.0.9.tar.bz2', "
        f"sha256: {'0' * 64}}}\n"
    )
    proof.edit("{host: cloud-files,", "{host: cloud-files, version: '35.0.9',")
    try:
        assert proof.deploy("sandbox up").code == 0
        shelf = paths.state_dir("proof") / "mirror" / "nextcloud-35.0.9.tar.bz2"
        shelf.write_bytes(b"not what was pinned" + shelf.read_bytes())
        outcome = proof.deploy("region", "--json", "--node", "cloud")
    finally:
        lock.unlink()
    assert outcome.code == 1
    assert outcome.node("cloud")["failure"]["role"] == "nextcloud"
    assert "35.0.9" not in proof.on("cloud", "ls", "/opt/nextcloud/releases")
    assert '"installed":true' in proof.on("cloud", "runuser", "-u", "www-data", "--", "php",
                                           "/opt/nextcloud/current/occ", "status",
                                           "--output=json")  # fmt: skip


@contextlib.contextmanager
def wrong_record() -> Iterator[None]:
    """Let the sandbox's name server answer a wrong address for the server's name.

    Each start of the sandbox writes the name server's files, and so does a deploy that needs one.
    """
    hosts = paths.state_dir("proof") / "dns" / "hosts"
    original = hosts.read_text()
    argv = as_root(["podman", "exec", "chautari_proof_internet", "systemctl", "kill",
                    "--signal=HUP", "chautari-dns.service"])  # fmt: skip
    name = "halls.proof.example.org"
    hosts.write_text(original.replace(f" {name}", f"\n198.51.100.250 {name}"))
    assert hosts.read_text() != original
    try:
        subprocess.run(argv, check=True)
        yield
    finally:
        hosts.write_text(original)
        subprocess.run(argv, check=True)


def test_wrong_dns_record_is_refused(proof: Proof) -> None:
    # Another test may have changed what the sandbox serves; a start writes the right record again.
    assert proof.deploy("sandbox up").code == 0
    with wrong_record():
        text = harm.refusals(harm.deploy_without_receipts(proof, "hall"), "hall")
    assert "The A record for halls.proof.example.org points to 198.51.100.250" in text
    assert "then deploy again: halls.proof.example.org A 198.51.100.208" in text
