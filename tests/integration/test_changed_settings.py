"""A changed setting on a real node runs its role, and the roles that depend on it, and no other."""

from __future__ import annotations

import pytest
from tests.integration.conftest import Proof
from tests.integration.harm import roles_run

pytestmark = [pytest.mark.containers, pytest.mark.one_node, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
# A change to the region, and exactly the roles that it makes run, with a reason each.
CHANGED_SETTINGS = {
    "a setting of a role that no other needs": (
        ("quota: 2 GB", "quota: 3 GB"),
        {"nextcloud": "nextcloud_quota changed"},
    ),
    "a setting of a role that others need": (
        ("from: cloud@proof.example.org", "from: region@proof.example.org"),
        {
            "mail": "mail_from changed",
            "nextcloud": "it depends on mail, which runs",
            "framadate": "it depends on mail, which runs",
        },
    ),
}


@pytest.mark.parametrize("title", CHANGED_SETTINGS)
def test_changed_setting_runs_its_role_and_those_that_need_it(proof: Proof, title: str) -> None:
    (old, new), expected = CHANGED_SETTINGS[title]
    original = proof.file.read_text()
    proof.edit(old, new)
    try:
        plan = proof.deploy("plan", "--json", "--node", NODE)
        assert plan.code == 0, plan.stderr
        outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    finally:
        proof.write(original)
    assert roles_run(plan, NODE) == expected.keys()
    why = {
        role["name"]: [reason["text"] for reason in role["why"]]
        for role in plan.node(NODE)["roles"]
    }
    assert {role for role, reason in expected.items() if reason not in why[role]} == set(), why
    assert roles_run(outcome, NODE) == expected.keys(), outcome.node(NODE)["roles"]
    assert outcome.node(NODE)["changed"] >= 1
    assert proof.deploy("region", "--no-checks", "--node", NODE).code == 0
