"""Receipts on a real node: every change by hand is seen, and its role puts it right."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.integration import tampering
from tests.integration.conftest import Outcome, Proof
from tests.integration.harm import receipts
from tests.integration.tampering import Change

from chautari.checks.outside import Mailbox
from chautari.sandbox import api

pytestmark = pytest.mark.containers

ROUNDS = {
    "contents, links and services": {"content", "stopped", "probe", "there"},
    "modes, owners, groups and answers": {"mode", "owner", "disabled", "group", "member", "answer"},
    "files that are gone, and a package": {"gone", "package"},
}
# One removed package at a time is what apt can mend while others need it; `make soak` takes each.
PACKAGE = "redis-server"


@pytest.fixture(scope="module", autouse=True)
def deployed(proof: Proof) -> None:
    """The region stands before anything is changed, also when these tests run alone."""
    outcome = proof.deploy("region", "--no-checks")
    assert outcome.code == 0, outcome.stdout


def ran(outcome: Outcome, node: str) -> set[str]:
    return {role["name"] for role in outcome.node(node)["roles"] if not role["kept"]} - {"setup"}


def test_nothing_is_run_when_all_is_as_it_was_left(proof: Proof) -> None:
    before = proof.on("cloud", "ls", "/var/lib/chautari/runs")
    outcome = proof.deploy("region", "--no-checks", "--json")
    assert outcome.code == 0
    assert ran(outcome, "cloud") == ran(outcome, "ground") == set()
    assert {role["name"] for role in outcome.node("ground")["roles"]} == {
        "base",
        "firewall",
        "mail",
    }
    assert any("calendar" in notice for notice in outcome.node("cloud")["notices"])
    assert proof.on("cloud", "ls", "/var/lib/chautari/runs") == before


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


@pytest.mark.parametrize("title", ROUNDS)
def test_changes_by_hand_are_named_and_put_right(proof: Proof, title: str) -> None:
    before = receipts(proof, "cloud")
    made = [
        change for change in tampering.changes(before)
        if change.kind in ROUNDS[title] and (change.kind != "package" or change.item == PACKAGE)
    ]  # fmt: skip
    # What is asked of a service comes before the service is stopped; one change may undo another.
    for change in sorted(made, key=lambda change: change.kind != "probe"):
        proof.on("cloud", "sh", "-c", change.command, check=False)
    drift = json.loads(proof.deploy("drift", "--json").stdout)
    told = json.dumps(next(node for node in drift["nodes"] if node["node"] == "cloud")["roles"])
    assert [str(change) for change in made if change.item not in told] == []

    outcome = proof.deploy("region", "--no-checks", "--json", "--node", "cloud")
    assert outcome.code == 0, outcome.stdout[-4000:]
    assert {role for change in made for role in change.roles} <= ran(outcome, "cloud")
    assert not_mended(before, receipts(proof, "cloud"), made) == []
    again = proof.deploy("region", "--no-checks", "--json", "--node", "cloud")
    assert ran(again, "cloud") == set(), again.node("cloud")["roles"]


def test_each_change_alone_is_seen_and_put_right(proof: Proof, soak: bool) -> None:
    """One after the other, every one of them in `make soak`; here a few that a seed chose."""

    def each(node: str) -> dict[str, str]:
        made = tampering.changes(receipts(proof, node))
        chosen = made if soak else random.Random(3).sample(made, 2)
        told = {}
        for number, change in enumerate(chosen, 1):
            # A campaign of hours says how far it is, and what went wrong as soon as it does.
            print(f"{node}: {number} of {len(chosen)}: {change}", flush=True)
            if wrong := _alone(proof, node, change):
                told[f"{node}: {change}"] = wrong
                print(f"WRONG {node}: {change}: {wrong}", flush=True)
        return told

    with ThreadPoolExecutor(3) as nodes:
        wrong = dict(item for found in nodes.map(each, ("cloud", "meet", "hall"))
                     for item in found.items())  # fmt: skip
    assert wrong == {}, json.dumps(wrong, indent=1)


def _alone(proof: Proof, node: str, change: Change) -> str:
    """Make one change and deploy; return what was wrong then, or nothing."""
    before = receipts(proof, node)
    proof.on(node, "sh", "-c", change.command)
    outcome = proof.deploy("region", "--no-checks", "--json", "--node", node)
    if outcome.code:
        return str(outcome.troubles)
    if missed := set(change.roles) - ran(outcome, node):
        return f"{', '.join(missed)} did not run"
    return "; ".join(not_mended(before, receipts(proof, node), [change]))


# A login is written anew with another salt, a PDF with its time: that they are right, checks prove.
SALTED = ("/etc/framadate/htpasswd", "/var/www/chautari-bigbluebutton/welcome.pdf")


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
        if then[key] != now[key] and key[1] not in ("probe", "loaded", "exists")
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
    return dict(text)


def test_one_changed_setting_runs_its_role_and_those_that_need_it(proof: Proof) -> None:
    kept = proof.file.read_text()
    proof.edit("quota: 2 GB", "quota: 3 GB")
    try:
        plan = proof.deploy("plan", "--json")
        assert plan.code == 0, plan.stderr
        assert ran(plan, "cloud") == {"nextcloud"} and ran(plan, "ground") == set()
        nextcloud = next(r for r in plan.node("cloud")["roles"] if r["name"] == "nextcloud")
        assert nextcloud["why"] == ["nextcloud_quota changed"]
        outcome = proof.deploy("region", "--no-checks", "--json")
        assert ran(outcome, "cloud") == ran(plan, "cloud"), outcome.node("cloud")["roles"]
        assert ran(outcome, "ground") == ran(plan, "ground")
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
    told = [notice for notice in outcome.node("ground")["notices"] if "/etc/hosts" in notice]
    assert len(told) == 1 and "counts as it is" in told[0]
    assert "printer" in proof.on("ground", "cat", "/etc/hosts")
    again = proof.deploy("region", "--no-checks", "--json", "--node", "ground")
    assert ran(again, "ground") == set() and again.node("ground")["notices"] == []


def test_drift_is_mailed_once(proof: Proof) -> None:
    proof.on("ground", "systemctl", "stop", "nftables.service")
    for _ in range(2):
        proof.on("ground", "chautari-drift", "--mail")
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
    assert "canary ground is not well" in outcome.node("cloud")["refusals"][0]["what"]
    healed = proof.deploy("region", "--json", "--canary", "ground")
    assert healed.code == 0, healed.troubles
    assert healed.report["checks"]["failed"] == 0
