"""Changes by hand on one node: each is seen, named, and put right by its role."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration import tampering
from tests.integration.conftest import Proof, Teller
from tests.integration.harm import ran, receipts
from tests.integration.tampering import Change, not_mended

pytestmark = [pytest.mark.containers, pytest.mark.one_node, pytest.mark.usefixtures("deployed")]

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
# One removed package at a time is what apt can mend while others need it; `make soak` takes each.
PACKAGES = {"cloud": "redis-server", "meet": "prosody", "hall": "coturn"}
# The long campaign plans one of so many changes as well: a plan takes as long as a deploy.
PLANNED = 10
# Roles that need a node of their own, which only the long campaign has.
POOL = {"containers", "scalelite", "greenlight"}


@pytest.mark.parametrize("node", ["ground", "cloud", "meet", "hall"])
def test_every_change_to_every_managed_file_is_seen(proof: Proof, node: str) -> None:
    found = tampering.detectable(tampering.changes(receipts(proof, node)))
    assert len(found) > 40
    missed = proof.feed(node, json.dumps(found), "python3", "-I", "-c", tampering.DETECT)
    assert json.loads(missed.splitlines()[-1]) == []
    # Taking a change back leaves files that are newer than what their services have read.
    assert proof.deploy("region", "--no-checks", "--node", node).code == 0


@pytest.mark.parametrize(
    "node",
    ["cloud", *(pytest.param(name, marks=pytest.mark.soak) for name in ("meet", "hall"))],
)
@pytest.mark.parametrize("title", ROUNDS)
def test_changes_by_hand_are_named_and_put_right(
    proof: Proof, title: str, node: str, soak: bool, teller: Teller
) -> None:
    before = receipts(proof, node)
    made = [
        change for change in tampering.changes(before)
        if change.kind in ROUNDS[title]
        and (change.kind != "package" or change.item == PACKAGES[node])
    ]  # fmt: skip
    # What is asked of a service comes before the service is stopped; one change may undo another.
    for change in sorted(made, key=lambda change: change.kind != "probe"):
        proof.on(node, "sh", "-c", change.command, check=False)
    drift = json.loads(proof.deploy("drift", "--json", "--node", node).stdout)
    told = json.dumps(next(one for one in drift["nodes"] if one["node"] == node)["roles"])
    assert [str(change) for change in made if change.item not in told] == []

    # So many changes reach nearly every role, and a plan of all of them takes as long as a deploy.
    plan = proof.deploy("plan", "--json", "--node", node) if soak else None
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert outcome.code == 0, outcome.troubles
    assert plan is None or ran(plan, node) == ran(outcome, node), plan.troubles
    assert {role for change in made for role in change.roles} <= ran(outcome, node)
    assert not_mended(before, receipts(proof, node), made) == []
    again = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert ran(again, node) == set(), again.node(node)["roles"]
    teller.figure(f"{title}: {len(made)} changes at once on {node}, all named and put right")


def test_each_change_alone_is_seen_and_put_right(
    proof: Proof, soak: bool, after: int, teller: Teller
) -> None:
    """One after the other, every one of them in `make soak`; here a few that a seed chose."""

    def each(node: str) -> dict[str, str]:
        made = tampering.changes(receipts(proof, node))
        chosen = in_order(made)[after:] if soak else random.Random(3).sample(made, 2)
        return _each_alone(proof, node, chosen, teller)

    with ThreadPoolExecutor(3) as nodes:
        wrong = dict(item for found in nodes.map(each, ("cloud", "meet", "hall"))
                     for item in found.items())  # fmt: skip
    assert wrong == {}, json.dumps(wrong, indent=1)


@pytest.fixture
def box(proof: Proof) -> Iterator[str]:
    """A node with a pool of servers and rooms of its own, for as long as a test lasts."""
    kept = proof.file.read_text()
    proof.edit("recordings: true, guests: ask", "guests: ask, rooms: greenlight")
    proof.edit("nodes:\n", "nodes:\n  box: {address: 198.51.100.209, os: debian-12, "
               "services: [scalelite, greenlight]}\n")  # fmt: skip
    outcome = proof.deploy("region", "--json")
    assert outcome.code == 0, outcome.troubles
    yield "box"
    proof.write(kept)
    assert proof.deploy("region", "--no-checks").code == 0


@pytest.mark.soak
def test_each_change_alone_to_a_pool_is_seen_and_put_right(
    proof: Proof, box: str, teller: Teller
) -> None:
    made = [c for c in tampering.changes(receipts(proof, box)) if POOL & {*c.roles}]
    assert {role for change in made for role in change.roles} >= POOL
    wrong = _each_alone(proof, box, in_order(made), teller)
    assert wrong == {}, json.dumps(wrong, indent=1)


def in_order(made: list[Change]) -> list[Change]:
    """Return the changes mixed, so that a campaign that was broken off tells of all kinds.

    A change keeps its place when others come or go, so that the campaign can go on another time.
    Owning groups come last, since each file's owner is changed in the same way.
    """

    def place(change: Change) -> tuple[bool, bytes]:
        return change.kind == "owning group", hashlib.sha256(str(change).encode()).digest()

    return sorted(made, key=place)


def _each_alone(proof: Proof, node: str, chosen: list[Change], teller: Teller) -> dict[str, str]:
    """Make the changes one after the other, and return what was wrong with each."""
    few = len(chosen) // PLANNED
    planned = random.Random(4).sample(chosen, few) if few else chosen
    wrong = {}
    for number, change in enumerate(chosen, 1):
        # A campaign of hours says how far it is, and what went wrong as soon as it does.
        teller.say(f"{node}: {number} of {len(chosen)}: {change}")
        if said := _alone(proof, node, change, change in planned):
            wrong[f"{node}: {change}"] = said
            teller.say(f"WRONG {node}: {change}: {said}")
    teller.figure(
        f"{node}: {len(chosen)} changes made alone, {len(wrong)} of them not seen or not put "
        f"right; {len(planned)} planned as well"
    )
    return wrong


def _alone(proof: Proof, node: str, change: Change, planned: bool) -> str:
    """Make one change and deploy; return what was wrong then, or nothing."""
    before = receipts(proof, node)
    proof.on(node, "sh", "-c", change.command)
    plan = proof.deploy("plan", "--json", "--node", node) if planned else None
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    if outcome.code:
        return str(outcome.troubles)
    if missed := set(change.roles) - ran(outcome, node):
        return f"{', '.join(missed)} did not run"
    if plan is not None and ran(plan, node) != ran(outcome, node):
        return f"planned {sorted(ran(plan, node))}, ran {sorted(ran(outcome, node))}"
    return "; ".join(not_mended(before, receipts(proof, node), [change]))


@pytest.mark.parametrize("node", ["ground"])
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


@pytest.mark.parametrize("node", ["ground"])
def test_what_a_role_leaves_as_it_is_found_is_told_once(proof: Proof, node: str) -> None:
    proof.on(node, "sh", "-c", "echo '192.0.2.9 printer.example.org' >> /etc/hosts")
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    texts = [notice["text"] for notice in outcome.node(node)["notices"]]
    told = [text for text in texts if "/etc/hosts" in text]
    assert len(told) == 1 and "will not be reported again" in told[0]
    assert "printer" in proof.on(node, "cat", "/etc/hosts")
    again = proof.deploy("region", "--no-checks", "--json", "--node", node)
    assert ran(again, node) == set() and again.node(node)["notices"] == []
