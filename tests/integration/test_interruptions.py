"""Faults during a run: nothing is lost, and the report names the next step.

Each fault is tried once, and 20 times in `make soak` (`--soak`). The moments are random,
with a seed for each test. Only faults that hit a run count.
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
from tests.integration.conftest import Outcome, ProgressReporter, Proof, kill_group

from chautari.prepare import worker
from chautari.region.load import load_region
from chautari.render.provider import known_endpoints
from chautari.ssh.message_validation import parse_known_event
from chautari.ssh.runner_client import new_run_id, start_runner_action
from chautari.ssh.target import ssh_targets

pytestmark = pytest.mark.containers
NODE = "ground"


@pytest.fixture(scope="module", autouse=True)
def expected_states(deployed: Proof) -> dict[str, object]:
    """Return the states on the node after deploys without faults."""
    assert deploy(deployed).code == 0
    return harm.recorded_states(deployed, NODE)


def deploy(proof: Proof, *arguments: str, person: str = "ana") -> Outcome:
    options = ("--no-checks", "--json", "--node", NODE, *arguments)
    return proof.deploy("region", *options, person=person)


def assert_repaired(proof: Proof, expected_states: dict[str, object], full: bool) -> None:
    """Deploy, then assert the expected states; with `full`, another full run changes nothing.

    A full run takes long, so outside `make soak` one follows the three random faults together.
    """
    outcome = deploy(proof)
    assert outcome.code == 0, outcome.problems
    now = harm.recorded_states(proof, NODE)
    assert {
        name: now.get(name) for name, state in expected_states.items() if now.get(name) != state
    } == {}
    if full:
        outcome = deploy(proof, "--full")
        assert outcome.code == 0, outcome.stdout[-2000:]
        assert outcome.node(NODE)["changed"] == 0, outcome.node(NODE)["roles"]


@pytest.fixture(scope="module")
def seconds(proof: Proof, expected_states: dict[str, object]) -> float:
    """Return how long a run takes that repairs every managed file without a fault."""
    harm.tamper(proof, NODE)
    began = time.monotonic()
    outcome = deploy(proof)
    assert outcome.code == 0, outcome.problems
    return time.monotonic() - began


def start_repair(proof: Proof) -> subprocess.Popen[str]:
    """Change every managed file of the node and start the deploy that repairs them."""
    harm.tamper(proof, NODE)
    return proof.start_deploy("region", "--no-checks", "--node", NODE)


def test_control_process_killed_at_random_moments(
    proof: Proof,
    expected_states: dict[str, object],
    seconds: float,
    fault_count: int,
    soak: bool,
    progress: ProgressReporter,
) -> None:
    found_active: list[bool] = []

    def strike(moment: float) -> bool:
        process = start_repair(proof)
        time.sleep(moment)
        kill_group(process)
        hit = process.returncode == -signal.SIGKILL
        if hit:
            found_active.append(bool(harm.active_runs(proof, NODE)))
            progress.report(
                f"control process killed after {moment} s, node active: {found_active[-1]}"
            )
        # The same command joins the run that is still active.
        again = deploy(proof)
        assert again.code == 0, (moment, again.problems)
        assert_repaired(proof, expected_states, full=soak)
        return hit

    strikes = harm.strike_at_random(fault_count, seconds, 5, strike)
    progress.summarize(
        f"control process killed {fault_count} times of {strikes} tried, {sum(found_active)} "
        f"of them while the run was active, in runs of about {seconds:.0f} s: the expected states"
    )
    assert sum(found_active) >= max(1, fault_count // 2)


def test_runner_on_the_node_killed_at_random_moments(
    proof: Proof,
    expected_states: dict[str, object],
    seconds: float,
    fault_count: int,
    soak: bool,
    progress: ProgressReporter,
) -> None:
    def strike(moment: float) -> bool:
        process = start_repair(proof)
        time.sleep(moment)
        killed = harm.kill_runner(proof, NODE)
        process.communicate(timeout=120)
        hit = killed and process.returncode == 1 and harm.last_run_interrupted(proof, NODE)
        progress.report(f"runner killed after {moment} s: {'hit' if hit else 'missed'}")
        if hit:
            refusal = proof.deploy("attach", "--json", "--node", NODE).node(NODE)["refusals"][0]
            assert refusal["code"] == "run_lost"
            assert refusal["fix"].startswith("Deploy again")
        assert_repaired(proof, expected_states, full=soak)
        return hit

    strikes = harm.strike_at_random(fault_count, seconds, 10, strike)
    progress.summarize(
        f"runner killed on the node {fault_count} times of {strikes} tried: reported with the "
        "next step, the expected states"
    )


def test_node_restarted_at_random_moments(
    proof: Proof,
    expected_states: dict[str, object],
    seconds: float,
    fault_count: int,
    soak: bool,
    progress: ProgressReporter,
) -> None:
    restarts = max(1, fault_count // 4)

    def strike(moment: float) -> bool:
        process = start_repair(proof)
        time.sleep(moment)
        active = harm.active_runs(proof, NODE)
        harm.restart(proof, NODE)
        process.communicate(timeout=300)
        hit = bool(active) and harm.last_run_interrupted(proof, NODE)
        progress.report(f"node restarted after {moment} s: {'hit' if hit else 'missed'}")
        assert_repaired(proof, expected_states, full=soak)
        return hit

    strikes = harm.strike_at_random(restarts, seconds, 3, strike)
    assert_repaired(proof, expected_states, full=True)
    progress.summarize(
        f"node restarted in the middle of {restarts} runs, {strikes} tried: converged, and after "
        "these faults a full run made 0 changes"
    )


KILL_BEFORE_HANDLER = """
while grep -q '# tampered' /etc/postfix/main.cf; do sleep 0.02; done
systemctl kill --kill-whom=main --signal=KILL 'chautari-run-*.service'
"""


def test_pending_handler_of_an_interrupted_run_is_notified(proof: Proof) -> None:
    """Kill the runner after a file was written and before its service read it."""
    proof.on(NODE, "sh", "-c", "printf '# tampered\\n' >> /etc/postfix/main.cf")
    process = proof.start_deploy("region", "--no-checks", "--node", NODE)
    # The node itself watches: over podman, the handler could run before the kill.
    proof.on(NODE, "timeout", "90", "sh", "-c", KILL_BEFORE_HANDLER)
    process.communicate(timeout=120)
    # The marker claims that postfix read the file: only the pending handler shows otherwise.
    proof.on(NODE, "touch", "/var/lib/chautari/postfix.loaded")
    before = proof.on(NODE, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "postfix")
    outcome = deploy(proof)
    assert outcome.code == 0, outcome.stdout[-2000:]
    [mail] = [role for role in outcome.node(NODE)["roles"] if role["name"] == "mail"]
    assert any(why["code"] == "pending_handlers" for why in mail["why"])
    after = proof.on(NODE, "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "postfix")
    assert after != before
    assert not proof.on(NODE, "ls", "/var/lib/chautari/pending").strip()


def test_deploy_survives_an_outage_of_the_connection(
    proof: Proof, expected_states: dict[str, object], soak: bool
) -> None:
    process = start_repair(proof)
    time.sleep(6)
    with harm.connection_cut(proof, NODE):
        time.sleep(300 if soak else 75)
    _, output = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    assert "connection lost; reconnecting" in output
    assert_repaired(proof, expected_states, full=soak)


REFUSED = r"ana is deploying to this node \(since \d\d:\d\d, from \S.*, run (\S+)\)\."


def test_two_operators_never_deploy_at_once(
    proof: Proof, fault_count: int, progress: ProgressReporter
) -> None:
    known = {run["run"] for run in harm.runs(proof, NODE)}
    dice = random.Random(4)
    refused: list[tuple[str, float]] = []
    found_runs: dict[str, dict[str, Any]] = {}
    # The first pair begins at the same moment, the others up to three seconds apart.
    for delay in (0.0, *(dice.uniform(0.0, 3.0) for _ in range(fault_count - 1))):
        first = proof.start_deploy("region", "--no-checks", "--full", "--node", NODE)
        time.sleep(delay)
        began = time.monotonic()
        second = deploy(proof, "--full", person="luz")
        took = time.monotonic() - began
        first.communicate(timeout=300)
        codes = sorted((first.returncode, second.code))
        assert codes == [0, 1], (codes, second.problems)
        progress.report(
            f"two operators, {delay:.2f} s apart: {'ana' if second.code else 'luz'} continued"
        )
        if second.code:
            refusal = second.node(NODE)["refusals"][0]
            match = re.fullmatch(REFUSED, refusal["reason"])
            assert match, refusal
            assert "--wait" in refusal["fix"]
            refused.append((match[1], took))
            assert took < 20  # no wait; how long it takes is measured by a bench
        # A node keeps only the last runs.
        found_runs |= {run["run"]: run for run in harm.runs(proof, NODE) if run["run"] not in known}
    assert len(found_runs) == fault_count
    assert all(found_runs[run]["operator"] == "ana" for run, _ in refused)
    spans = sorted((run["began"], run["ended"]) for run in found_runs.values())
    assert all(end is not None for _, end in spans)
    overlaps = sum(one[1] > two[0] for one, two in pairwise(spans))
    slowest = max((took for _, took in refused), default=0.0)
    progress.summarize(
        f"two operators at once, {fault_count} pairs: {overlaps} overlaps, {len(refused)} times "
        f"the second was refused, in {slowest:.1f} s at most"
    )
    assert overlaps == 0, spans


def test_second_operator_may_wait(proof: Proof) -> None:
    first = proof.start_deploy("region", "--no-checks", "--full", "--node", NODE)
    deadline = time.monotonic() + 60
    while not proof.on(NODE, "cat", "/var/lib/chautari/holder.json", check=False):
        assert time.monotonic() < deadline
    second = deploy(proof, "--wait", person="luz")
    first.communicate(timeout=300)
    assert first.returncode == second.code == 0
    assert "ana is deploying to this node (since" in second.stderr
    assert "; waiting" in second.stderr


def test_full_disk_truncates_no_file(
    proof: Proof, expected_states: dict[str, object], soak: bool
) -> None:
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
    assert_repaired(proof, expected_states, full=soak)


def test_full_disk_of_the_journal_is_reported(
    proof: Proof, expected_states: dict[str, object], soak: bool
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
    assert_repaired(proof, expected_states, full=soak)


def test_locked_apt_is_reported_and_waited_for(proof: Proof) -> None:
    proof.on(NODE, "dpkg", "--force-depends", "--remove", "libsasl2-modules")
    with harm.apt_lock_held(proof, NODE, 25):
        outcome = deploy(proof)
    assert outcome.code == 0, outcome.stdout[-2000:]
    assert any(
        n["code"] == "apt_locked" and "python3" in n["text"] for n in outcome.node(NODE)["notices"]
    )
    assert "install ok installed" in proof.on(NODE, "dpkg", "-s", "libsasl2-modules")


def test_update_waits_for_the_lock_of_the_lists(proof: Proof) -> None:
    """A fresh machine fetches the lists by itself while it is prepared."""
    with harm.apt_lock_held(proof, NODE, 17, lock="/var/lib/apt/lists/lock"):
        began = time.monotonic()
        proof.on(NODE, "sh", "-c", worker.UPDATE)
        assert time.monotonic() - began > 15


def test_damaged_bundle_is_not_unpacked(proof: Proof) -> None:
    loaded_region = load_region(proof.file)
    [target] = ssh_targets(loaded_region, known_endpoints(loaded_region), (NODE,))
    run = new_run_id()
    arguments = {"action": "start", "run": run, "sha256": "0" * 64}
    events = [
        parse_known_event(line)
        for line in start_runner_action(target, arguments, b"not a bundle")
        if line
    ]
    assert events == [{"event": "refused", "reason": {"code": "bundle_damaged", "data": {}}}]
    assert run not in proof.on(NODE, "sh", "-c", "ls /run/chautari /var/lib/chautari/runs")


def test_damaged_receipts_make_their_roles_run(proof: Proof) -> None:
    damages = {
        "base": "truncate -s 100",
        "firewall": "truncate -s 0",
        "mail": "sed -i s/mail/fail/",
    }
    for role, damage in damages.items():
        proof.on(NODE, "sh", "-c", f"{damage} /var/lib/chautari/receipts/{role}.json")
    plan = proof.deploy("plan", "--json", "--node", NODE)
    why = {
        role["name"]: [reason["text"] for reason in role["why"]]
        for role in plan.node(NODE)["roles"]
    }
    for role in damages:
        assert why[role] == ["the record (receipt) of its last deploy is damaged"]
    outcome = deploy(proof)
    assert outcome.code == 0 and outcome.node(NODE)["changed"] == 0
    again = deploy(proof)
    assert all(role["up_to_date"] for role in again.node(NODE)["roles"])
