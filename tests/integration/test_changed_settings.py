"""A changed setting on a real node runs its role, and the roles that depend on it, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.conftest import Outcome, Proof
from tests.integration.harm import roles_run

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("deployed")]
NODE = "cloud"
# They run when the settings of mail change.
DEPENDENT = {"mail", "nextcloud", "framadate"}


@pytest.fixture(autouse=True)
def restored(proof: Proof) -> Iterator[None]:
    """Restore region.yml after each test."""
    original = proof.file.read_text()
    yield
    proof.write(original)


def planned_reasons(plan: Outcome) -> dict[str, set[str]]:
    """Return why each role that a plan runs would run."""
    assert plan.code == 0, plan.stderr
    reasons = {role["name"]: role["why"] for role in plan.node(NODE)["roles"]}
    return {role: {why["text"] for why in reasons[role]} for role in roles_run(plan, NODE)}


def test_setting_that_one_role_reads_runs_this_role(proof: Proof) -> None:
    proof.edit("quota: 2 GB", "quota: 3 GB")
    reasons = planned_reasons(proof.deploy("plan", "--json", "--node", NODE))
    assert reasons.keys() == {"nextcloud"}
    assert "nextcloud_quota changed" in reasons["nextcloud"]


def test_setting_of_a_role_runs_those_that_depend_on_it(proof: Proof) -> None:
    proof.edit("from: cloud@proof.example.org", "from: region@proof.example.org")
    reasons = planned_reasons(proof.deploy("plan", "--json", "--node", NODE))
    assert reasons.keys() == DEPENDENT
    assert "mail_from changed" in reasons["mail"]
    for role in ("nextcloud", "framadate"):
        assert "it depends on mail, which also runs" in reasons[role]


@pytest.mark.soak
def test_deploy_runs_the_roles_that_the_plan_names(proof: Proof) -> None:
    original = proof.file.read_text()
    proof.edit("from: cloud@proof.example.org", "from: region@proof.example.org")
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", NODE)
    assert outcome.code == 0, outcome.problems
    assert roles_run(outcome, NODE) == DEPENDENT
    assert outcome.node(NODE)["changed"] >= 1
    proof.write(original)
    assert proof.deploy("region", "--no-checks", "--node", NODE).code == 0
