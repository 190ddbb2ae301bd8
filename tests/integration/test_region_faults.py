"""Faults of one node in a region: what happens to the other nodes, and to what was downloaded."""

from __future__ import annotations

import pytest
from tests.integration.conftest import Proof

from chautari_sandbox import paths

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("restored_files")]


def test_unreachable_node_is_reported_and_other_results_stay(proof: Proof) -> None:
    proof.on("ground", "systemctl", "stop", "ssh")
    try:
        outcome = proof.deploy("region", "--json")
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
