"""Receipts on a real node: every change by hand is seen, and its role puts it right."""

from __future__ import annotations

import json
import time

import pytest
from tests.integration.conftest import Proof
from tests.integration.harm import ran, receipts

from chautari.checks.outside import Mailbox
from chautari_sandbox import api

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module", autouse=True)
def standing(deployed: Proof) -> None:
    """The region stands as it should before anything is changed."""
    outcome = deployed.deploy("region", "--no-checks")
    assert outcome.code == 0, outcome.stdout


def test_nothing_is_run_when_all_is_as_it_was_left(proof: Proof) -> None:
    names = ("ground", "cloud", "meet", "hall")
    before = {name: proof.on(name, "ls", "/var/lib/chautari/runs") for name in names}
    outcome = proof.deploy("region", "--no-checks", "--json")
    assert outcome.code == 0
    assert {name: ran(outcome, name) for name in names} == {name: set() for name in names}
    assert {role["name"] for role in outcome.node("ground")["roles"]} == {
        "base",
        "firewall",
        "mail",
    }
    assert any("calendar" in notice["text"] for notice in outcome.node("cloud")["notices"])
    # One look is all there was: a node that could not answer it would have been worked on.
    assert {name: proof.on(name, "ls", "/var/lib/chautari/runs") for name in names} == before


def test_every_role_left_a_closed_receipt(proof: Proof) -> None:
    for node, count in (("ground", 3), ("cloud", 11), ("meet", 9), ("hall", 8)):
        found = receipts(proof, node)
        assert len(found) == count
        assert {
            receipt["role"]: receipt["incomplete_reason"]
            for receipt in found
            if receipt["incomplete_reason"]
        } == {}


def test_receipts_hold_no_secret_and_are_for_root_alone(proof: Proof) -> None:
    modes = proof.on(
        "cloud",
        "sh",
        "-c",
        "stat -c %a /var/lib/chautari/receipts /var/lib/chautari/receipts/*.json",
    )
    assert set(modes.split()) <= {"700", "600"}


# A change to the region, and exactly the roles of each node that it makes run, with a reason each.
CHANGED_SETTINGS = {
    "a setting of a role that nobody needs": (
        ("quota: 2 GB", "quota: 3 GB"),
        {"cloud": {"nextcloud": "nextcloud_quota changed"}, "ground": {}},
    ),
    "a setting of a role that others need": (
        ("from: cloud@proof.example.org", "from: region@proof.example.org"),
        {
            "cloud": {
                "mail": "mail_from changed",
                "nextcloud": "it depends on mail, which runs",
                "framadate": "it depends on mail, which runs",
            },
            "ground": {"mail": "mail_from changed"},
        },
    ),
}


@pytest.mark.parametrize("title", CHANGED_SETTINGS)
def test_one_changed_setting_runs_its_role_and_those_that_need_it(proof: Proof, title: str) -> None:
    (old, new), expected = CHANGED_SETTINGS[title]
    kept = proof.file.read_text()
    asked = ("--json", *(word for node in expected for word in ("--node", node)))
    proof.edit(old, new)
    try:
        plan = proof.deploy("plan", *asked)
        assert plan.code == 0, plan.stderr
        outcome = proof.deploy("region", "--no-checks", *asked)
        for node, roles in expected.items():
            assert ran(plan, node) == roles.keys()
            why = {
                role["name"]: [why["text"] for why in role["why"]]
                for role in plan.node(node)["roles"]
            }
            assert {role for role, reason in roles.items() if reason not in why[role]} == set(), why
            assert ran(outcome, node) == roles.keys(), outcome.node(node)["roles"]
        assert outcome.node("cloud")["changed"] >= 1
    finally:
        proof.write(kept)
    assert proof.deploy("region", "--no-checks").code == 0


def test_timer_that_looks_for_drift_is_armed(proof: Proof) -> None:
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
        # What the timer does; a unit that fails is told here.
        proof.on("ground", "systemctl", "start", "chautari-drift.service")
    state = api.load_state("proof")
    assert state is not None
    mailbox = Mailbox(state.mail_api)
    deadline = time.monotonic() + 60
    while not (mails := mailbox.recent("ops@proof.example.org", minutes=5)):
        assert time.monotonic() < deadline, "no mail arrived"
        time.sleep(1)
    told = [mail for mail in mails if "something changed" in mail["subject"]]
    assert len(told) == 1
    assert "nftables.service: active is inactive, was active" in json.dumps(told)
    assert proof.deploy("region", "--no-checks", "--node", "ground").code == 0


def test_canary_that_is_not_well_holds_the_others_back(proof: Proof) -> None:
    proof.on("ground", "systemctl", "mask", "--now", "postfix.service")
    try:
        outcome = proof.deploy("region", "--json", "--canary", "ground")
    finally:
        proof.on("ground", "systemctl", "unmask", "postfix.service")
    assert outcome.code == 1
    assert outcome.node("ground")["state"] == "failed"
    assert outcome.node("cloud")["state"] == "refused"
    assert "canary ground has a problem" in outcome.node("cloud")["refusals"][0]["reason"]
    healed = proof.deploy("region", "--json", "--canary", "ground")
    assert healed.code == 0, healed.troubles
    assert healed.report["checks"]["failed"] == 0
