"""The first deploy of a node, interrupted many times, ends like an uninterrupted one.

A first deploy installs hundreds of packages, creates databases and switches releases, which later
deploys never do. It takes many minutes, so only `make soak` runs it.
"""

from __future__ import annotations

import random
import time

import pytest
from tests.integration import harm
from tests.integration.conftest import ProgressReporter, Proof, reset_region

pytestmark = [pytest.mark.containers, pytest.mark.soak]
NODE = "cloud"
HITS = 6
# Each run is interrupted early enough that the next one has tasks left.
RUN_SECONDS = (2.0, 20.0)
KINDS = ("runner killed", "node restarted")


def strike(proof: Proof, kind: str, seconds: float) -> bool:
    """Interrupt a run after some seconds; return whether it had not ended before."""
    process = proof.start_deploy("region", "--no-checks", "--node", NODE)
    began = time.monotonic()
    # Before the machine is prepared there is no run, and no systemctl to query.
    while (
        not (active := harm.active_runs(proof, NODE, may_be_down=True)) and process.poll() is None
    ):
        assert time.monotonic() - began < 900
        time.sleep(0.5)
    time.sleep(seconds)
    active = harm.active_runs(proof, NODE)
    if active and kind == "node restarted":
        harm.restart(proof, NODE)
    elif active:
        harm.kill_runner(proof, NODE)
    _, output = process.communicate(timeout=600)
    hit = bool(active) and harm.last_run_interrupted(proof, NODE)
    assert hit or process.returncode == 0, output[-3000:]
    return hit


def test_interrupted_first_deploy_converges(proof: Proof, progress: ProgressReporter) -> None:
    dice = random.Random(5)
    hits: list[str] = []
    reset_region(proof)
    strikes = 0
    while len(hits) < HITS:
        strikes += 1
        assert strikes < 3 * HITS
        kind, moment = KINDS[len(hits) % 2], dice.uniform(*RUN_SECONDS)
        if hit := strike(proof, kind, moment):
            hits.append(kind)
        else:
            reset_region(proof)  # it finished, so the next run would have no tasks
        outcome_text = "hit" if hit else "missed"
        progress.report(f"first deploy: {kind} after {moment:.0f} s: {outcome_text}")
    outcome = proof.deploy("region", "--json")
    assert outcome.code == 0, outcome.problems
    assert outcome.report["checks"]["failed"] == 0
    full = proof.deploy("region", "--no-checks", "--json", "--full", "--node", NODE)
    assert full.code == 0, full.problems
    assert full.node(NODE)["changed"] == 0, full.node(NODE)["roles"]
    counted = {kind: hits.count(kind) for kind in KINDS}
    progress.summarize(
        f"first deploy of {NODE} interrupted {HITS} times {counted}, {strikes} tried: "
        "checks green, the second full run 0 changes"
    )
