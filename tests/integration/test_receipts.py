"""Receipts on real nodes: they decide which roles run, and show manual changes."""

from __future__ import annotations

import json
import time

import pytest
from tests.integration.conftest import Proof
from tests.integration.harm import receipts, roles_run

from chautari.checks.outside import NewMailInSink
from chautari_sandbox import api

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module", autouse=True)
def deployed_region(deployed: Proof) -> None:
    """Deploy the region before anything is changed."""
    outcome = deployed.deploy("region", "--no-checks")
    assert outcome.code == 0, outcome.stdout


def test_deploy_without_changes_runs_no_role(proof: Proof) -> None:
    names = ("ground", "cloud", "meet", "hall")
    before = {name: proof.on(name, "ls", "/var/lib/chautari/runs") for name in names}
    outcome = proof.deploy("region", "--no-checks", "--json")
    assert outcome.code == 0
    assert {name: roles_run(outcome, name) for name in names} == {name: set() for name in names}
    assert {role["name"] for role in outcome.node("ground")["roles"]} == {
        "base",
        "ssh",
        "firewall",
        "mail",
        "fail2ban",
    }
    assert any("calendar" in notice["text"] for notice in outcome.node("cloud")["notices"])
    # There was only a survey: a node without an answer would have been converged.
    assert {name: proof.on(name, "ls", "/var/lib/chautari/runs") for name in names} == before


def test_every_role_has_a_complete_receipt(proof: Proof) -> None:
    for node, count in (("ground", 5), ("cloud", 13), ("meet", 11), ("hall", 10)):
        found = receipts(proof, node)
        assert len(found) == count
        assert {
            receipt["role"]: receipt["incomplete_reason"]
            for receipt in found
            if receipt["incomplete_reason"]
        } == {}


def test_receipts_are_readable_only_by_root(proof: Proof) -> None:
    modes = proof.on(
        "cloud",
        "sh",
        "-c",
        "stat -c %a /var/lib/chautari/receipts /var/lib/chautari/receipts/*.json",
    )
    assert set(modes.split()) <= {"700", "600"}


def test_drift_timer_is_active(proof: Proof) -> None:
    timer = "chautari-drift.timer"
    assert proof.on("ground", "systemctl", "is-enabled", timer).strip() == "enabled"
    assert proof.on("ground", "systemctl", "is-active", timer).strip() == "active"
    following = ("systemctl", "show", "-P", "NextElapseUSecRealtime", timer)
    assert proof.on("ground", *following).strip() not in ("", "n/a", "infinity")
    unit = proof.on("ground", "systemctl", "show", "-P", "Unit", timer).strip()
    assert unit == "chautari-drift.service"


def test_drift_is_mailed_once(proof: Proof) -> None:
    proof.on("ground", "systemctl", "stop", "nftables.service")
    for _ in range(2):
        # The timer starts this unit; systemctl reports its failure here.
        proof.on("ground", "systemctl", "start", "chautari-drift.service")
    state = api.load_last_saved_state("proof")
    assert state is not None
    mailbox = NewMailInSink(state.mail_api)
    deadline = time.monotonic() + 60
    while not (mails := mailbox.recent_mails("ops@proof.example.org", minutes=5)):
        assert time.monotonic() < deadline, "no mail arrived"
        time.sleep(1)
    # In the region's first language.
    found = [mail for mail in mails if "algo cambió" in mail["subject"]]
    assert len(found) == 1
    text = json.dumps(found, ensure_ascii=False)
    assert "nftables.service: estado cambió de active a inactive" in text
    assert proof.deploy("region", "--no-checks", "--node", "ground").code == 0


def test_failed_canary_skips_the_other_nodes(proof: Proof) -> None:
    # Two nodes are enough; the checks of the others have passed.
    nodes = ("--canary", "ground", "--node", "ground", "--node", "cloud")
    proof.on("ground", "systemctl", "mask", "--now", "postfix.service")
    try:
        outcome = proof.deploy("region", "--json", *nodes)
    finally:
        proof.on("ground", "systemctl", "unmask", "postfix.service")
    assert outcome.code == 1
    assert outcome.node("ground")["state"] == "failed"
    assert outcome.node("cloud")["state"] == "refused"
    assert "canary ground has a problem" in outcome.node("cloud")["refusals"][0]["reason"]
    repaired = proof.deploy("region", "--json", *nodes)
    assert repaired.code == 0, repaired.problems
    assert repaired.report["checks"]["failed"] == 0
