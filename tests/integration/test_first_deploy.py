"""The first deploy of a node, broken off again and again: it ends as an undisturbed one does.

Here apt installs hundreds of packages, databases are made and releases are switched: what a
redeploy never touches. It takes many minutes, so only `make soak` has it.
"""

from __future__ import annotations

import random
import time

import pytest
from tests.integration import harm
from tests.integration.conftest import Proof, Teller, bare

pytestmark = [pytest.mark.containers, pytest.mark.soak]
NODE = "cloud"
HITS = 6
# Each run is left at work for a part of what it has to do, so that the next one has some left.
LEFT_SECONDS = (2.0, 20.0)
KINDS = ("runner killed", "node restarted")


def strike(proof: Proof, kind: str, seconds: float) -> bool:
    """Break off a deploy after it was at work for so long; return whether that hit it."""
    process = proof.begin("region", "--no-checks", "--node", NODE)
    began = time.monotonic()
    # Until the machine is prepared there is no run, and nothing to ask it with.
    while not (at_work := harm.at_work(proof, NODE, patient=True)) and process.poll() is None:
        assert time.monotonic() - began < 900
        time.sleep(0.5)
    time.sleep(seconds)
    at_work = harm.at_work(proof, NODE)
    if at_work and kind == "node restarted":
        harm.restart(proof, NODE)
    elif at_work:
        harm.kill_runner(proof, NODE)
    _, said = process.communicate(timeout=600)
    hit = bool(at_work) and harm.broken_off(proof, NODE)
    assert hit or process.returncode == 0, said[-3000:]
    return hit


def test_first_deploy_that_is_broken_off_converges(proof: Proof, teller: Teller) -> None:
    dice = random.Random(5)
    hits: list[str] = []
    bare(proof)
    strikes = 0
    while len(hits) < HITS:
        strikes += 1
        assert strikes < 3 * HITS
        kind, moment = KINDS[len(hits) % 2], dice.uniform(*LEFT_SECONDS)
        if hit := strike(proof, kind, moment):
            hits.append(kind)
        else:
            bare(proof)  # it came to its end, and the next one would have nothing to do
        teller.say(f"first deploy: {kind} after {moment:.0f} s: {'hit' if hit else 'missed'}")
    outcome = proof.deploy("region", "--json")
    assert outcome.code == 0, outcome.troubles
    assert outcome.report["checks"]["failed"] == 0
    full = proof.deploy("region", "--no-checks", "--json", "--full", "--node", NODE)
    assert full.code == 0, full.troubles
    assert full.node(NODE)["changed"] == 0, full.node(NODE)["roles"]
    counted = {kind: hits.count(kind) for kind in KINDS}
    teller.figure(f"first deploy of {NODE} broken off {HITS} times {counted}, {strikes} tried: "
                  "checks green, the second full run 0 changes")  # fmt: skip
