"""Receipts on a real node: every change by hand is seen, and its role puts it right."""

from __future__ import annotations

import hashlib
import json
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.integration import tampering
from tests.integration.conftest import Outcome, Proof, Teller
from tests.integration.harm import receipts
from tests.integration.tampering import Change

from chautari.checks.outside import Mailbox
from chautari_sandbox import api

pytestmark = pytest.mark.containers

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


@pytest.fixture(scope="module", autouse=True)
def deployed(proof: Proof) -> None:
    """The region stands before anything is changed, also when these tests run alone."""
    outcome = proof.deploy("region", "--no-checks")
    assert outcome.code == 0, outcome.stdout


# The long campaign plans one of so many changes as well: a plan takes as long as a deploy.
PLANNED = 10
# Roles that need a node of their own, which only the long campaign has.
POOL = {"containers", "scalelite", "greenlight"}


def ran(outcome: Outcome, node: str) -> set[str]:
    return {role["name"] for role in outcome.node(node)["roles"] if not role["kept"]} - {"setup"}


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
            receipt["role"]: receipt["unsealed"] for receipt in found if receipt["unsealed"]
        } == {}


def test_receipts_hold_no_secret_and_are_for_root_alone(proof: Proof) -> None:
    modes = proof.on(
        "cloud",
        "sh",
        "-c",
        "stat -c %a /var/lib/chautari/receipts /var/lib/chautari/receipts/*.json",
    )
    assert set(modes.split()) <= {"700", "600"}


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
    drift = json.loads(proof.deploy("drift", "--json").stdout)
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
    proof.file.write_text(kept)
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


# What is other when it is made anew, although it is right: that it is, checks prove. The rest of
# what is told of these is compared like everything else.
SALTED = {
    "/etc/framadate/htpasswd": "a login is written anew with another salt",
    "/var/www/chautari-bigbluebutton/welcome.pdf": "a PDF holds the time when it was made",
}
# Of what a probe says, the words that are other when they are made anew.
SALTED_WORDS = {
    # PostgreSQL keeps a password with a salt; the probe ends an account's line with its digest.
    "accounts and databases of PostgreSQL": r"(?<=\|)[0-9a-f]{32}$",
    # Prosody does, too; an account's line ends with a digest of what it keeps.
    "accounts of Prosody": r"(?<= )[0-9a-f]{16}$",
}


def not_mended(
    before: list[dict[str, Any]], after: list[dict[str, Any]], made: list[Change]
) -> list[str]:
    """Return what the changes altered and what is still not as it was.

    Only what both receipts speak of can be compared: a handler's part is noted when it ran.
    """
    then, now = _states(before), _states(after)
    touched = {change.item for change in made}
    return [
        f"{key}: {then[key]} → {now[key]}" for key in then.keys() & now.keys()
        if then[key] != now[key]
        and any(item in json.dumps([key[2], then[key]]) for item in touched)
    ]  # fmt: skip


def _states(side: list[dict[str, Any]]) -> dict[tuple[str, str, str], Any]:
    text = [
        ((receipt["role"], item["kind"], item["name"]), json.loads(json.dumps(state)))
        for receipt in side
        for item, state in zip(receipt["items"], receipt["states"], strict=True)
    ]
    for (_, _, name), state in text:
        if name in SALTED:
            for part in (state, *(v for v in state.values() if isinstance(v, dict))):
                part.pop("sha256", None)
        if name in SALTED_WORDS:
            state["says"] = [re.sub(SALTED_WORDS[name], "salted", word) for word in state["says"]]
    return dict(text)


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
                "nextcloud": "it builds on mail, which runs",
                "framadate": "it builds on mail, which runs",
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
        proof.file.write_text(kept)
    assert proof.deploy("region", "--no-checks").code == 0


def test_plan_shows_differences_and_changes_nothing(proof: Proof) -> None:
    proof.on("ground", "sh", "-c", "printf '# by hand\\n' >> /etc/postfix/main.cf")
    before = proof.on("ground", "sha256sum", "/etc/postfix/main.cf")
    plan = proof.deploy("plan", "--json", "--node", "ground")
    [mail] = [role for role in plan.node("ground")["roles"] if role["name"] == "mail"]
    assert any("-# by hand" in text for text in mail["differences"])
    assert plan.node("ground")["state"] == "planned"
    assert proof.on("ground", "sha256sum", "/etc/postfix/main.cf") == before
    drift = proof.deploy("drift")
    assert drift.code == 1 and "+# by hand" in drift.stdout
    assert proof.deploy("region", "--no-checks", "--node", "ground").code == 0
    assert proof.deploy("drift").code == 0
    assert "# by hand" not in proof.on("ground", "cat", "/etc/postfix/main.cf")


def test_what_a_role_leaves_as_it_is_found_is_told_once(proof: Proof) -> None:
    proof.on("ground", "sh", "-c", "echo '192.0.2.9 printer.example.org' >> /etc/hosts")
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", "ground")
    texts = [notice["text"] for notice in outcome.node("ground")["notices"]]
    told = [text for text in texts if "/etc/hosts" in text]
    assert len(told) == 1 and "counts as it is" in told[0]
    assert "printer" in proof.on("ground", "cat", "/etc/hosts")
    again = proof.deploy("region", "--no-checks", "--json", "--node", "ground")
    assert ran(again, "ground") == set() and again.node("ground")["notices"] == []


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
    assert "canary ground is not well" in outcome.node("cloud")["refusals"][0]["reason"]
    healed = proof.deploy("region", "--json", "--canary", "ground")
    assert healed.code == 0, healed.troubles
    assert healed.report["checks"]["failed"] == 0
