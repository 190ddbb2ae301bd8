"""Manual changes on a node: each is detected, reported, and reverted by its role."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration import tampering
from tests.integration.conftest import ProgressReporter, Proof
from tests.integration.harm import receipts, roles_run
from tests.integration.tampering import Change, not_repaired

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("deployed")]

ROUNDS = {
    "contents, links and services": {"content", "stopped", "probe", "there"},
    "modes, owners, groups and answers": {
        "mode",
        "owner",
        "owning group",
        "disabled",
        "group",
        "member",
        "answer",
    },
    "files that are gone, and a package": {"gone", "package"},
}
# Outside the long campaign, each resource is changed once, in a way drawn at random.
ONE_OF_EACH = "one change to each resource"
# Commands need the services and files that other changes stop or remove.
FIRST_KINDS = ("probe", "stopped", "disabled")
# apt can reinstall one removed package while others need it; `make soak` removes each in turn.
PACKAGES = {"cloud": "redis-server", "meet": "prosody", "hall": "coturn"}
# The long campaign also plans one of this many changes: a plan takes as long as a deploy.
PLANNED = 10
# Roles on a separate node, which only the long campaign has.
POOL = {"containers", "scalelite", "greenlight"}


ON_MEETING_NODES = [pytest.param(name, marks=pytest.mark.soak) for name in ("meet", "hall")]


@pytest.mark.parametrize(
    "node", ["ground", pytest.param("cloud", marks=pytest.mark.soak), *ON_MEETING_NODES]
)
def test_every_change_to_every_managed_file_is_detected(proof: Proof, node: str) -> None:
    found = tampering.detectable(tampering.changes(receipts(proof, node)))
    assert len(found) > 40
    missed = proof.run_with_input(node, json.dumps(found), "python3", "-I", "-c", tampering.DETECT)
    assert json.loads(missed.splitlines()[-1]) == []
    # A reverted change leaves files that are newer than what their services have read.
    assert proof.deploy("region", "--no-checks", "--node", node).code == 0


@pytest.mark.parametrize("node", ["cloud", *ON_MEETING_NODES])
@pytest.mark.parametrize(
    "title", [ONE_OF_EACH, *(pytest.param(title, marks=pytest.mark.soak) for title in ROUNDS)]
)
def test_manual_changes_are_reported_and_reverted(
    proof: Proof, title: str, node: str, soak: bool, progress: ProgressReporter
) -> None:
    before = receipts(proof, node)
    made = choose_changes(title, node, tampering.changes(before))
    for change in sorted(made, key=lambda change: change.kind not in FIRST_KINDS):
        proof.on(node, "sh", "-c", change.command, check=False)
    drift = json.loads(proof.deploy("drift", "--json", "--node", node).stdout)
    reported = json.dumps(next(one for one in drift["nodes"] if one["node"] == node)["roles"])
    assert [str(change) for change in made if change.item not in reported] == []

    # These changes affect nearly every role, so a plan takes as long as a deploy.
    plan = proof.deploy("plan", "--json", "--node", node) if soak else None
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert outcome.code == 0, outcome.problems
    assert plan is None or roles_run(plan, node) == roles_run(outcome, node), plan.problems
    assert {role for change in made for role in change.roles} <= roles_run(outcome, node)
    assert not_repaired(before, receipts(proof, node), made) == []
    again = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert roles_run(again, node) == set(), again.node(node)["roles"]
    progress.summarize(f"{title}: {len(made)} changes at once on {node}, all reported and reverted")


def choose_changes(title: str, node: str, found: list[Change]) -> list[Change]:
    """Return the changes of a round, or one to each resource for `ONE_OF_EACH`."""
    possible = [
        change for change in found if change.kind != "package" or change.item == PACKAGES[node]
    ]
    if title != ONE_OF_EACH:
        return [change for change in possible if change.kind in ROUNDS[title]]
    by_item: dict[str, list[Change]] = {}
    for change in possible:
        by_item.setdefault(change.item, []).append(change)
    dice = random.Random(6)
    return [dice.choice(of_item) for of_item in by_item.values()]


@pytest.mark.soak
def test_each_single_change_is_reverted(
    proof: Proof, skipped_changes: int, progress: ProgressReporter
) -> None:
    """Make one change after the other on three nodes."""

    def each(node: str) -> dict[str, str]:
        made = tampering.changes(receipts(proof, node))
        return _each_alone(proof, node, in_order(made)[skipped_changes:], progress)

    with ThreadPoolExecutor(3) as nodes:
        wrong = dict(item for found in nodes.map(each, ("cloud", "meet", "hall"))
                     for item in found.items())  # fmt: skip
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.fixture
def box(proof: Proof) -> Iterator[str]:
    """Return a node with a pool of servers and Greenlight, which exists during the test."""
    original = proof.file.read_text()
    proof.edit("recordings: true, guests: ask", "guests: ask, rooms: greenlight")
    proof.edit("nodes:\n", "nodes:\n  box: {address: 198.51.100.209, os: debian-12, "
               "services: [scalelite, greenlight]}\n")  # fmt: skip
    outcome = proof.deploy("region", "--json")
    assert outcome.code == 0, outcome.problems
    yield "box"
    proof.write(original)
    assert proof.deploy("region", "--no-checks").code == 0


@pytest.mark.soak
def test_each_single_change_to_a_pool_is_reverted(
    proof: Proof, box: str, progress: ProgressReporter
) -> None:
    made = [c for c in tampering.changes(receipts(proof, box)) if POOL & {*c.roles}]
    assert {role for change in made for role in change.roles} >= POOL
    wrong = _each_alone(proof, box, in_order(made), progress)
    assert wrong == {}, json.dumps(wrong, indent=1)


def in_order(made: list[Change]) -> list[Change]:
    """Return the changes in mixed order, so that an interrupted campaign covers all kinds.

    A change keeps its place when others are added or removed, so that the campaign can resume.
    Owning groups come last, since each file's owner is changed in the same way.
    """

    def place(change: Change) -> tuple[bool, bytes]:
        return change.kind == "owning group", hashlib.sha256(str(change).encode()).digest()

    return sorted(made, key=place)


def _each_alone(
    proof: Proof, node: str, chosen: list[Change], progress: ProgressReporter
) -> dict[str, str]:
    """Make the changes one after the other; return the problem of each that failed."""
    few = len(chosen) // PLANNED
    planned = random.Random(4).sample(chosen, few) if few else chosen
    wrong = {}
    for number, change in enumerate(chosen, 1):
        # The campaign takes hours, so problems are printed at once.
        progress.report(f"{node}: {number} of {len(chosen)}: {change}")
        if problem := _alone(proof, node, change, change in planned):
            wrong[f"{node}: {change}"] = problem
            progress.report(f"WRONG {node}: {change}: {problem}")
    progress.summarize(
        f"{node}: {len(chosen)} single changes, {len(wrong)} of them not detected or not "
        f"reverted; {len(planned)} planned as well"
    )
    return wrong


def _alone(proof: Proof, node: str, change: Change, planned: bool) -> str:
    """Make one change and deploy; return the problem, empty for none."""
    before = receipts(proof, node)
    proof.on(node, "sh", "-c", change.command)
    plan = proof.deploy("plan", "--json", "--node", node) if planned else None
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    if outcome.code:
        return str(outcome.problems)
    if missed := set(change.roles) - roles_run(outcome, node):
        return f"{', '.join(missed)} did not run"
    if plan is not None and roles_run(plan, node) != roles_run(outcome, node):
        return f"planned {sorted(roles_run(plan, node))}, ran {sorted(roles_run(outcome, node))}"
    return "; ".join(not_repaired(before, receipts(proof, node), [change]))


@pytest.mark.parametrize("node", ["meet"])
def test_plan_shows_differences_and_changes_nothing(proof: Proof, node: str) -> None:
    proof.on(node, "sh", "-c", "printf '# by hand\\n' >> /etc/postfix/main.cf")
    before = proof.on(node, "sha256sum", "/etc/postfix/main.cf")
    plan = proof.deploy("plan", "--json", "--node", node)
    [mail] = [role for role in plan.node(node)["roles"] if role["name"] == "mail"]
    assert any("-# by hand" in text for text in mail["differences"])
    assert plan.node(node)["state"] == "planned"
    assert proof.on(node, "sha256sum", "/etc/postfix/main.cf") == before
    drift = proof.deploy("drift", "--node", node)
    assert drift.code == 1 and "+# by hand" in drift.stdout
    assert proof.deploy("region", "--no-checks", "--node", node).code == 0
    assert proof.deploy("drift", "--node", node).code == 0
    assert "# by hand" not in proof.on(node, "cat", "/etc/postfix/main.cf")


@pytest.mark.parametrize("node", ["meet"])
def test_manual_change_that_the_role_keeps_is_reported_once(proof: Proof, node: str) -> None:
    proof.on(node, "sh", "-c", "echo '192.0.2.9 printer.example.org' >> /etc/hosts")
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    texts = [notice["text"] for notice in outcome.node(node)["notices"]]
    found = [text for text in texts if "/etc/hosts" in text]
    assert len(found) == 1 and "will not be reported again" in found[0]
    assert "printer" in proof.on(node, "cat", "/etc/hosts")
    again = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert roles_run(again, node) == set() and again.node(node)["notices"] == []
