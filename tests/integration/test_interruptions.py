"""What may happen in the middle of a run: nothing is lost, and the message names the next step.

Each fault is tried a few times here and often in `make soak` (`--soak`); the moments are random,
each test's from a seed of its own, and only those count that really hit a run.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import time
from itertools import pairwise
from typing import Any

import pytest
from tests.integration import harm
from tests.integration.conftest import Outcome, Proof, Teller, kill_group

from chautari.prepare import worker
from chautari.region.load import load
from chautari.render.provider import known_endpoints
from chautari.ssh.runner_client import new_run_id, open_stream
from chautari.ssh.target import targets
from chautari.ssh.validation import parse_event

pytestmark = [pytest.mark.containers, pytest.mark.one_node]
NODE = "ground"


@pytest.fixture(scope="module", autouse=True)
def undisturbed(deployed: Proof) -> dict[str, object]:
    """How the node stands after deploys that nothing disturbed."""
    assert deploy(deployed).code == 0
    return harm.standing(deployed, NODE)


def deploy(proof: Proof, *arguments: str, person: str = "ana") -> Outcome:
    asked = ("--no-checks", "--json", "--node", NODE, *arguments)
    return proof.deploy("region", *asked, person=person)


def is_whole(proof: Proof, undisturbed: dict[str, object], full: bool = True) -> None:
    """The node stands as an undisturbed one; with `full`, a second run of all changes nothing."""
    assert deploy(proof).code == 0
    now = harm.standing(proof, NODE)
    assert {
        name: now.get(name) for name, state in undisturbed.items() if now.get(name) != state
    } == {}
    if full:
        outcome = deploy(proof, "--full")
        assert outcome.code == 0, outcome.stdout[-2000:]
        assert outcome.node(NODE)["changed"] == 0, outcome.node(NODE)["roles"]


@pytest.fixture(scope="module")
def seconds(proof: Proof, undisturbed: dict[str, object]) -> float:
    """How long a run takes here that nobody disturbs and that has everything to put right."""
    harm.tamper(proof, NODE)
    began = time.monotonic()
    outcome = deploy(proof)
    assert outcome.code == 0, outcome.troubles
    return time.monotonic() - began


def begin(proof: Proof) -> subprocess.Popen[str]:
    """Harm the node and begin to put it right."""
    harm.tamper(proof, NODE)
    return proof.begin("region", "--no-checks", "--node", NODE)


def test_control_process_killed_at_random_moments(
    proof: Proof,
    undisturbed: dict[str, object],
    seconds: float,
    often: int,
    soak: bool,
    teller: Teller,
) -> None:
    found_at_work: list[bool] = []

    def strike(moment: float) -> bool:
        process = begin(proof)
        time.sleep(moment)
        kill_group(process)
        hit = process.returncode == -signal.SIGKILL
        if hit:
            found_at_work.append(bool(harm.at_work(proof, NODE)))
            teller.say(
                f"control process killed after {moment} s, node at work: {found_at_work[-1]}"
            )
        again = deploy(proof)
        assert again.code == 0, (moment, again.troubles)
        is_whole(proof, undisturbed, full=soak)
        return hit

    strikes = harm.at_random_moments(often, seconds, 1, strike)
    is_whole(proof, undisturbed)
    teller.figure(
        f"control process killed {often} times of {strikes} tried, {sum(found_at_work)} of them "
        f"while the node was at work, in runs of about {seconds:.0f} s: converged each time, "
        "the second full run 0 changes, state as undisturbed"
    )
    assert sum(found_at_work) >= often // 2


def test_runner_on_the_node_killed_at_random_moments(
    proof: Proof,
    undisturbed: dict[str, object],
    seconds: float,
    often: int,
    soak: bool,
    teller: Teller,
) -> None:
    def strike(moment: float) -> bool:
        process = begin(proof)
        time.sleep(moment)
        killed = harm.kill_runner(proof, NODE)
        process.communicate(timeout=120)
        hit = killed and process.returncode == 1 and harm.broken_off(proof, NODE)
        teller.say(f"runner killed after {moment} s: {'hit' if hit else 'missed'}")
        is_whole(proof, undisturbed, full=soak)
        return hit

    strikes = harm.at_random_moments(often, seconds, 2, strike)
    is_whole(proof, undisturbed)
    teller.figure(
        f"runner killed on the node {often} times of {strikes} tried: converged each time, "
        "the second full run 0 changes, state as undisturbed"
    )


def test_run_that_was_killed_says_what_to_do(proof: Proof) -> None:
    process = begin(proof)
    deadline = time.monotonic() + 60
    while not harm.kill_runner(proof, NODE):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.communicate(timeout=120)
    told = proof.deploy("attach", "--json", "--node", NODE).node(NODE)["refusals"][0]
    assert told["code"] == "run_lost"
    assert told["fix"].startswith("Deploy again")
    assert deploy(proof).code == 0


def test_restart_that_an_interrupted_run_owes_is_made_up(proof: Proof) -> None:
    """The runner is killed after a file was written and before its service read it."""
    proof.on(NODE, "sh", "-c", "printf '# tampered\\n' >> /etc/postfix/main.cf")
    process = proof.begin("region", "--no-checks", "--node", NODE)
    deadline = time.monotonic() + 90
    marks = ("grep", "-c", "# tampered", "/etc/postfix/main.cf")
    while proof.on(NODE, *marks, check=False).strip() != "0":
        assert time.monotonic() < deadline
    harm.kill_runner(proof, NODE)
    process.communicate(timeout=120)
    # The stamp claims that postfix has read the file: only the note of the handler knows better.
    proof.on(NODE, "touch", "/var/lib/chautari/postfix.loaded")
    before = proof.on(NODE, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "postfix")
    outcome = deploy(proof)
    assert outcome.code == 0, outcome.stdout[-2000:]
    [mail] = [role for role in outcome.node(NODE)["roles"] if role["name"] == "mail"]
    assert any(why["code"] == "pending_handlers" for why in mail["why"])
    after = proof.on(NODE, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "postfix")
    assert after != before
    assert not proof.on(NODE, "ls", "/var/lib/chautari/pending").strip()


def test_link_that_is_cut_and_comes_back(
    proof: Proof, undisturbed: dict[str, object], soak: bool
) -> None:
    process = begin(proof)
    time.sleep(6)
    with harm.link_cut(proof, NODE):
        time.sleep(300 if soak else 75)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said[-3000:]
    assert "connection lost; reconnecting" in said
    is_whole(proof, undisturbed)


def test_node_that_restarts_in_the_middle(
    proof: Proof,
    undisturbed: dict[str, object],
    seconds: float,
    often: int,
    soak: bool,
    teller: Teller,
) -> None:
    wanted = max(1, often // 4)

    def strike(moment: float) -> bool:
        process = begin(proof)
        time.sleep(moment)
        at_work = harm.at_work(proof, NODE)
        harm.restart(proof, NODE)
        process.communicate(timeout=300)
        hit = bool(at_work) and harm.broken_off(proof, NODE)
        teller.say(f"node restarted after {moment} s: {'hit' if hit else 'missed'}")
        again = deploy(proof)
        assert again.code == 0, (moment, again.troubles)
        is_whole(proof, undisturbed, full=soak)
        return hit

    strikes = harm.at_random_moments(wanted, seconds, 3, strike)
    is_whole(proof, undisturbed)
    teller.figure(f"node restarted in the middle of {wanted} runs, {strikes} tried: converged")


REFUSED = r"ana is deploying to this node \(since \d\d:\d\d, from \S.*, run (\S+)\)\."


def test_two_operators_never_work_at_once(proof: Proof, often: int, teller: Teller) -> None:
    known = {run["run"] for run in harm.runs(proof, NODE)}
    dice = random.Random(4)
    refused: list[tuple[str, float]] = []
    ran: dict[str, dict[str, Any]] = {}
    # The first pair begins at the same moment, the others up to three seconds apart.
    for delay in (0.0, *(dice.uniform(0.0, 3.0) for _ in range(often - 1))):
        first = proof.begin("region", "--no-checks", "--full", "--node", NODE)
        time.sleep(delay)
        began = time.monotonic()
        second = deploy(proof, "--full", person="luz")
        took = time.monotonic() - began
        first.communicate(timeout=300)
        codes = sorted((first.returncode, second.code))
        assert codes == [0, 1], (codes, second.troubles)
        teller.say(f"two operators, {delay:.2f} s apart: {'ana' if second.code else 'luz'} went on")
        if second.code:
            refusal = second.node(NODE)["refusals"][0]
            told = re.fullmatch(REFUSED, refusal["reason"])
            assert told, refusal
            assert "--wait" in refusal["fix"]
            refused.append((told[1], took))
            assert took < 20  # no wait; how long it takes is measured by a bench
        # A node keeps the last runs only.
        ran |= {run["run"]: run for run in harm.runs(proof, NODE) if run["run"] not in known}
    assert len(ran) == often
    assert all(ran[run]["operator"] == "ana" for run, _ in refused)
    spans = sorted((run["began"], run["ended"]) for run in ran.values())
    assert all(end is not None for _, end in spans)
    overlaps = sum(one[1] > two[0] for one, two in pairwise(spans))
    slowest = max((took for _, took in refused), default=0.0)
    teller.figure(
        f"two operators at once, {often} pairs: {overlaps} overlaps, {len(refused)} times the "
        f"second was refused, in {slowest:.1f} s at most"
    )
    assert overlaps == 0, spans


def test_second_operator_may_wait(proof: Proof) -> None:
    first = proof.begin("region", "--no-checks", "--full", "--node", NODE)
    deadline = time.monotonic() + 60
    while not proof.on(NODE, "cat", "/var/lib/chautari/holder.json", check=False):
        assert time.monotonic() < deadline
    second = deploy(proof, "--full", "--wait", person="luz")
    first.communicate(timeout=300)
    assert first.returncode == second.code == 0
    assert "ana is deploying to this node (since" in second.stderr
    assert "; waiting" in second.stderr


def test_disk_that_fills_truncates_nothing(proof: Proof, undisturbed: dict[str, object]) -> None:
    proof.on(NODE, "sh", "-c", "cp -a /etc/postfix /root/postfix && "
             "mount -t tmpfs -o size=140k,mode=0755 tmpfs /etc/postfix && "
             "cp -a /root/postfix/. /etc/postfix/ && "
             "printf '# tampered\\n' >> /etc/postfix/main.cf && "
             "head -c 200k /dev/zero > /etc/postfix/filler; true")  # fmt: skip
    before = proof.on(NODE, "sha256sum", "/etc/postfix/main.cf")
    try:
        outcome = deploy(proof)
        after = proof.on(NODE, "sha256sum", "/etc/postfix/main.cf")
    finally:
        proof.on(NODE, "umount", "/etc/postfix")
        proof.on(NODE, "rm", "-rf", "/root/postfix")
    assert outcome.code == 1
    assert outcome.node(NODE)["failure"]["role"] == "mail"
    assert "No space left on device" in outcome.node(NODE)["failure"]["message"]
    assert after == before
    is_whole(proof, undisturbed)


def test_disk_without_room_for_the_journal_is_named(
    proof: Proof, undisturbed: dict[str, object]
) -> None:
    state = "/var/lib/chautari"
    proof.on(NODE, "sh", "-c", "printf '# tampered\\n' >> /etc/postfix/main.cf; "
             f"cp -a {state} /root/state && mount -t tmpfs -o size=24m,mode=0755 tmpfs {state} && "
             f"cp -a /root/state/. {state}/ && head -c 24M /dev/zero > {state}/filler; true"
             )  # fmt: skip
    try:
        outcome = deploy(proof)
    finally:
        proof.on(NODE, "umount", state)
        proof.on(NODE, "rm", "-rf", "/root/state")
    assert outcome.code == 1
    [refusal] = outcome.node(NODE)["refusals"]
    assert "No space left on device" in refusal["reason"] or state in refusal["reason"], refusal
    assert "df -i" in refusal["fix"]
    is_whole(proof, undisturbed)


def test_apt_that_is_at_work_is_waited_for_and_named(proof: Proof) -> None:
    proof.on(NODE, "dpkg", "--force-depends", "--remove", "libsasl2-modules")
    with harm.apt_held(proof, NODE, 25):
        outcome = deploy(proof)
    assert outcome.code == 0, outcome.stdout[-2000:]
    assert any(
        n["code"] == "apt_locked" and "python3" in n["text"] for n in outcome.node(NODE)["notices"]
    )
    assert "install ok installed" in proof.on(NODE, "dpkg", "-s", "libsasl2-modules")


def test_lists_that_something_else_fetches_are_waited_for(proof: Proof) -> None:
    """As a fresh machine does by itself while it is prepared."""
    with harm.apt_held(proof, NODE, 17, lock="/var/lib/apt/lists/lock"):
        began = time.monotonic()
        proof.on(NODE, "sh", "-c", worker.UPDATE)
        assert time.monotonic() - began > 15


def test_bundle_that_arrives_damaged_is_not_unpacked(proof: Proof) -> None:
    inventory = load(proof.file)
    [target] = targets(inventory, known_endpoints(inventory), (NODE,))
    run = new_run_id()
    arguments = {"action": "start", "run": run, "sha256": "0" * 64}
    told = [parse_event(line) for line in open_stream(target, arguments, b"not a bundle")]
    assert told == [{"event": "refused", "reason": {"code": "bundle_damaged", "data": {}}}]
    assert run not in proof.on(NODE, "sh", "-c", "ls /run/chautari /var/lib/chautari/runs")


@pytest.mark.parametrize("harmed", ["truncate -s 100", "truncate -s 0", "sed -i s/base/bass/"])
def test_receipt_that_is_damaged_makes_its_role_run(proof: Proof, harmed: str) -> None:
    proof.on(NODE, "sh", "-c", f"{harmed} /var/lib/chautari/receipts/base.json")
    plan = proof.deploy("plan", "--json", "--node", NODE)
    [base] = [role for role in plan.node(NODE)["roles"] if role["name"] == "base"]
    assert [why["text"] for why in base["why"]] == ["its receipt is damaged"]
    outcome = deploy(proof)
    assert outcome.code == 0 and outcome.node(NODE)["changed"] == 0
    again = deploy(proof)
    assert all(role["up_to_date"] for role in again.node(NODE)["roles"])
